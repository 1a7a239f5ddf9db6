"""Counts what belongs to whom, at most a fiftieth of the time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

#: Pause after counting, as a multiple of how long it took: with a million files, minutes.
REST = 50


class OwnerCounter:
    """One round counts everything, unless the last time was too short ago for how long it took."""

    def __init__(
        self, count: Callable[[], Awaitable[int]], *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._now_s = now_s
        self._due_s = 0.0

    async def run_once(self) -> int:
        """Counts if that is due. Always 0: the next round has to be a while later."""
        began_s = self._now_s()
        if began_s >= self._due_s:
            await self._count()
            ended_s = self._now_s()
            self._due_s = ended_s + REST * (ended_s - began_s)
        return 0
