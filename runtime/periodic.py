"""The loop of background work: a worker says what one round does, this does the rest."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from runtime import telemetry
from runtime.errors import IsthmusError
from runtime.leadership import Leadership

log = structlog.get_logger(__name__)

#: Rounds that may follow each other without a pause while there is work.
MAX_ROUNDS_IN_A_ROW = 100
#: Longest pause after failures, unless the interval itself is longer.
LONGEST_PAUSE_S = 60.0
#: Longest to wait for a round that is told to stop.
STOP_WAIT_S = 5.0

ROUNDS = telemetry.histogram(
    "worker_round_seconds",
    "Rounds of background work, and how long they took.",
    ["worker", "outcome"],
)
DONE = telemetry.counter("worker_done", "What rounds did, in the worker's own unit.", ["worker"])


class Periodic:
    """Calls `run_once` every `interval_s` (spread by `jitter`, a share of it) from `start` to `stop`.

    `run_once` returns how much it did; while that is more than nothing the next round follows at once. It
    is cancelled after `timeout_s`, and must be safe to repeat. Failures are logged and make the pauses grow.
    With `leadership`, rounds run on the leader only, and no further one begins when it no longer leads.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[int]],
        interval_s: float,
        *,
        jitter: float = 0.1,
        leadership: Leadership | None = None,
        timeout_s: float = 300.0,
    ) -> None:
        self._name = name
        self._run_once = run_once
        self._interval_s = interval_s
        self._jitter = jitter
        self._leadership = leadership
        self._timeout_s = timeout_s
        self._failures = 0
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins with a round at once."""
        self._task = asyncio.create_task(self._loop(), name=f"periodic-{self._name}")

    async def stop(self) -> None:
        """Cancels the round under way and waits for it, within bounds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_WAIT_S)
            self._task = None

    def wake(self) -> None:
        """Ends the pause: there is work. After a failure the pause is kept."""
        self._awake.set()

    async def round(self) -> int:
        """One round, bounded in time: how much it did; 0 after a failure, which is logged."""
        began_s = time.perf_counter()
        outcome = "failed"
        try:
            async with asyncio.timeout(self._timeout_s):
                done = await self._run_once()
        except Exception as error:  # the next round may work; a worker never dies
            self._failures += 1
            log.warning(
                "round_failed",
                worker=self._name,
                failures=self._failures,
                error=repr(error),
                exc_info=not isinstance(error, IsthmusError),  # those tell enough by themselves
            )
            return 0
        else:
            outcome = "ok"
            self._failures = 0
            DONE.labels(self._name).inc(max(0, done))
            return done
        finally:
            ROUNDS.labels(self._name, outcome).observe(time.perf_counter() - began_s)

    async def _loop(self) -> None:
        while True:
            self._awake.clear()
            if self._leads():
                await self._rounds()
            await self._pause()

    async def _rounds(self) -> None:
        for _ in range(MAX_ROUNDS_IN_A_ROW):
            if await self.round() == 0 or not self._leads():
                return
            await asyncio.sleep(0)  # rounds that never wait must not hold up everybody else

    async def _pause(self) -> None:
        grown_s = self._interval_s * 2 ** min(self._failures, 16)
        pause_s = min(grown_s, max(LONGEST_PAUSE_S, self._interval_s))
        pause_s *= random.uniform(1 - self._jitter, 1 + self._jitter)
        if self._failures:
            await asyncio.sleep(pause_s)
        elif self._leads():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), pause_s)
        elif self._leadership is not None:
            await self._leadership.wait_changed(pause_s)

    def _leads(self) -> bool:
        return self._leadership is None or self._leadership.is_leader
