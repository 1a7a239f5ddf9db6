"""/metrics over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runtime.config import BadSettings
from runtime.telemetry import MetricsServer
from tests.support.rpc import settings


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = MetricsServer(settings(tmp_path, metrics_port=-1))
    await server.start()
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()


async def test_metrics_are_told_as_text(url: str):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert "isthmus_rpc_server_seconds" in answer.text or "process_cpu_seconds_total" in answer.text


async def test_whoever_asks_is_told_that_the_process_lives(url: str):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_nothing_else_is_told(url: str):
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/")).status_code == 404
        assert (await client.post(f"{url}/metrics")).status_code == 405


async def test_port_zero_means_off(tmp_path: Path):
    server = MetricsServer(settings(tmp_path))
    await server.start()
    assert server.port == 0
    await server.stop()


async def test_a_taken_port_is_told_clearly(url: str, tmp_path: Path):
    port = int(url.rpartition(":")[2])
    with pytest.raises(BadSettings, match=f"metrics port 127.0.0.1:{port}"):
        await MetricsServer(settings(tmp_path, metrics_port=port)).start()
