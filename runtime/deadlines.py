"""Many deadlines on one timer.

Nearly every call ends long before its deadline, so a timer for each is made and taken back for nothing. That
cost more than half of what else a small call needed of the event loop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Generic, TypeVar

#: How late a deadline may be noticed when there are others shortly before it.
MAX_LATE_S = 0.01

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """Calls `expire` with every key whose deadline passes while it is here. Belongs to one event loop."""

    def __init__(self, expire: Callable[[K], None]) -> None:
        self._expire = expire
        self._loop = asyncio.get_running_loop()
        self._ends_s: dict[K, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_s = math.inf

    def __len__(self) -> int:
        return len(self._ends_s)

    def add(self, key: K, deadline_s: float) -> None:
        """`deadline_s` is on the monotonic clock."""
        self._ends_s[key] = deadline_s
        if deadline_s < self._rings_s:
            self._set(deadline_s)

    def discard(self, key: K) -> None:
        """Nothing happens to `key` any more. The timer stays: it rings for nobody, or for another."""
        self._ends_s.pop(key, None)

    def _set(self, rings_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_s = rings_s
        self._timer = self._loop.call_later(max(0.0, rings_s - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_s = None, math.inf
        now_s = time.monotonic()
        late = [key for key, end_s in self._ends_s.items() if end_s <= now_s]
        for key in late:
            del self._ends_s[key]
        if self._ends_s:
            self._set(max(min(self._ends_s.values()), now_s + MAX_LATE_S))
        for key in late:
            self._expire(key)


class TimeLimit:
    """`with TimeLimit(deadline_s):` as `asyncio.timeout_at`, on the timer that all limits of the loop share.

    Raises TimeoutError from the block once `deadline_s` (monotonic) has passed; `expired` tells it from one
    that something in the block raised.
    """

    __slots__ = ("_cancelling", "_deadline_s", "_limits", "_task", "expired")

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self.expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._limits = _limits_here()
        self._limits.add(self, self._deadline_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.expired:
            self._limits.discard(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Ends the block; for the timer."""
        self.expired = True
        self._task.cancel()


class _Here:
    """The limits of the loop that ran last; a process has one loop, a test process many in turn."""

    loop: asyncio.AbstractEventLoop | None = None
    limits: Deadlines[TimeLimit]


def _limits_here() -> Deadlines[TimeLimit]:
    loop = asyncio.get_running_loop()
    if _Here.loop is not loop:
        _Here.loop = loop
        _Here.limits = Deadlines(TimeLimit.expire)
    return _Here.limits
