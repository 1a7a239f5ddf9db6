"""Times that change too often for a write each: of directories when their content changes, of reads.

They gather in memory and go to the store every few seconds, as one change a file. A crash loses the newest of
them, which is why nothing else may be kept so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from runtime.clock import Clock

from .columns import Columns
from .errors import RevisionConflict
from .records import File
from .tree import Recalls, Tree

#: Files with times to write; more are not remembered until the next flush.
MAX_TOUCHED = 10_000
#: Records written together.
FLUSH_AT_ONCE = 256
#: The access time of a file read again and again is written once a day, or once after each change.
READ_INTERVAL_MS = 24 * 3600 * 1000


@dataclass(slots=True)
class _Touch:
    space_id: str
    atime_ms: int = 0
    mtime_ms: int = 0


def times_of(file_id: str) -> str:
    """What the times of a file are called among records that holders of leases remember."""
    return f"{file_id}/times"


class Touches:
    """Times seen and not written yet. Of files that have some nobody remembers the times (`Grants`)."""

    def __init__(self, tree: Tree, recalls: Recalls, clock: Clock) -> None:
        self._tree = tree
        self._recalls = recalls
        self._clock = clock
        self._touches: dict[str, _Touch] = {}
        self._noting: set[asyncio.Future[None]] = set()

    def has(self, file_id: str) -> bool:
        """Whether the file has other times than its record says, or will have."""
        return file_id in self._touches

    async def content_changed(self, directory: File) -> None:
        """Something was made, renamed or removed in the directory, and is about to be confirmed."""
        known = self._touches.get(directory.file_id)
        if known is not None and known.mtime_ms:
            # While a change of the content waits to be written nobody can have learned the times again.
            self._note_change(directory)
            return
        times = times_of(directory.file_id)
        if not self._recalls.is_watched(directory.space_id, times):
            self._note_change(directory)
            return
        # Whoever made the change may be gone before it can be told; the change is not.
        noting = asyncio.ensure_future(self._note_recalled(directory, times))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)
        await asyncio.shield(noting)

    def read(self, file: File) -> None:
        """The file or directory was read."""
        now_ms = self._clock.now_ms()
        known = self._touches.get(file.file_id)
        atime_ms = max(file.atime_ms, known.atime_ms) if known else file.atime_ms
        mtime_ms = max(file.mtime_ms, known.mtime_ms) if known else file.mtime_ms
        if atime_ms > mtime_ms and now_ms - atime_ms < READ_INTERVAL_MS:
            return
        touch = self._touch(file)
        if touch is not None:
            touch.atime_ms = now_ms
            self._tree.listed_anew(file)
            # A read changes nothing that others rely on, so it does not wait for them.
            self._recalls.recall(file.space_id, times_of(file.file_id))

    def applied(self, file: File) -> File:
        """The file with the times seen since it was written."""
        touch = self._touches.get(file.file_id)
        if touch is None:
            return file
        return replace(file, **_times(file, touch))

    def apply(self, columns: Columns) -> None:
        """The same for files told in columns, with the columns of times that are there."""
        told = {field: of for field, of in _TOLD_BY.items() if field in columns}
        if not told or self._touches.keys().isdisjoint(columns["file_id"]):
            return
        for at, file_id in enumerate(columns["file_id"]):
            touch = self._touches.get(file_id)
            if touch is not None:
                for field, of in told.items():
                    columns[field][at] = max(columns[field][at], getattr(touch, of))

    async def flush(self) -> int:
        """Writes what has gathered; answers how many files. What fails is kept for the next time."""
        written = 0
        ids = list(self._touches)
        for first in range(0, len(ids), FLUSH_AT_ONCE):
            written += sum(await asyncio.gather(*map(self._settle, ids[first : first + FLUSH_AT_ONCE])))
        return written

    async def _settle(self, file_id: str) -> int:
        known = self._touches.get(file_id)
        if known is None:
            return 0
        written = replace(known)
        count = await self._write(file_id, written)
        if self._touches.get(file_id) == written:
            del self._touches[file_id]
        return count

    async def _write(self, file_id: str, touch: _Touch) -> int:
        for fresh in (False, True):
            file = await self._tree.find(touch.space_id, file_id, fresh=fresh)
            if file is None or file.deleted:
                return 0
            times = _times(file, touch)
            if all(getattr(file, name) == value for name, value in times.items()):
                return 0
            try:
                await self._tree.touch(file.changed(**times))
            except RevisionConflict:
                continue
            return 1
        return 0

    async def _note_recalled(self, directory: File, times: str) -> None:
        async with self._recalls.changing(directory.space_id, times):
            self._note_change(directory)

    def _note_change(self, directory: File) -> None:
        touch = self._touch(directory)
        if touch is not None:
            touch.mtime_ms = self._clock.now_ms()
            self._tree.listed_anew(directory)

    def _touch(self, file: File) -> _Touch | None:
        touch = self._touches.get(file.file_id)
        if touch is None and len(self._touches) < MAX_TOUCHED:
            touch = self._touches[file.file_id] = _Touch(file.space_id)
        return touch


#: Times of a file, and the time of a touch that each follows.
_TOLD_BY = {"atime_ms": "atime_ms", "mtime_ms": "mtime_ms", "ctime_ms": "mtime_ms"}


def _times(file: File, touch: _Touch) -> dict[str, Any]:
    return {field: max(getattr(file, field), getattr(touch, of)) for field, of in _TOLD_BY.items()}
