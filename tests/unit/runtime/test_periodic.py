"""The loop around a worker's rounds."""

from __future__ import annotations

import asyncio

from runtime.errors import Unavailable
from runtime.periodic import MAX_ROUNDS_IN_A_ROW, Periodic


class Work:
    """Rounds that do what is left of `amounts`, then nothing."""

    def __init__(self, *amounts: int | Exception) -> None:
        self.amounts = list(amounts)
        self.rounds = 0

    async def run_once(self) -> int:
        self.rounds += 1
        amount = self.amounts.pop(0) if self.amounts else 0
        if isinstance(amount, Exception):
            raise amount
        return amount


async def test_rounds_follow_each_other_while_there_is_work() -> None:
    work = Work(3, 2, 1)
    periodic = Periodic("test", work.run_once, 60)
    await periodic.start()
    await asyncio.sleep(0.02)
    assert work.rounds == 4
    await periodic.stop()


async def test_endless_work_pauses_after_a_bounded_number_of_rounds() -> None:
    work = Work(*[1] * (3 * MAX_ROUNDS_IN_A_ROW))
    periodic = Periodic("test", work.run_once, 60)
    await periodic.start()
    await asyncio.sleep(0.05)
    assert work.rounds == MAX_ROUNDS_IN_A_ROW
    await periodic.stop()


async def test_waking_ends_the_pause() -> None:
    work = Work()
    periodic = Periodic("test", work.run_once, 60)
    await periodic.start()
    await asyncio.sleep(0.01)
    periodic.wake()
    await asyncio.sleep(0.01)
    assert work.rounds == 2
    await periodic.stop()


async def test_failures_make_the_pauses_grow() -> None:
    work = Work(*[Unavailable()] * 100)
    periodic = Periodic("test", work.run_once, 0.01, jitter=0)
    await periodic.start()
    await asyncio.sleep(0.1)
    periodic.wake()
    await asyncio.sleep(0.01)
    assert 2 <= work.rounds <= 4, "after 0, 20, 60 and 140 ms"
    await periodic.stop()


async def test_a_round_that_hangs_is_ended() -> None:
    async def hang() -> int:
        await asyncio.sleep(60)
        return 1

    assert await Periodic("test", hang, 60, timeout_s=0.01).round() == 0


async def test_stopping_cancels_the_round_under_way() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def hang() -> int:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return 1

    periodic = Periodic("test", hang, 60)
    await periodic.start()
    await started.wait()
    await periodic.stop()
    assert ended.is_set()
