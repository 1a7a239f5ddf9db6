"""Deadlines that share a timer end what they should, when they should, and nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from runtime.deadlines import MAX_LATE_S, Deadlines, TimeLimit


async def test_each_key_expires_at_its_own_time_and_once() -> None:
    expired: list[tuple[str, float]] = []
    deadlines: Deadlines[str] = Deadlines(lambda key: expired.append((key, time.monotonic())))
    now_s = time.monotonic()
    ends_s = {"late": now_s + 0.15, "soon": now_s + 0.05, "past": now_s - 1, "far": now_s + 60}
    for key, end_s in ends_s.items():
        deadlines.add(key, end_s)
    await asyncio.sleep(0.25)
    assert [key for key, _ in expired] == ["past", "soon", "late"]
    assert all(at_s >= ends_s[key] for key, at_s in expired), "nothing expires before its time"
    assert len(deadlines) == 1


async def test_what_was_discarded_does_not_expire() -> None:
    expired: list[int] = []
    deadlines: Deadlines[int] = Deadlines(expired.append)
    for number in range(4):
        deadlines.add(number, time.monotonic() + 0.02)
    for number in (0, 2, 2):
        deadlines.discard(number)
    await asyncio.sleep(0.1)
    assert expired == [1, 3]


async def test_deadlines_shortly_after_each_other_ring_together() -> None:
    expired: list[int] = []
    deadlines: Deadlines[int] = Deadlines(expired.append)
    now_s = time.monotonic()
    for number in range(100):
        deadlines.add(number, now_s + 0.02 + number * MAX_LATE_S / 200)
    await asyncio.sleep(0.02 + 4 * MAX_LATE_S)
    assert expired == list(range(100))


async def test_one_that_expires_may_add_another() -> None:
    expired: list[int] = []

    def expire(number: int) -> None:
        expired.append(number)
        if number < 3:
            deadlines.add(number + 1, time.monotonic())

    deadlines: Deadlines[int] = Deadlines(expire)
    deadlines.add(0, time.monotonic())
    await asyncio.sleep(0.1)
    assert expired == [0, 1, 2, 3]


async def test_a_time_limit_ends_its_block_and_leaves_the_task_uncancelled() -> None:
    limit = TimeLimit(time.monotonic() + 0.02)
    with pytest.raises(TimeoutError), limit:
        await asyncio.sleep(10)
    task = asyncio.current_task()
    assert limit.expired
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    with TimeLimit(time.monotonic() + 0.02) as _:
        await asyncio.sleep(0)
    await asyncio.sleep(0.06)


async def test_a_time_limit_tells_its_own_end_from_others() -> None:
    limit = TimeLimit(time.monotonic() + 10)
    with pytest.raises(TimeoutError), limit:
        raise TimeoutError
    assert not limit.expired


async def test_the_nearer_of_two_time_limits_ends_only_its_own_block() -> None:
    outer, inner = TimeLimit(time.monotonic() + 10), TimeLimit(time.monotonic() + 0.02)
    with outer:
        with pytest.raises(TimeoutError), inner:
            await asyncio.sleep(10)
        await asyncio.sleep(0)
    assert not outer.expired


async def test_who_is_cancelled_and_too_late_at_once_is_cancelled() -> None:
    began = asyncio.Event()

    async def work() -> None:
        with TimeLimit(time.monotonic() + 0.05):
            began.set()
            time.sleep(0.1)  # noqa: ASYNC251  # the time is over before the loop looks again
            await asyncio.sleep(10)

    task = asyncio.ensure_future(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_block_that_ignores_the_end_of_its_time_keeps_its_result() -> None:
    async def work() -> str:
        with TimeLimit(time.monotonic() + 0.01):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return "mine"
        return "nobody's"

    assert await asyncio.ensure_future(work()) == "mine"


def test_a_time_limit_works_in_one_loop_after_the_other() -> None:
    async def late() -> None:
        with TimeLimit(time.monotonic() + 0.01):
            await asyncio.sleep(10)

    for _ in range(3):
        with pytest.raises(TimeoutError):
            asyncio.run(late())
