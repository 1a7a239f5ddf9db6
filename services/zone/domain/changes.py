"""What changed lately, for providers that keep the zone's answers.

A change is told as the thing that changed and nothing more: who kept an answer that rests on it asks anew.
So telling one twice does no harm, and nobody learns from a change what he may not see.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

from runtime.errors import Unavailable
from services.zone import metrics

#: Batches of changes that are kept for who comes back; who was away longer starts over.
MAX_BATCHES = 5000
#: How often a follower hears that nothing changed.
HEARTBEAT_S = 0.8


class NotFollowing(Unavailable):
    """This instance does not know what changes now; another one may."""

    reason = "CHANGES_NOT_FOLLOWED"


@dataclass(frozen=True, slots=True)
class Update:
    """What a follower is told at once. `place` is opaque, and in order when compared as text."""

    place: str
    changed: frozenset[str] = frozenset()
    start_over: bool = False


class ChangeFeed:
    """The last changes, in order. Written by whoever follows the store, read by any number of followers."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._heartbeat_s = heartbeat_s
        self._batches: deque[Update] = deque(maxlen=MAX_BATCHES)
        self._first = 0
        self._place = ""
        self._era = 0
        self._is_heard: Callable[[], bool] = lambda: False
        self._listeners: list[Callable[[frozenset[str] | None], None]] = []
        self._closed = False
        self._news = asyncio.Event()

    @property
    def is_heard(self) -> bool:
        """Whether a change would be heard of now."""
        return self._is_heard()

    def listen(self, listener: Callable[[frozenset[str] | None], None]) -> None:
        """From now on it is called with whatever changes; with None when changes may have been missed."""
        self._listeners.append(listener)

    def begin(self, is_heard: Callable[[], bool]) -> None:
        """From now on every change is published; earlier ones may be missing.

        `is_heard`: whether a change would be heard of now. While not, followers must not think all is well.
        """
        self._is_heard = is_heard
        self._era += 1
        self._first += len(self._batches)
        self._batches.clear()
        self._place = ""
        self._tell(None)

    def publish(self, changed: Collection[str], place: str) -> None:
        """The next changes, and the place after them."""
        if len(self._batches) == MAX_BATCHES:
            self._first += 1
        update = Update(place, frozenset(changed))
        metrics.CHANGES.inc(len(update.changed))
        self._batches.append(update)
        self._place = place
        self._tell(update.changed)

    def close(self) -> None:
        """Lets all followers go, so that they find another instance."""
        self._closed = True
        self._wake()

    async def follow(self, after: str) -> AsyncIterator[Update]:
        """Updates since a place, without end. Raises NotFollowing where it can't be told (any more)."""
        era, next_batch = self._era, self._find(after)
        update = self._since(next_batch) if next_batch is not None else Update(self._place, start_over=True)
        next_batch = self._first + len(self._batches)
        while True:
            self._check()
            yield update
            await self._wait(next_batch, era)
            self._check()
            if era != self._era or next_batch < self._first:
                era = self._era
                update = Update(self._place, start_over=True)
            else:
                update = self._since(next_batch)
            next_batch = self._first + len(self._batches)

    def _check(self) -> None:
        if self._closed or not self.is_heard:
            raise NotFollowing

    def _find(self, after: str) -> int | None:
        """The number of the first batch after a place; None when changes since may be forgotten."""
        if not after or not self._batches or after < self._batches[0].place:
            return None
        return self._first + sum(batch.place <= after for batch in self._batches)

    def _since(self, number: int) -> Update:
        news = list(self._batches)[number - self._first :]
        return Update(self._place, frozenset().union(*(batch.changed for batch in news)))

    async def _wait(self, next_batch: int, era: int) -> None:
        """Until there is something new, but no longer than a heartbeat."""
        if era != self._era or self._first + len(self._batches) > next_batch:
            return
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await self._news.wait()
        except TimeoutError:
            return

    def _tell(self, changed: frozenset[str] | None) -> None:
        for listener in self._listeners:
            listener(changed)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
