"""The threads in which the sync driver runs, apart for reads and writes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from pymongo.errors import PyMongoError

from runtime.errors import ResourceExhausted
from runtime.mongo.client import StoreUnavailable, translated

R = TypeVar("R")

#: Longest to wait at the end for the round trips under way.
STOP_TIMEOUT_S = 5.0


class TooManyWaiting(ResourceExhausted):
    """Too much is waiting for the database."""

    reason = "STORE_OVERLOADED"


class MongoThreads:
    """Two small pools of threads, so that reads never wait behind writes. A Part; stop it after its users.

    Two writers, because one would wait for the journal while it could send the next batch.
    """

    def __init__(self, *, writers: int = 2, readers: int = 2, max_waiting: int = 4096) -> None:
        self._writers = _Pool("mongo-write", writers, max_waiting)
        self._readers = _Pool("mongo-read", readers, max_waiting)

    async def start(self) -> None:
        """Nothing to wait for: threads begin with the first call."""

    async def stop(self) -> None:
        """Ends the threads after what is under way; later calls raise StoreUnavailable."""
        await asyncio.gather(self._writers.close(), self._readers.close())

    async def write(self, work: Callable[[], R]) -> R:
        """What `work` returns; it runs in a writer thread. Raises what it raises, StoreUnavailable for
        passing troubles of the database, TooManyWaiting. A cancelled call may still be done.
        """
        return await self._writers.run(work)

    async def read(self, work: Callable[[], R]) -> R:
        """The same in a reader thread."""
        return await self._readers.run(work)


class _Pool:
    """Threads that take work from one queue and answer on the loop."""

    def __init__(self, name: str, size: int, max_waiting: int) -> None:
        self._name = name
        self._size = size
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def run(self, work: Callable[[], R]) -> R:
        if self._closed:
            raise StoreUnavailable("this process is stopping")
        if self._queue.qsize() >= self._max_waiting:
            raise TooManyWaiting(pool=self._name)
        if not self._threads:
            self._start_threads()
        item = _Work(work, asyncio.get_running_loop())
        self._queue.put(item)
        result: R = await item.answer
        return result

    async def close(self) -> None:
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)

    def _start_threads(self) -> None:
        for number in range(self._size):
            # Daemons: a server that never answers must not keep the process from ending.
            thread = threading.Thread(target=self._serve, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            item.do()


class _Work:
    """One function to run, and where its outcome is awaited."""

    __slots__ = ("_loop", "_work", "answer")

    def __init__(self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self.answer: asyncio.Future[Any] = loop.create_future()

    def do(self) -> None:
        if self.answer.cancelled():
            return
        result: Any = None
        error: Exception | None = None
        try:
            result = self._work()
        except PyMongoError as raised:
            error = translated(raised)
            if error is not raised:
                error.__cause__ = raised
        except Exception as raised:  # noqa: BLE001  # it is raised where the work is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is gone, so nobody awaits
            self._loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: Exception | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)
