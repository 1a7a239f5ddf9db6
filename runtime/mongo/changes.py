"""Following a MongoDB change stream from a thread, in batches, across restarts and failovers.

Natural batching: while a batch is being handled, what happens meanwhile gathers and is the next batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog
from pymongo.errors import PyMongoError

from runtime.mongo.change_cursor import ChangeCursor, ResumeToken, Tempo, place_is_lost
from runtime.mongo.client import Document

log = structlog.get_logger(__name__)

#: Opens the stream after a token, or from now on for None. Runs in the thread.
OpenStream = Callable[[ResumeToken | None], ChangeCursor]
#: A change and the place after it; no change: only the place has moved; None: a gap.
_Item = tuple[Document | None, ResumeToken] | None

#: Changes handed over at once, and how many may wait before the next are read.
MAX_BATCH = 1000
MAX_AHEAD = 4 * MAX_BATCH
#: While nothing happens, how often the place in the stream is told anyway. A place that is too old is lost.
IDLE_TOKEN_S = 30.0
#: The growing pause after a failure.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
#: Longest to wait for the thread at the end. It may still wait for the server; then it ends after that.
STOP_TIMEOUT_S = 0.2


class ChangeFollower:
    """Hands every change to `on_batch` from `start` to `stop`, in order. A Part.

    `on_batch(changes, token)` gets at most MAX_BATCH changes and the place after them, for a later
    `resume_after`; with no changes, only the place has moved. A batch whose handling fails is handed over
    again. `on_gap` is called whenever changes may have been missed: when the stream was opened without a
    place, at first or because the place was lost. The stream is open by then, so what `on_gap` reads and what
    follows leave nothing out.

    `pace_s` is the shortest time between two questions to the server after changes. Each costs both sides
    hundreds of microseconds, which followers would otherwise pay for every single change. A busy server is
    asked less often (`Tempo`), so there a change is heard of up to `BUSY_PACE_S` later.
    """

    def __init__(
        self,
        name: str,
        open_stream: OpenStream,
        on_batch: Callable[[Sequence[Document], ResumeToken], Awaitable[None]],
        *,
        on_gap: Callable[[], Awaitable[None]],
        resume_after: ResumeToken | None = None,
        pace_s: float = 0.0,
    ) -> None:
        self._name = name
        self._pace_s = pace_s
        self._open_stream = open_stream
        self._on_batch = on_batch
        self._on_gap = on_gap
        self._token = resume_after
        self._live = False
        self._ahead: deque[_Item] = deque()
        self._room = threading.Condition()
        self._stopping = threading.Event()
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._deliverer: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether the stream is open now; False while the database is away."""
        return self._live and not self._stopping.is_set()

    async def start(self) -> None:
        """Begins to follow; does not wait for the database."""
        self._loop = asyncio.get_running_loop()
        self._deliverer = asyncio.create_task(self._deliver(), name=f"changes-{self._name}")
        self._thread = threading.Thread(target=self._follow, name=f"changes-{self._name}", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Ends following; a batch under way is cancelled."""
        self._stopping.set()
        with self._room:
            self._room.notify_all()
        if self._deliverer is not None:
            self._deliverer.cancel()
            await asyncio.gather(self._deliverer, return_exceptions=True)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, STOP_TIMEOUT_S)

    # In the thread.

    def _follow(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                with self._open_stream(self._token) as stream:
                    log.info("changes_followed", stream=self._name, resumed=self._token is not None)
                    self._live = True
                    pause_s = FIRST_PAUSE_S
                    if self._token is None:
                        self._put(None)
                    self._read(stream)
            except PyMongoError as error:
                if not self._stopping.is_set():  # then its client may be closed already
                    self._broke(error)
            finally:
                self._live = False
            self._stopping.wait(pause_s * random.uniform(0.7, 1.3))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _read(self, stream: ChangeCursor) -> None:
        told_s, tempo = time.monotonic(), Tempo(self._pace_s)
        while stream.alive and not self._stopping.is_set():
            reading = stream.read(tempo.wait_ms)
            token = reading.token
            if token is not None and (reading.changes or time.monotonic() - told_s >= IDLE_TOKEN_S):
                told_s = time.monotonic()
                changes: list[Document | None] = [*reading.changes] or [None]
                places = [*(change["_id"] for change in reading.changes[:-1]), token]
                self._put(*zip(changes, places, strict=True))
                self._token = token
            if pause_s := tempo.pause_s(reading):
                self._stopping.wait(pause_s)

    def _broke(self, error: PyMongoError) -> None:
        lost = self._token is not None and place_is_lost(error)
        log.warning("changes_interrupted", stream=self._name, error=repr(error), place_lost=lost)
        if lost:
            self._token = None

    def _put(self, *items: _Item) -> None:
        """Waits while too much is read ahead."""
        with self._room:
            while len(self._ahead) >= MAX_AHEAD and not self._stopping.is_set():
                self._room.wait()
            first = not self._ahead
            self._ahead.extend(items)
        if first and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, so nobody listens
                self._loop.call_soon_threadsafe(self._arrived.set)

    # On the loop.

    async def _deliver(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while taken := self._peek():
                try:
                    await self._hand_over(taken)
                except Exception:  # the next try may work; what was missed would be worse than what is late
                    log.exception("changes_not_handled", stream=self._name)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                else:
                    pause_s = FIRST_PAUSE_S
                    self._drop(len(taken))

    async def _hand_over(self, taken: list[_Item]) -> None:
        last = taken[-1]
        if last is None:
            await self._on_gap()
            return
        changes = [item[0] for item in taken if item is not None and item[0] is not None]
        await self._on_batch(changes, last[1])

    def _peek(self) -> list[_Item]:
        """The next batch: up to a gap, or a gap alone."""
        with self._room:
            batch: list[_Item] = []
            for item in self._ahead:
                if len(batch) == MAX_BATCH or (item is None and batch):
                    break
                batch.append(item)
                if item is None:
                    break
            return batch

    def _drop(self, count: int) -> None:
        with self._room:
            for _ in range(count):
                self._ahead.popleft()
            self._room.notify_all()
