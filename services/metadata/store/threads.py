"""Threads for a database that may be away: then one caller waits for it, and all others are told at once.

While its disk is full nobody writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

from runtime.mongo import DiskWatch, MongoThreads, StoreUnavailable

from .documents import Document

#: How long all are told at once after a look that found no server. New files leave one batch at a time, so
#: without it each batch would look, and wait, by itself.
LOOK_AGAIN_S = 1.0

R = TypeVar("R")


class PatientThreads:
    """`MongoThreads` whose queue does not wait, one after the other, for a server that was just missed."""

    def __init__(
        self,
        client: MongoClient[Document],
        *,
        writers: int = 2,
        readers: int = 2,
        disk: DiskWatch | None = None,
    ) -> None:
        self._client = client
        self._disk = disk
        self._threads = MongoThreads(writers=writers, readers=readers)
        self._missed = False
        self._looking = threading.Lock()
        self._look_again_s = 0.0

    async def start(self) -> None:
        """Threads begin with the first call."""
        await self._threads.start()

    async def stop(self) -> None:
        """Ends the threads after what is under way."""
        await self._threads.stop()

    async def write(self, work: Callable[[], R]) -> R:
        """As `MongoThreads.write`; raises StoreUnavailable at once while the database is known to be away,
        and DatabaseFull while its disk is full."""
        if self._disk is not None:
            self._disk.check()
        return await self._threads.write(lambda: self._do(work))

    async def read(self, work: Callable[[], R]) -> R:
        """The same in a reader thread."""
        return await self._threads.read(lambda: self._do(work))

    def _do(self, work: Callable[[], R]) -> R:
        if not self._missed or self._client.topology_description.has_writable_server():
            return self._try(work)
        if time.monotonic() < self._look_again_s or not self._looking.acquire(blocking=False):
            raise StoreUnavailable("the database is away")
        try:
            return self._try(work)
        finally:
            self._looking.release()

    def _try(self, work: Callable[[], R]) -> R:
        try:
            result = work()
        except ConnectionFailure:
            self._missed = True
            self._look_again_s = time.monotonic() + LOOK_AGAIN_S
            raise
        self._missed = False
        return result
