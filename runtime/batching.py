"""Natural batching: callers that arrive while work is under way leave together as the next batch.

There are no timers: what has gathered is sent on the next turn of the event loop, so a lone caller waits
for nobody, and the busier the receiver, the larger the batches. Used at the store (`insert_many`,
`bulk_write`, `$or` finds) and wherever one round trip can carry the work of many callers.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from runtime import telemetry
from runtime.errors import DeadlineExceeded, InternalError, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

ITEMS = telemetry.histogram(
    "batch_items", "Items in one batch.", ["batcher"], (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
)

#: Answers a batch: one result or error for each item, in the same order. Raising fails every item of it.
Flush = Callable[[list[T]], Awaitable[Sequence[R | BaseException]]]


class QueueFull(Unavailable):
    """Too many callers wait already."""

    reason = "QUEUE_FULL"


class Batcher(Generic[T, R]):
    """Gathers items of concurrent callers and hands them to `flush` in batches.

    `max_batch`: items in one batch. `max_in_flight`: batches handed to `flush` and not yet answered.
    `max_waiting`: callers that wait for a batch; one more is refused with `QueueFull`.
    `flush_timeout_s`: a batch that takes longer fails with `DeadlineExceeded`, so that a receiver that hangs
    can't hold all the places for ever. Items leave in the order in which they came.
    """

    def __init__(
        self,
        flush: Flush[T, R],
        *,
        max_batch: int = 256,
        max_in_flight: int = 2,
        max_waiting: int = 8192,
        flush_timeout_s: float = 30.0,
        name: str = "",
    ) -> None:
        self._flush = flush
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._max_waiting = max_waiting
        self._flush_timeout_s = flush_timeout_s
        self._name = name
        self._items = ITEMS.labels(name)
        # Ordered, and a caller that gives up is taken out in O(1): nobody dead holds a place.
        self._waiting: OrderedDict[asyncio.Future[R], T] = OrderedDict()
        self._batches: set[asyncio.Task[None]] = set()
        self._send_is_due = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """Callers that wait for a batch."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Batches under way."""
        return len(self._batches)

    async def submit(self, item: T, timeout_s: float | None = None) -> R:
        """The result of this item.

        Raises what `flush` gave for it, `DeadlineExceeded` after `timeout_s`, `QueueFull`, or `Unavailable`
        once closed. A caller that is cancelled, or too late, while it waits takes its item with it; after the
        item has left, only the answer is lost.
        """
        if self._closed:
            raise Unavailable("closed", batcher=self._name)
        if len(self._waiting) >= self._max_waiting:
            raise QueueFull(batcher=self._name)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting[answer] = item
        self._schedule(loop)
        timer = None if timeout_s is None else loop.call_later(timeout_s, self._expire, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen: nobody else will ask, and asyncio would complain
            raise
        finally:
            self._waiting.pop(answer, None)
            if timer is not None:
                timer.cancel()

    async def close(self, grace_s: float = 5.0) -> None:
        """Refuses new items, fails those that wait, and lets batches under way end within `grace_s`."""
        self._closed = True
        for answer in list(self._waiting):
            if not answer.done():
                answer.set_exception(Unavailable("closed", batcher=self._name))
        self._waiting.clear()
        if self._batches:
            _, late = await asyncio.wait(self._batches, timeout=grace_s)
            for batch in late:
                batch.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _expire(self, answer: asyncio.Future[R]) -> None:
        self._waiting.pop(answer, None)
        if not answer.done():
            answer.set_exception(DeadlineExceeded(batcher=self._name))

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        # On the next turn, not now: whoever else is ready in this turn comes along.
        if not self._send_is_due and len(self._batches) < self._max_in_flight:
            self._send_is_due = True
            loop.call_soon(self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._send_is_due = False
        while self._waiting and len(self._batches) < self._max_in_flight:
            batch: list[tuple[asyncio.Future[R], T]] = []
            while self._waiting and len(batch) < self._max_batch:
                answer, item = self._waiting.popitem(last=False)
                if not answer.done():
                    batch.append((answer, item))
            if batch:
                self._items.observe(len(batch))
                task = loop.create_task(self._answer(batch))
                self._batches.add(task)
                task.add_done_callback(self._batch_ended)

    def _batch_ended(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if self._waiting:
            self._schedule(task.get_loop())

    async def _answer(self, batch: list[tuple[asyncio.Future[R], T]]) -> None:
        try:
            async with asyncio.timeout(self._flush_timeout_s):
                results = await self._flush([item for _, item in batch])
            if len(results) != len(batch):
                log.error("batch_misanswered", batcher=self._name, items=len(batch), results=len(results))
                raise InternalError("a batch was answered with another number of results", batcher=self._name)
        except TimeoutError:
            results = [DeadlineExceeded(batcher=self._name)] * len(batch)
        except asyncio.CancelledError:
            _settle(batch, [Unavailable("closed", batcher=self._name)] * len(batch))
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the callers of this batch
            results = [error] * len(batch)
        _settle(batch, results)


def _settle(batch: list[tuple[asyncio.Future[R], T]], results: Sequence[R | BaseException]) -> None:
    """Gives each caller that still waits its own outcome."""
    for (answer, _), result in zip(batch, results, strict=True):
        if answer.done():
            continue
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)
