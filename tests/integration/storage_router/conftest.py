from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from services.storage_router.api.data_port.limits import Limits
from tests.support.data_port import RunningPort, run_data_port
from tests.support.raw_http import RawClient

Connect = Callable[[int | Path], Awaitable[RawClient]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the real processes: descriptors and pausing differ from the standard one."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects clients that are broken off at the end of the test."""
    made: list[RawClient] = []

    async def one(address: int | Path) -> RawClient:
        made.append(await RawClient.connect(address))
        return made[-1]

    yield one
    for client in made:
        client.abort()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[RunningPort]:
    limits = Limits(head_timeout_s=3, stall_timeout_s=3, stop_timeout_s=2)
    async with run_data_port(tmp_path, limits=limits) as running:
        yield running


@pytest.fixture(params=["tcp", "unix"])
async def client(port: RunningPort, connect: Connect, request: pytest.FixtureRequest) -> RawClient:
    return await connect(port.port.port if request.param == "tcp" else port.uds)
