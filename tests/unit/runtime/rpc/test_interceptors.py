from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from runtime import errors, request, telemetry
from runtime.auth import ClusterKey, caller, caller_blob, to_text
from runtime.identity import Identity, Kind
from runtime.rpc.interceptors import handle_call, identify

METHOD = "/a.B/C"
USER = Identity(kind=Kind.USER, subject_id="u1", expires_at_ms=time.time_ns() // 1_000_000 + 3_600_000)


async def handle(behaviour: Any, **options: Any) -> Any:
    return await handle_call(METHOD, behaviour, "ping", identity=USER, identity_blob=b"signed", **options)


async def test_the_behaviour_sees_its_call():
    async def behaviour(asked: str, _context: object) -> Any:
        return asked, caller(), caller_blob(), request.request_id(), request.remaining_s(0)

    asked, who, blob, request_id, left_s = await handle(behaviour, request_id="r1", timeout_s=5)
    assert (asked, who, blob, request_id) == ("ping", USER, b"signed", "r1")
    assert 4 < left_s <= 5


async def test_nothing_is_left_behind():
    async def behaviour(*_: object) -> None:
        pass

    await handle(behaviour)
    assert request.current_call.get() is request.NO_CALL


async def test_errors_of_ours_pass():
    async def behaviour(*_: object) -> None:
        raise errors.NoSuchFile(path="/a")

    with pytest.raises(errors.NoSuchFile):
        await handle(behaviour)


async def test_anything_else_is_internal_and_logged():
    async def behaviour(*_: object) -> None:
        raise ZeroDivisionError("secret")

    with capture_logs() as logs, pytest.raises(errors.InternalError) as caught:
        await handle(behaviour)
    assert "secret" not in caught.value.message
    assert [each["event"] for each in logs] == ["call_failed"]


async def test_a_call_ends_with_its_deadline():
    async def behaviour(*_: object) -> None:
        await asyncio.sleep(10)

    with pytest.raises(errors.DeadlineExceeded):
        await handle(behaviour, timeout_s=0.01)


async def test_a_time_limit_within_the_behaviour_is_its_own_bug():
    async def behaviour(*_: object) -> None:
        raise TimeoutError

    with capture_logs(), pytest.raises(errors.InternalError):
        await handle(behaviour, timeout_s=5)


async def test_cancellation_passes():
    async def behaviour(*_: object) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await handle(behaviour)


async def test_an_absurd_request_id_is_replaced():
    async def behaviour(*_: object) -> str:
        return request.request_id()

    assert len(await handle(behaviour, request_id="x" * 1000)) == 32


async def test_a_trace_goes_on_without_being_recorded():
    async def behaviour(*_: object) -> str:
        return telemetry.traceparent()

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert await handle(behaviour, traceparent=trace) == trace


async def test_spans_join_the_trace_of_the_caller():
    async def behaviour(*_: object) -> str:
        with telemetry.span("step"):
            return telemetry.traceparent()

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.use_tracer_provider(provider)
    try:
        passed_on = await handle(
            behaviour, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        )
    finally:
        telemetry.use_tracer_provider(None)
        provider.shutdown()
    step, call = exporter.get_finished_spans()
    assert (step.name, call.name) == ("step", METHOD)
    assert passed_on == f"00-0af7651916cd43dd8448eb211c80319c-{step.context.span_id:016x}-01"
    assert call.parent.span_id == 0xB7AD6B7169203331
    assert step.parent.span_id == call.context.span_id


def test_the_signed_identity_counts_before_a_token():
    key = ClusterKey(b"k" * 32)
    blob = key.sign(USER)
    assert identify(key, {"isthmus-identity-bin": blob, "authorization": "Bearer x"}) == (USER, blob)
    assert identify(key, {"authorization": f"bearer {to_text(blob)}"}) == (USER, blob)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer %%%"])
def test_other_credentials_are_refused(authorization: str):
    with pytest.raises(errors.Unauthenticated):
        identify(ClusterKey(b"k" * 32), {"authorization": authorization})
