"""What surrounds every call: a real server and real channels in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from runtime import errors, request
from runtime.auth import ClusterKey, as_caller, caller, caller_blob, service_identity, to_text
from runtime.identity import GUEST, Identity, Kind, SpaceRights
from runtime.rpc.channel import open_channel
from runtime.rpc.server import RpcServer
from tests.support.rpc import LIST, REPORT, SERVICE, EchoStub, NoSuchStar, ask, running_server, settings

USER = Identity(
    kind=Kind.USER,
    subject_id="u1",
    group_ids=("g1", "g2"),
    spaces={"s1": SpaceRights("stars", privileges=6)},
    expires_at_ms=time.time_ns() // 1_000_000 + 3_600_000,
)


class Sky:
    """What the calls of one test do, and what they saw."""

    def __init__(self) -> None:
        self.callers: list[Identity] = []
        self.blobs: list[bytes] = []
        self.request_ids: list[str] = []
        self.left_s: list[float | None] = []
        self.traces: list[str] = []
        self.calls = 0

    async def act(self, what: str) -> int:
        self.calls += 1
        call = request.current_call.get()
        self.request_ids.append(request.request_id())
        self.left_s.append(None if request.deadline_s() is None else request.remaining_s(0))
        self.traces.append(call.traceparent)
        if call.identity is not None:
            self.callers.append(caller())
            self.blobs.append(caller_blob())
        match what:
            case "missing":
                raise NoSuchStar("no such star here", star="vega", place="Ångström")
            case "bug":
                raise KeyError("secret-of-the-bug")
            case "slow":
                await asyncio.sleep(30)
            case "long":
                raise NoSuchStar("x" * 100_000, big="y" * 100_000, small="z")
            case "away":
                raise errors.Unavailable("the store is away")
        return 7


@pytest.fixture
def sky() -> Sky:
    return Sky()


@pytest.fixture
def key(tmp_path: Path) -> ClusterKey:
    return ClusterKey.generate(tmp_path / "cluster.key")


@pytest.fixture
async def server(tmp_path: Path, key: ClusterKey, sky: Sky) -> AsyncIterator[RpcServer]:
    async with running_server(settings(tmp_path), key, sky.act) as server:
        yield server


@pytest.fixture
async def stub(server: RpcServer, key: ClusterKey) -> AsyncIterator[EchoStub]:
    async with open_channel(f"127.0.0.1:{server.port}", key=key, service="tests") as channel:
        yield EchoStub(channel)


@pytest.fixture
async def bare(server: RpcServer) -> AsyncIterator[EchoStub]:
    """As any gRPC client would call: no identity, plain gRPC errors."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield EchoStub(channel)


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_a_call_without_identity_is_refused(bare: EchoStub, sky: Sky):
    assert await code_of(bare.report(ask("x"))) is grpc.StatusCode.UNAUTHENTICATED
    assert sky.calls == 0


async def test_a_stream_without_identity_is_refused(bare: EchoStub, sky: Sky):
    for call in (bare.list(ask("x")), bare.talk()):
        assert await code_of(call.read()) is grpc.StatusCode.UNAUTHENTICATED
    assert sky.calls == 0


async def test_an_identity_signed_with_another_key_is_refused(server: RpcServer, sky: Sky):
    stranger = ClusterKey(b"?" * 32)
    async with open_channel(f"127.0.0.1:{server.port}", key=stranger) as channel:
        with pytest.raises(errors.Unauthenticated) as caught:
            await EchoStub(channel).report(ask("x"))
    assert caught.value.reason == "BAD_IDENTITY"
    assert sky.calls == 0


async def test_an_expired_identity_is_refused(stub: EchoStub, key: ClusterKey):
    old = Identity(kind=Kind.USER, subject_id="u1", expires_at_ms=1)
    with as_caller(old, key.sign(old)), pytest.raises(errors.Unauthenticated) as caught:
        await stub.report(ask("x"))
    assert caught.value.reason == "IDENTITY_EXPIRED"


async def test_an_operator_may_bring_a_bearer_token(bare: EchoStub, key: ClusterKey, sky: Sky):
    operator = Identity(kind=Kind.OPERATOR, subject_id="ops", expires_at_ms=USER.expires_at_ms)
    token = to_text(key.sign(operator))
    await bare.report(ask("x"), metadata=(("authorization", f"Bearer {token}"),))
    assert sky.callers == [operator]


async def test_the_caller_is_passed_on(stub: EchoStub, key: ClusterKey, sky: Sky):
    blob = key.sign(USER)
    with as_caller(USER, blob):
        assert (await stub.report(ask("x"))).time_ms == 7
    assert sky.callers == [USER]
    assert sky.blobs == [blob]


async def test_calls_of_nobody_are_made_as_the_service(stub: EchoStub, sky: Sky):
    await stub.report(ask("x"))
    assert sky.callers == [service_identity("tests")]


async def test_no_identity_leaves_by_a_channel_without_key(server: RpcServer, key: ClusterKey):
    async with open_channel(f"127.0.0.1:{server.port}") as channel:
        with as_caller(USER, key.sign(USER)), pytest.raises(errors.Unauthenticated):
            await EchoStub(channel).report(ask("x"))


async def test_an_identity_of_a_thousand_spaces_fits(stub: EchoStub, key: ClusterKey, sky: Sky):
    spaces = {f"{number:032x}": SpaceRights(f"space {number}", 1) for number in range(1000)}
    wide = Identity(kind=Kind.USER, subject_id="u2", spaces=spaces, expires_at_ms=USER.expires_at_ms)
    with as_caller(wide, key.sign(wide)):
        await stub.report(ask("x"))
    assert sky.callers == [wide]


async def test_an_error_arrives_as_the_class_it_was_raised_as(stub: EchoStub):
    with pytest.raises(NoSuchStar) as caught:
        await stub.report(ask("missing"))
    assert caught.value.facts == {"star": "vega", "place": "Ångström"}
    assert caught.value.message == "no such star here"


async def test_a_plain_client_sees_status_and_details(bare: EchoStub, key: ClusterKey):
    metadata = (("isthmus-identity-bin", key.sign(USER)),)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bare.report(ask("missing"), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "no such star here"
    assert b"NO_SUCH_STAR" in dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]


async def test_an_error_too_large_for_headers_is_cut(stub: EchoStub):
    with pytest.raises(NoSuchStar) as caught:
        await stub.report(ask("long"))
    assert caught.value.facts == {"small": "z"}
    assert set(caught.value.message) == {"x"}


async def test_a_bug_leaks_nothing_and_is_logged(stub: EchoStub):
    with capture_logs() as logs, pytest.raises(errors.InternalError) as caught:
        await stub.report(ask("bug"))
    assert caught.value.message == "internal error"
    assert caught.value.facts == {}
    assert "secret-of-the-bug" in repr([each["exc_info"] for each in logs if each["event"] == "call_failed"])


async def test_errors_of_streams_arrive_too(stub: EchoStub):
    with pytest.raises(NoSuchStar):
        assert [each.time_ms async for each in stub.list(ask("missing"))] == []
    with pytest.raises(NoSuchStar):
        await stub.count(iter([ask("missing")]))
    talk = stub.talk()
    await talk.write(ask("missing"))
    with pytest.raises(NoSuchStar) as caught:
        await talk.read()
    assert caught.value.facts["star"] == "vega"


async def test_what_a_stream_sent_before_its_error_arrives(stub: EchoStub):
    responses = aiter(stub.list(ask("bug")))
    assert (await anext(responses)).time_ms == 0
    with pytest.raises(errors.InternalError):
        await anext(responses)


async def test_streams_of_all_kinds_carry_the_caller(stub: EchoStub, key: ClusterKey, sky: Sky):
    with as_caller(USER, key.sign(USER)):
        assert [each.time_ms async for each in stub.list(ask("x"))] == [0, 7]
        assert (await stub.count(iter([ask("x"), ask("y")]))).time_ms == 7
        talk = stub.talk()
        await talk.write(ask("x"))
        assert (await talk.read()).time_ms == 7
        await talk.done_writing()
        assert await talk.read() is grpc.aio.EOF
    assert sky.callers == [USER] * 3


async def test_the_deadline_is_passed_on(stub: EchoStub, sky: Sky):
    with request.bind(timeout_s=3):
        await stub.report(ask("x"), timeout=60)
    assert sky.left_s[0] is not None
    assert 2 < sky.left_s[0] < 3.5


async def test_a_call_without_time_limit_has_one(stub: EchoStub, sky: Sky):
    await stub.report(ask("x"))
    assert sky.left_s[0] is not None
    assert 9 < sky.left_s[0] < 10.5


async def test_a_call_that_takes_too_long_fails(stub: EchoStub):
    begun_s = time.monotonic()
    with request.bind(timeout_s=0.2), pytest.raises(errors.DeadlineExceeded):
        await stub.report(ask("slow"))
    assert time.monotonic() - begun_s < 2


async def test_nothing_is_sent_after_the_deadline(stub: EchoStub, sky: Sky):
    with request.bind(timeout_s=0), pytest.raises(errors.DeadlineExceeded):
        await stub.report(ask("x"))
    assert sky.calls == 0


async def test_request_id_and_trace_are_passed_on(stub: EchoStub, sky: Sky):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with request.bind(request_id="r-1", traceparent=trace):
        await stub.report(ask("x"))
    assert sky.request_ids == ["r-1"]
    assert sky.traces == [trace]


async def test_a_call_without_request_id_gets_one(stub: EchoStub, sky: Sky):
    await stub.report(ask("x"))
    assert len(sky.request_ids[0]) == 32


async def test_slow_calls_are_logged(tmp_path: Path, key: ClusterKey, sky: Sky):
    with capture_logs() as logs:
        async with (
            running_server(settings(tmp_path, slow_call_ms=20), key, sky.act) as server,
            open_channel(f"127.0.0.1:{server.port}", key=key) as channel,
        ):
            await EchoStub(channel).report(ask("x"))
            with pytest.raises(errors.DeadlineExceeded):
                await EchoStub(channel).report(ask("slow"), timeout=0.1)
            await asyncio.sleep(0.1)
    assert len([each for each in logs if each["event"] == "call_slow"]) == 1


async def test_calls_are_counted_by_method_and_code(stub: EchoStub):
    def counted(side: str, code: str) -> float:
        labels = {"method": REPORT, "code": code}
        return REGISTRY.get_sample_value(f"isthmus_rpc_{side}_seconds_count", labels) or 0

    before = [counted(side, "NOT_FOUND") for side in ("server", "client")]
    with pytest.raises(NoSuchStar):
        await stub.report(ask("missing"))
    assert [counted(side, "NOT_FOUND") for side in ("server", "client")] == [each + 1 for each in before]


async def test_reflection_lists_the_services(server: RpcServer):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([asked])):
            names = {each.name for each in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health", "isthmus.common.v1.MuxService"} <= names


async def test_health_needs_no_identity(server: RpcServer):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_server_that_stops_says_so_and_still_answers(tmp_path: Path, key: ClusterKey, sky: Sky):
    async with (
        running_server(settings(tmp_path, drain_s=0.5), key, sky.act) as server,
        open_channel(f"127.0.0.1:{server.port}", key=key) as channel,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as plain,
    ):
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.1)
        health = health_pb2_grpc.HealthStub(plain)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await EchoStub(channel).report(ask("x"))).time_ms == 7
        await stopping


async def test_a_restart_of_the_server_goes_unnoticed(tmp_path: Path, key: ClusterKey, sky: Sky):
    async with running_server(settings(tmp_path), key, sky.act) as server:
        port = server.port
    async with open_channel(f"127.0.0.1:{port}", key=key) as channel:
        stub = EchoStub(channel)
        call = asyncio.create_task(stub.report(ask("x")))
        await asyncio.sleep(0.05)
        async with running_server(settings(tmp_path, grpc_port=port), key, sky.act):
            assert (await call).time_ms == 7


async def test_a_server_that_says_unavailable_is_not_asked_again(stub: EchoStub, sky: Sky):
    with pytest.raises(errors.Unavailable, match="the store is away"):
        await stub.report(ask("away"))
    assert sky.calls == 1


async def test_nobody_there_is_unavailable(tmp_path: Path, key: ClusterKey, sky: Sky):
    async with running_server(settings(tmp_path), key, sky.act) as server:
        port = server.port
    async with open_channel(f"127.0.0.1:{port}", key=key, not_idempotent=[REPORT]) as channel:
        with pytest.raises(errors.Unavailable):
            await EchoStub(channel).report(ask("x"))
        with pytest.raises(errors.Unavailable):
            await EchoStub(channel).list(ask("x")).read()


async def test_open_services_need_no_identity(tmp_path: Path, key: ClusterKey, sky: Sky):
    async with (
        running_server(settings(tmp_path), key, sky.act, open_services=[SERVICE]) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        assert (await EchoStub(channel).report(ask("x"))).time_ms == 7
        assert (await EchoStub(channel).list(ask("x")).read()).time_ms == 0
    assert sky.callers == []


async def test_a_server_may_authenticate_in_its_own_way(tmp_path: Path, sky: Sky):
    async def by_name(metadata: Any) -> tuple[Identity, bytes]:
        if metadata.get("authorization") != "Bearer sesame":
            raise errors.Unauthenticated
        return GUEST, b""

    async with (
        running_server(settings(tmp_path), None, sky.act, authenticate=by_name) as server,
        open_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub = EchoStub(channel)
        await stub.report(ask("x"), metadata=(("authorization", "Bearer sesame"),))
        with pytest.raises(errors.Unauthenticated):
            await stub.report(ask("x"), metadata=(("authorization", "Bearer barley"),))
    assert sky.callers == [GUEST]


async def test_a_taken_port_is_told_clearly(server: RpcServer, tmp_path: Path, key: ClusterKey):
    second = RpcServer(settings(tmp_path, grpc_port=server.port), key)
    with pytest.raises(Exception, match=f"can't listen on 127.0.0.1:{server.port}"):
        await second.start()


async def test_an_unknown_method_is_unimplemented(server: RpcServer, key: ClusterKey):
    async with open_channel(f"127.0.0.1:{server.port}", key=key) as channel:
        with pytest.raises(errors.Unimplemented):
            await channel.unary_unary(LIST + "All")(b"")
