"""A gateway for each test: the application alone, or behind the HTTP server of a real one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runtime.http.server import HttpServer
from tests.support.gateway import GatewayTwin


@pytest.fixture
def road() -> str:
    """`application`: no sockets. Modules about hot routes have each test run by `server`, too."""
    return "application"


@pytest.fixture
async def gateway(road: str, tmp_path: Path) -> AsyncIterator[GatewayTwin]:
    """The application, and `gateway.http` to speak to it as the owner of the space `home`."""
    twin = GatewayTwin()
    await twin.start()
    async with contextlib.AsyncExitStack() as running:
        if road == "server":
            await running.enter_async_context(_served(twin, tmp_path / "gateway.sock"))
        await running.enter_async_context(twin.http)
        yield twin
        await twin.jobs.stop()
        await twin.remembered.stop()


@contextlib.asynccontextmanager
async def _served(twin: GatewayTwin, uds: Path) -> AsyncIterator[None]:
    """`twin.http` goes through a server's socket."""
    server = HttpServer(
        twin.app, host="127.0.0.1", port=0, uds=str(uds), max_concurrent_requests=100, drain_s=0
    )
    await server.start()
    await twin.http.aclose()
    twin.http = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(uds)),
        base_url="http://door:8443",
        headers={"x-auth-token": "owner"},
    )
    yield
    await server.stop()
