"""Counts who reads and writes how much: in memory, told to metadata every few seconds.

A request costs a look into a dictionary and some additions. A process that is killed takes with it what it
counted since it last told: `TELL_INTERVAL_S` while metadata answers. Nothing is counted twice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import structlog
from isthmus.metadata.v1 import access_history_pb2

from runtime.clock import Clock
from runtime.errors import IsthmusError
from runtime.identity import Kind
from runtime.periodic import Periodic
from runtime.request import current_call

log = structlog.get_logger(__name__)

#: How often what was counted is told, and how long the last time may take.
TELL_INTERVAL_S, LAST_TIME_S = 5.0, 2.0
#: Pairs of a space and a user kept apart at most until they are told; others count for their space alone.
MAX_TALLIES = 10_000
#: As many as metadata takes at once.
MAX_ACCESSES = 250

_NOBODY = ""


class Metadata(Protocol):
    """Whom it is told."""

    async def note_accesses(
        self, request: access_history_pb2.NoteAccessesRequest
    ) -> access_history_pb2.NoteAccessesResponse: ...


@dataclass(slots=True)
class _Tally:
    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0


class AccessCounter:
    """Counts for the user of the request under way. A Part; stop it after who counts."""

    def __init__(self, metadata: Metadata, clock: Clock, *, interval_s: float = TELL_INTERVAL_S) -> None:
        self._metadata = metadata
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._sequence = 0
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._untold: deque[access_history_pb2.NoteAccessesRequest] = deque()
        self._periodic = Periodic("access_counter", self.tell, interval_s)

    def read(self, space_id: str, size_bytes: int) -> None:
        """A request has read so much of the content of a file in the space."""
        tally = self._tally(space_id)
        tally.read_bytes += size_bytes
        tally.reads += 1

    def wrote(self, space_id: str, size_bytes: int) -> None:
        """A request has written so much."""
        tally = self._tally(space_id)
        tally.written_bytes += size_bytes
        tally.writes += 1

    def saw(self, space_id: str) -> None:
        """A request was about the space, or something in it."""
        self._tally(space_id)

    async def start(self) -> None:
        """Begins to tell."""
        await self._periodic.start()

    async def stop(self) -> None:
        """Tells a last time, if metadata is there."""
        await self._periodic.stop()
        try:
            async with asyncio.timeout(LAST_TIME_S):
                while self._untold or self._tallies:
                    await self.tell()
        except (IsthmusError, TimeoutError) as error:
            log.warning("accesses_not_told", error=repr(error))

    async def tell(self) -> int:
        """Tells what was counted; what could not be told comes first the next time, as the same."""
        if not self._untold:
            self._take()
        while self._untold:
            await self._metadata.note_accesses(self._untold[0])
            self._untold.popleft()
        return 0

    def _tally(self, space_id: str) -> _Tally:
        who = current_call.get().identity
        user_id = who.subject_id if who is not None and who.kind is Kind.USER else _NOBODY
        tally = self._tallies.get((space_id, user_id))
        if tally is None:
            if len(self._tallies) >= MAX_TALLIES:
                user_id = _NOBODY
            tally = self._tallies.setdefault((space_id, user_id), _Tally())
        return tally

    def _take(self) -> None:
        accesses = [
            access_history_pb2.Access(
                space_id=space_id,
                user_id=user_id,
                read_bytes=tally.read_bytes,
                written_bytes=tally.written_bytes,
                reads=tally.reads,
                writes=tally.writes,
            )
            for (space_id, user_id), tally in self._tallies.items()
        ]
        self._tallies.clear()
        for first in range(0, len(accesses), MAX_ACCESSES):
            self._sequence += 1
            self._untold.append(
                access_history_pb2.NoteAccessesRequest(
                    holder=self._holder,
                    sequence=self._sequence,
                    time_s=self._clock.now_ms() // 1000,
                    accesses=accesses[first : first + MAX_ACCESSES],
                )
            )
