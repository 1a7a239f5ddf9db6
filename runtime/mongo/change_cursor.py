"""A MongoDB change stream by plain commands, so that each question says how long the server may wait.

The driver's own stream fixes that when it is opened, and what is best changes with what the server has to do:
see `Tempo`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from bson import Int64, Timestamp
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from runtime.mongo.client import Document, is_passing

#: Where in the stream one stands; opaque, kept by whoever wants to go on there later.
ResumeToken = Mapping[str, Any]

#: Changes in one answer.
BATCH_SIZE = 1000
#: Longest that a question waits for a change, in milliseconds; it is answered at once when there is one.
#: Well below `SOCKET_TIMEOUT_S`, so a dead server is noticed as soon; no whole second, so that answers come
#: at other parts of the second each time (`Tempo`).
AWAIT_MS = 2900
#: What a question waits that is asked now and then, the shortest there is.
LOOK_MS = 1
#: So many writes a second, whatever they are about, make a server busy.
BUSY_WRITES_PER_S = 100
#: Time between two questions to a busy server.
BUSY_PACE_S = 0.1
#: Writes are counted over so long.
COUNT_S = 0.25

#: Errors that say nothing about the place in the stream: Unauthorized, AuthenticationFailed, CursorKilled.
_PLACELESS_CODES = frozenset({13, 18, 237})
_RESUMABLE = "ResumableChangeStreamError"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one question brought: changes, the place after them, and the time of the server's last write."""

    changes: Sequence[Document]
    token: ResumeToken | None
    written_at: Timestamp


class ChangeCursor:
    """Changes of `database` that pass `pipeline`, after a place, from a time, or else from now on.

    Open from the beginning; a context manager that closes it. Belongs to one thread. All of it raises
    PyMongoError.
    """

    def __init__(
        self,
        database: Database[Document],
        pipeline: Sequence[Mapping[str, Any]],
        *,
        resume_after: ResumeToken | None = None,
        start_at: Timestamp | None = None,
    ) -> None:
        self._database = database
        self._session = database.client.start_session(causal_consistency=False)
        self._id, self._collection = 0, ""
        begin: dict[str, Any] = {}
        if resume_after is not None:
            begin["resumeAfter"] = resume_after
        elif start_at is not None:
            begin["startAtOperationTime"] = start_at
        command: Document = {
            "aggregate": 1,
            "pipeline": [{"$changeStream": begin}, *pipeline],
            "cursor": {"batchSize": BATCH_SIZE},
        }
        try:
            self._first: Reading | None = self._ask(command, "firstBatch")
        except BaseException:
            self._session.end_session()
            raise

    @property
    def alive(self) -> bool:
        """False once nothing more can come: the database was dropped."""
        return self._first is not None or self._id != 0

    def read(self, wait_ms: int) -> Reading:
        """The next changes; none when none came within `wait_ms`, which is at least 1."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        command = {
            "getMore": Int64(self._id),
            "collection": self._collection,
            "batchSize": BATCH_SIZE,
            "maxTimeMS": wait_ms,
        }
        return self._ask(command, "nextBatch")

    def close(self) -> None:
        """Frees what the server keeps for it; a server that is away has forgotten it."""
        try:
            if self._id:
                with contextlib.suppress(PyMongoError):
                    self._command({"killCursors": self._collection, "cursors": [Int64(self._id)]})
        finally:
            self._id = 0
            self._session.end_session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, command: Document, batch: str) -> Reading:
        reply = self._command(command)
        cursor = reply["cursor"]
        self._id = cursor["id"]
        self._collection = cursor["ns"].partition(".")[2]
        changes = cursor[batch]
        token = cursor.get("postBatchResumeToken") or (changes[-1]["_id"] if changes else None)
        return Reading(changes, token, reply["operationTime"])

    def _command(self, command: Document) -> Document:
        return self._database.command(command, session=self._session)


def place_is_lost(error: PyMongoError) -> bool:
    """The history does not reach back that far any more, or the place was never one of this stream."""
    return (
        isinstance(error, OperationFailure)
        and not error.has_error_label(_RESUMABLE)
        and not is_passing(error)
        and error.code not in _PLACELESS_CODES
    )


class Tempo:
    """How long the next question may wait, and how long the server is left alone before it.

    A question that waits is woken by every write of the server, whatever it is about, to see whether that is
    one it asks for. Where much is written, looking now and then costs far less, for changes that are heard of
    up to `BUSY_PACE_S` later. The time of a write is a second and the write's number in it, so the times of
    two tell how much was written.

    `pace_s` is the shortest time between two questions after changes.
    """

    def __init__(self, pace_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace_s = pace_s
        self._clock = clock
        self._busy = False
        self._since: tuple[float, Timestamp] | None = None

    @property
    def wait_ms(self) -> int:
        """For `ChangeCursor.read`."""
        return LOOK_MS if self._busy else AWAIT_MS

    def pause_s(self, reading: Reading) -> float:
        """How long to leave the server alone after `reading`."""
        self._count(reading.written_at)
        if len(reading.changes) >= BATCH_SIZE:
            return 0.0  # there is more already
        if self._busy:
            return max(self._pace_s, BUSY_PACE_S)
        return self._pace_s if reading.changes else 0.0

    def _count(self, written_at: Timestamp) -> None:
        now_s = self._clock()
        if self._since is None:
            self._since = now_s, written_at
            return
        since_s, since = self._since
        if now_s - since_s < COUNT_S:
            return
        self._since = now_s, written_at
        if written_at.time == since.time:
            self._busy = written_at.inc - since.inc >= BUSY_WRITES_PER_S * (now_s - since_s)
        elif written_at.inc >= BUSY_WRITES_PER_S:
            self._busy = True  # within less than a second; fewer say nothing, the second may have just begun
        elif written_at.time - since.time > 1:
            self._busy = False
