from __future__ import annotations

import asyncio
import time

from runtime import request
from runtime.auth import as_caller, caller
from runtime.identity import GUEST


def test_outside_of_requests_nothing_is_bound():
    assert request.request_id() == ""
    assert request.deadline_s() is None
    assert request.remaining_s(5) == 5


def test_what_is_bound_holds_inside_the_block():
    with request.bind(request_id="r1", timeout_s=10, traceparent="t"):
        assert request.request_id() == "r1"
        assert 9 < request.remaining_s(99) <= 10
    assert request.request_id() == ""


def test_a_deadline_only_gets_nearer():
    with request.bind(timeout_s=10), request.bind(timeout_s=100):
        assert request.remaining_s(0) <= 10
        with request.bind(timeout_s=1):
            assert request.remaining_s(0) <= 1


def test_time_left_is_never_negative():
    with request.bind(timeout_s=-1):
        assert request.remaining_s(5) == 0


def test_what_is_not_given_stays():
    with as_caller(GUEST, b""), request.bind(request_id="r1"), request.bind(rpc="/a.B/C"):
        assert request.request_id() == "r1"
        assert caller() is GUEST


async def test_tasks_keep_their_own_request():
    async def ask(name: str) -> str:
        with request.bind(request_id=name):
            await asyncio.sleep(0)
            return request.request_id()

    assert await asyncio.gather(ask("a"), ask("b")) == ["a", "b"]


def test_new_ids_are_all_different():
    assert len({request.new_request_id() for _ in range(100)}) == 100


def test_the_deadline_is_monotonic():
    with request.bind(timeout_s=1):
        deadline = request.deadline_s()
    assert deadline is not None
    assert abs(deadline - time.monotonic() - 1) < 0.5
