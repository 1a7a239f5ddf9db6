"""The multiplexed stream, over gRPC and by the lane: every call gets its own outcome, whatever breaks."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isthmus.common.v1 import mux_pb2_grpc
from isthmus.metadata.v1 import files_pb2

from runtime.auth import ClusterKey, as_caller, caller
from runtime.discovery import Instance, Watch
from runtime.errors import (
    DeadlineExceeded,
    InternalError,
    IsthmusError,
    NoSuchFile,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from runtime.identity import Identity, Kind
from runtime.rendezvous import owner
from runtime.request import bind, remaining_s, request_id
from runtime.rpc import mux_link, mux_server
from runtime.rpc.lane import LaneServer
from runtime.rpc.mux import MAX_ATTEMPTS, MuxClient, NoInstance
from runtime.rpc.mux_server import Handler, MuxServicer

HOST = "this-host"
GET = "/isthmus.metadata.v1.FileService/GetFile"
KEY = ClusterKey(b"k" * 32)
USER = Identity(Kind.USER, "user-1", expires_at_ms=2**52)


class Served:
    """One instance on a port of its own; can be broken and begun again on the same port.

    What it does is told by the file id asked for: `ok:..`, `wait:<seconds>`, `missing`, `crash`,
    `big:<bytes>`, `about` (tells caller, request id and deadline). `by_lane`: it has one.
    """

    def __init__(self, number: int, *, by_lane: bool = False) -> None:
        self.instance_id = f"metadata-{number}"
        self.by_lane = by_lane
        self.lane: LaneServer | None = None
        self.port = 0
        self.starts = 0
        self.asked: Counter[str] = Counter()
        self.running = 0

    @property
    def instance(self) -> Instance:
        meta = {"host_id": HOST, "lane": self.lane.name} if self.lane else {}
        return Instance("metadata", self.instance_id, "127.0.0.1", self.port, meta=meta)

    async def start(self) -> None:
        handler: Handler = (
            self.get_file,
            files_pb2.GetFileRequest.FromString,
            files_pb2.GetFileResponse.SerializeToString,
        )
        self.servicer = MuxServicer({GET: handler}, KEY)
        self.server = grpc.aio.server()
        mux_pb2_grpc.add_MuxServiceServicer_to_server(self.servicer, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()
        if self.by_lane:
            name = self.lane.name if self.lane else ""
            self.lane = LaneServer(self.servicer, KEY, label="test")
            self.lane.name = name or self.lane.name
            await self.lane.start()

    async def stop(self, grace_s: float = 0) -> None:
        if self.lane is not None:
            await self.lane.stop(grace_s)
        await self.server.stop(grace_s)

    async def get_file(self, request: files_pb2.GetFileRequest, _: object) -> files_pb2.GetFileResponse:
        what, _, how = request.file.file_id.partition(":")
        self.asked[request.file.file_id] += 1
        self.running += 1
        try:
            if what == "wait":
                await asyncio.sleep(float(how.partition(":")[0]))
        finally:
            self.running -= 1
        if what == "missing":
            raise NoSuchFile(file_id="missing")
        if what == "crash":
            raise ValueError("secret")
        name = "x" * int(how) if what == "big" else self.instance_id
        if what == "about":
            name = f"{caller().subject_id} {request_id()} {remaining_s(-1):.0f}"
        return files_pb2.GetFileResponse(file=files_pb2.File(file_id=request.file.file_id, name=name))


class Members(Watch):
    """A watch that is told what Consul would say."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", "metadata")

    def tell(self, *instances: Instance) -> None:
        self._learn(tuple(sorted(instances, key=lambda each: each.instance_id)))


class Suite:
    """Instances, and a client that knows them."""

    def __init__(self, served: list[Served], members: Members, client: MuxClient) -> None:
        self.served = served
        self.members = members
        self.client = client

    async def get(self, file_id: str, *, key: str = "space", **how: Any) -> files_pb2.File:
        request = files_pb2.GetFileRequest(file=files_pb2.FileRef(file_id=file_id))
        blob = KEY.sign(USER)
        with as_caller(USER, blob):
            answer = await self.client.call(GET, request, files_pb2.GetFileResponse, routing_key=key, **how)
        return answer.file

    def owner(self, key: str = "space") -> Served:
        wanted = owner(key, [each.instance_id for each in self.served])
        return next(each for each in self.served if each.instance_id == wanted)


@asynccontextmanager
async def suite(count: int, *, by_lane: bool = False) -> AsyncIterator[Suite]:
    served = [Served(number, by_lane=by_lane) for number in range(1, count + 1)]
    for each in served:
        await each.start()
    members = Members()
    members.tell(*(each.instance for each in served))
    client = MuxClient(members, KEY, service="gateway", host_id=HOST)
    await client.start()
    try:
        yield Suite(served, members, client)
    finally:
        await client.stop()
        for each in served:
            await each.stop()


@pytest.fixture(params=["grpc", "lane"])
async def one(request: pytest.FixtureRequest) -> AsyncIterator[Suite]:
    async with suite(1, by_lane=request.param == "lane") as made:
        yield made


@pytest.fixture(params=["grpc", "lane"])
async def three(request: pytest.FixtureRequest) -> AsyncIterator[Suite]:
    async with suite(3, by_lane=request.param == "lane") as made:
        yield made


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_many_callers_each_get_their_own_answer(one: Suite) -> None:
    files = await asyncio.gather(*(one.get(f"ok:{number}") for number in range(2000)))
    assert [file.file_id for file in files] == [f"ok:{number}" for number in range(2000)]


async def test_errors_come_back_as_the_class_that_was_raised(one: Suite) -> None:
    with pytest.raises(NoSuchFile) as raised:
        await one.get("missing")
    assert raised.value.facts == {"file_id": "missing"}
    with pytest.raises(InternalError) as crashed:
        await one.get("crash")
    assert "secret" not in str(crashed.value)


async def test_caller_request_id_and_deadline_travel_with_each_call(one: Suite) -> None:
    with bind(request_id="request-7", timeout_s=5):
        assert (await one.get("about", timeout_s=60)).name == "user-1 request-7 5"
    request = files_pb2.GetFileRequest(file=files_pb2.FileRef(file_id="about"))
    answer = await one.client.call(
        GET, request, files_pb2.GetFileResponse, routing_key="", timeout_s=20, as_service=True
    )
    subject, fresh_id, left_s = answer.file.name.split()
    assert (subject, len(fresh_id), left_s) == ("gateway", 32, "20")


async def test_nobody_calls_without_an_identity(one: Suite) -> None:
    with pytest.raises(Unauthenticated):
        await one.client.call(
            GET, files_pb2.GetFileRequest(), files_pb2.GetFileResponse, routing_key="", timeout_s=1
        )


async def test_a_forged_identity_is_refused(one: Suite) -> None:
    forged = ClusterKey(b"x" * 32).sign(USER)
    with as_caller(USER, forged), pytest.raises(Unauthenticated):
        await one.client.call(GET, files_pb2.GetFileRequest(), files_pb2.GetFileResponse, routing_key="")


async def test_an_unknown_method_is_unimplemented(one: Suite) -> None:
    with pytest.raises(Unimplemented):
        await one.client.call(
            GET + "Twice",
            files_pb2.GetFileRequest(),
            files_pb2.GetFileResponse,
            routing_key="",
            as_service=True,
        )


async def test_a_slow_call_holds_up_nobody(one: Suite) -> None:
    slow = [asyncio.ensure_future(one.get(f"wait:0.5:{number}")) for number in range(300)]
    await asyncio.sleep(0.05)
    started_s = time.monotonic()
    await one.get("ok:1")
    assert time.monotonic() - started_s < 0.4
    await asyncio.gather(*slow)


async def test_more_calls_than_may_be_open_wait_their_turn(one: Suite) -> None:
    files = await asyncio.gather(*(one.get(f"wait:0.01:{number}") for number in range(3000)))
    assert len({file.file_id for file in files}) == 3000


async def test_a_full_instance_is_not_taken_for_a_dead_one(
    one: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mux_link, "LOOK_INTERVAL_S", 0.05)
    monkeypatch.setattr(mux_link, "ASK_AFTER_S", 0.1)
    monkeypatch.setattr(mux_server, "SIGN_OF_LIFE_S", 0.05)
    files = await asyncio.gather(*(one.get(f"wait:1:{number}") for number in range(1100)))
    assert len(files) == 1100
    assert max(one.served[0].asked.values()) == 1, "nothing was asked twice"


async def test_a_deadline_ends_the_call_on_both_sides(one: Suite) -> None:
    with pytest.raises(DeadlineExceeded):
        await one.get("wait:5", timeout_s=0.1)
    await until(lambda: one.served[0].running == 0, 1.0)
    assert (await one.get("ok:1")).file_id == "ok:1"


async def test_large_answers_pass_and_too_large_ones_fail_alone(one: Suite) -> None:
    sizes = [3_000_000, 900_000, 900_000, 10, 20_000_000, 10]
    answers = await asyncio.gather(*(one.get(f"big:{size}") for size in sizes), return_exceptions=True)
    assert isinstance(answers[4], ResourceExhausted)
    for position in (0, 1, 2, 3, 5):
        answer = answers[position]
        assert isinstance(answer, files_pb2.File)
        assert len(answer.name) == sizes[position]
    with pytest.raises(ResourceExhausted):
        await one.get("x" * 5_000_000)


async def test_large_requests_travel_in_messages_that_fit(one: Suite) -> None:
    asked = [f"ok:{number}:{'y' * 500_000}" for number in range(20)]
    assert [file.file_id for file in await asyncio.gather(*map(one.get, asked))] == asked


async def test_one_key_goes_to_one_instance(three: Suite) -> None:
    for key in ("a", "b", "c", "d", "e", "f"):
        names = {(await three.get(f"ok:{number}", key=key)).name for number in range(5)}
        assert names == {three.owner(key).instance_id}


async def test_a_dead_instance_is_left_before_consul_notices(three: Suite) -> None:
    await three.get("ok:1")
    await three.owner().stop()
    started_s = time.monotonic()
    names = [(await three.get(f"ok:{number}")).name for number in range(20)]
    assert three.owner().instance_id not in names
    assert time.monotonic() - started_s < 2


async def test_calls_under_way_move_when_the_stream_breaks(three: Suite) -> None:
    calls = [asyncio.ensure_future(three.get(f"wait:0.3:{number}")) for number in range(50)]
    await until(lambda: three.owner().running == 50)
    await three.owner().stop()
    assert {file.name for file in await asyncio.gather(*calls)}.isdisjoint({three.owner().instance_id})


async def test_what_is_not_idempotent_is_not_repeated(three: Suite) -> None:
    call = asyncio.ensure_future(three.get("wait:0.3", idempotent=False))
    await until(lambda: three.owner().running == 1)
    await three.owner().stop()
    with pytest.raises(Unavailable):
        await call
    assert sum(each.asked["wait:0.3"] for each in three.served) == 1


async def test_a_short_restart_of_the_only_instance_goes_unnoticed(one: Suite) -> None:
    await one.get("ok:1")
    await one.served[0].stop()
    call = asyncio.ensure_future(one.get("ok:2"))
    await asyncio.sleep(0.3)
    await one.served[0].start()
    assert (await call).file_id == "ok:2"


async def test_without_any_instance_a_call_fails_in_bounded_time(one: Suite) -> None:
    await one.served[0].stop()
    with pytest.raises(DeadlineExceeded):
        await one.get("ok:1", timeout_s=0.2)
    with pytest.raises(NoInstance):
        await one.get("ok:1")
    await one.served[0].start()


async def test_an_instance_comes_back_when_it_answers_again(three: Suite) -> None:
    owner = three.owner()
    await owner.stop()
    await three.get("ok:1")
    await owner.start()
    async with asyncio.timeout(5):
        while (await three.get("ok:2")).name != owner.instance_id:
            await asyncio.sleep(0.02)


async def test_an_unhealthy_instance_is_used_only_when_nothing_else_is_left(three: Suite) -> None:
    def doubtful(served: Served) -> Instance:
        return Instance("metadata", served.instance_id, "127.0.0.1", served.port, healthy=False)

    await three.get("ok:1")
    rest = [each.instance for each in three.served if each is not three.owner()]
    three.members.tell(doubtful(three.owner()), *rest)
    assert (await three.get("ok:2")).name != three.owner().instance_id
    three.members.tell(doubtful(three.owner()))
    assert (await three.get("ok:3")).name == three.owner().instance_id


async def test_calls_under_way_end_well_when_an_instance_deregisters(three: Suite) -> None:
    owner = three.owner()
    call = asyncio.ensure_future(three.get("wait:0.2", idempotent=False))
    await until(lambda: owner.running == 1)
    three.members.tell(*(each.instance for each in three.served if each is not owner))
    assert (await three.get("ok:1")).name != owner.instance_id
    assert (await call).name == owner.instance_id


async def test_draining_answers_what_was_taken_and_ends_the_stream(three: Suite) -> None:
    owner = three.owner()
    call = asyncio.ensure_future(three.get("wait:0.2", idempotent=False))
    await until(lambda: owner.running == 1)
    owner.servicer.drain()
    stopping = asyncio.ensure_future(owner.stop(grace_s=5))
    assert (await call).name == owner.instance_id
    await asyncio.wait_for(stopping, 2)
    assert (await three.get("ok:1")).name != owner.instance_id


async def test_a_client_that_leaves_ends_its_calls(one: Suite) -> None:
    call = asyncio.ensure_future(one.get("wait:30"))
    await until(lambda: one.served[0].running == 1)
    await one.client.stop()
    with pytest.raises(Unavailable):
        await call
    await until(lambda: one.served[0].running == 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["safe", "once"]), st.integers(1, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 500)),
        st.tuples(st.just("break"), st.integers(0, 1)),
        st.tuples(st.just("pause"), st.integers(0, 20)),
    ),
    min_size=3,
    max_size=25,
)


@pytest.mark.parametrize("by_lane", [False, True], ids=["grpc", "lane"])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, seed=st.integers(0, 3))
def test_random_breaks_and_cancels_hurt_only_the_calls_they_hit(
    by_lane: bool, steps: list[tuple[str, int]], seed: int
) -> None:
    async def scenario() -> None:
        async with suite(2, by_lane=by_lane) as made:
            calls: dict[str, asyncio.Task[files_pb2.File]] = {}
            for kind, number in steps:
                if kind in ("safe", "once"):
                    for extra in range(number):
                        wait_s = (extra + seed) % 4 / 100
                        name = f"wait:{wait_s}:{kind}:{secrets.token_hex(8)}"
                        calls[name] = asyncio.ensure_future(
                            made.get(name, key=str(extra), idempotent=kind == "safe")
                        )
                elif kind == "cancel" and calls:
                    list(calls.values())[number % len(calls)].cancel()
                elif kind == "break":
                    await made.served[number].stop()
                    await made.served[number].start()
                else:
                    await asyncio.sleep(number / 1000)
            outcomes = await asyncio.gather(*calls.values(), return_exceptions=True)
            asked = sum((each.asked for each in made.served), Counter[str]())
            for name, outcome in zip(calls, outcomes, strict=True):
                check(name, outcome, asked[name])
            assert (await made.get("ok:after")).file_id == "ok:after"
            await until(lambda: all(each.running == 0 for each in made.served))

    asyncio.run(scenario())


def check(name: str, outcome: files_pb2.File | BaseException, times: int) -> None:
    safe = ":safe:" in name
    assert times <= (MAX_ATTEMPTS if safe else 1)
    if isinstance(outcome, files_pb2.File):
        assert outcome.file_id == name
        assert times >= 1
    else:
        assert isinstance(outcome, asyncio.CancelledError | IsthmusError)
        if isinstance(outcome, IsthmusError):
            assert isinstance(outcome, Unavailable)
