"""Spans on their way to a collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from runtime import request, telemetry
from runtime.auth import ClusterKey
from runtime.config import BadSettings
from runtime.rpc.channel import open_channel
from tests.support.collector import Collector, running_collector
from tests.support.ports import free_port
from tests.support.rpc import REPORT, EchoStub, ask, running_server, settings


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[Collector]:
    with running_collector() as collector:
        telemetry.configure(settings(tmp_path, otlp_endpoint=collector.url, trace_sample_ratio=1.0))
        yield collector
        await asyncio.to_thread(telemetry.shutdown)


async def test_one_trace_goes_through_client_and_server(collector: Collector, tmp_path: Path):
    async def act(_: str) -> int:
        with telemetry.span("look_at_the_sky"):
            return 1

    key = ClusterKey(b"k" * 32)
    async with (
        running_server(settings(tmp_path), key, act) as server,
        open_channel(f"127.0.0.1:{server.port}", key=key) as channel,
    ):
        with telemetry.span("front", server=True):
            await EchoStub(channel).report(ask("x"))
    await asyncio.to_thread(telemetry.shutdown)
    by_name = {span.name: span for span in collector.spans}
    assert set(by_name) == {"front", REPORT, "look_at_the_sky"}
    assert len({span.trace for span in collector.spans}) == 1
    assert by_name[REPORT].parent == by_name["front"].id
    assert by_name["look_at_the_sky"].parent == by_name[REPORT].id
    assert [by_name[name].kind for name in ("front", "look_at_the_sky")] == [2, 1]
    assert by_name["front"].resource["service.instance.id"] == "echo-1"


async def test_a_trace_not_sampled_by_its_caller_is_not_recorded(collector: Collector):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    with request.bind(traceparent=parent), telemetry.span("front", parent=parent, server=True):
        assert telemetry.traceparent().endswith("-00")
    await asyncio.to_thread(telemetry.shutdown)
    assert collector.spans == []


async def test_a_health_check_begins_no_trace(collector: Collector, tmp_path: Path):
    key = ClusterKey(b"k" * 32)
    async with (
        running_server(settings(tmp_path), key, _one) as server,
        open_channel(f"127.0.0.1:{server.port}", key=key) as channel,
    ):
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await EchoStub(channel).report(ask("x"))
    await asyncio.to_thread(telemetry.shutdown)
    assert [span.name for span in collector.spans] == [REPORT]


async def _one(_: str) -> int:
    return 1


async def test_a_collector_that_is_away_costs_nothing_but_spans(tmp_path: Path):
    telemetry.configure(
        settings(tmp_path, otlp_endpoint=f"http://127.0.0.1:{free_port()}", trace_sample_ratio=1.0)
    )
    with telemetry.span("front"):
        pass
    with capture_logs() as logs:
        await asyncio.wait_for(asyncio.to_thread(telemetry.shutdown), 10)
    assert [each["event"] for each in logs] == ["spans_dropped"]


def test_a_wrong_endpoint_is_told_clearly(tmp_path: Path):
    with pytest.raises(BadSettings, match="ISTHMUS_OTLP_ENDPOINT"):
        telemetry.configure(settings(tmp_path, otlp_endpoint="collector:4318"))
