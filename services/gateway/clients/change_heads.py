"""How far the change logs reach, for all who follow them: one question at a time, however many they are."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from isthmus.metadata.v1 import changes_pb2

from runtime.errors import IsthmusError

log = structlog.get_logger(__name__)

#: Between two questions while somebody follows; nobody asks when nobody does.
PACE_S = 0.2
#: After a question that failed.
AFTER_FAILURE_S = 1.0
_ASK_AT_ONCE = 1000


class HeadSource(Protocol):
    """The metadata service."""

    async def get_change_heads(
        self, request: changes_pb2.GetChangeHeadsRequest
    ) -> changes_pb2.GetChangeHeadsResponse: ...


@dataclass(slots=True)
class _Watched:
    followers: int = 0
    head: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class ChangeHeads:
    """Wakes followers when the log of their space has grown. A part."""

    def __init__(self, source: HeadSource, *, pace_s: float = PACE_S) -> None:
        self._source = source
        self._pace_s = pace_s
        self._watched: dict[str, _Watched] = {}
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Nothing to do until somebody follows."""

    async def stop(self) -> None:
        """Asks no more."""
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking
            self._asking = None

    async def head(self, space_id: str) -> int:
        """Number of the newest change now, 0 when there is none. Raises Unavailable."""
        answer = await self._source.get_change_heads(changes_pb2.GetChangeHeadsRequest(space_ids=[space_id]))
        return int(answer.heads.get(space_id, 0))

    async def wait_past(self, space_id: str, number: int) -> None:
        """Returns once there is a change after this number. Cancel it to give up."""
        watched = self._watched.setdefault(space_id, _Watched())
        watched.followers += 1
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_on(), name="change-heads")
        try:
            while watched.head <= number:
                await watched.moved.wait()
        finally:
            watched.followers -= 1
            if not watched.followers:
                del self._watched[space_id]

    async def _ask_on(self) -> None:
        while self._watched:
            pause_s = self._pace_s
            try:
                await self._ask()
            except IsthmusError as error:
                log.warning("change_heads_unknown", reason=error.reason)
                pause_s = AFTER_FAILURE_S
            await asyncio.sleep(pause_s)

    async def _ask(self) -> None:
        space_ids = list(self._watched)
        for first in range(0, len(space_ids), _ASK_AT_ONCE):
            some = space_ids[first : first + _ASK_AT_ONCE]
            answer = await self._source.get_change_heads(changes_pb2.GetChangeHeadsRequest(space_ids=some))
            for space_id, head in answer.heads.items():
                self._moved(space_id, head)

    def _moved(self, space_id: str, head: int) -> None:
        watched = self._watched.get(space_id)
        if watched is None or head <= watched.head:
            return
        watched.head = head
        moved, watched.moved = watched.moved, asyncio.Event()
        moved.set()
