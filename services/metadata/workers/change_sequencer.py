"""Numbers the changes of each space: what other providers will be fed from."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import structlog

from runtime.leadership import Leadership

log = structlog.get_logger(__name__)

#: How often it looks whether it still leads.
WATCH_LEADERSHIP_S = 1.0
#: What happens within this time is read and numbered together, which leaves the database to those who wait
#: for it.
GATHER_S = 0.1
#: How often the place in the stream is saved while changes come: what is seen again after a crash is known.
SAVE_INTERVAL_S = 1.0


class SpaceChange(Protocol):
    """A change, and the space it belongs to; empty when the record is gone and was numbered before."""

    @property
    def space_id(self) -> str: ...


C = TypeVar("C", bound=SpaceChange)


class Following(Protocol):
    """A stream of changes being followed."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class SequencedLog(Protocol[C]):
    """The log this worker writes; `MongoChangeLog`."""

    def follow(
        self,
        name: str,
        on_changes: Callable[[Sequence[C], Any], Awaitable[None]],
        *,
        on_gap: Callable[[], Awaitable[None]],
        position: Any = None,
        pace_s: float,
    ) -> Following: ...

    async def load_position(self) -> Any: ...

    async def save_position(self, token: Any) -> None: ...

    async def append(self, space_id: str, changes: Sequence[C]) -> int: ...

    async def forget_all(self) -> None: ...


class ChangeSequencer(Generic[C]):
    """Follows all changes while this instance leads. A part.

    Two at once do no harm: both give the same change the same number. A crash between numbering and saving
    the position only has some changes seen again.
    """

    def __init__(self, log_: SequencedLog[C], leadership: Leadership) -> None:
        self._log = log_
        self._leadership = leadership
        self._task: asyncio.Task[None] | None = None
        self._saved_s = -SAVE_INTERVAL_S

    async def start(self) -> None:
        """Begins to watch for the lead."""
        self._task = asyncio.create_task(self._run(), name="change-sequencer")

    async def stop(self) -> None:
        """Ends following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def on_changes(self, changes: Sequence[C], token: Any) -> None:
        """Numbers changes, each space by itself, and remembers now and then how far that was."""
        by_space: dict[str, list[C]] = {}
        for change in changes:
            if change.space_id:
                by_space.setdefault(change.space_id, []).append(change)
        for space_id, some in by_space.items():
            await self._log.append(space_id, some)
        now_s = time.monotonic()
        if not changes or now_s - self._saved_s >= SAVE_INTERVAL_S:
            self._saved_s = now_s
            await self._log.save_position(token)

    async def on_gap(self) -> None:
        """What happened before is not known."""
        await self._log.forget_all()

    async def _run(self) -> None:
        while True:
            if self._leadership.is_leader:
                try:
                    await self._lead()
                except Exception:
                    log.exception("sequencer_failed")
            await asyncio.sleep(WATCH_LEADERSHIP_S)

    async def _lead(self) -> None:
        position = await self._log.load_position()
        following = self._log.follow(
            "change-sequencer",
            self.on_changes,
            on_gap=self.on_gap,
            position=position,
            pace_s=GATHER_S,
        )
        await following.start()
        try:
            while self._leadership.is_leader:
                await self._leadership.wait_changed(WATCH_LEADERSHIP_S)
        finally:
            await following.stop()
