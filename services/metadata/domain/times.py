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
from .tree import Tree

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


class Touches:
    """Times seen and not written yet."""

    def __init__(self, tree: Tree, clock: Clock) -> None:
        self._tree = tree
        self._clock = clock
        self._touches: dict[str, _Touch] = {}

    def content_changed(self, directory: File) -> None:
        """Something was made, renamed or removed in the directory."""
        touch = self._touch(directory)
        if touch is not None:
            touch.mtime_ms = self._clock.now_ms()
            self._tree.listed_anew(directory)

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
        taken = self._touches
        self._touches = {}
        written = 0
        ids = list(taken)
        try:
            for first in range(0, len(ids), FLUSH_AT_ONCE):
                some = ids[first : first + FLUSH_AT_ONCE]
                written += sum(await asyncio.gather(*(self._write(item, taken[item]) for item in some)))
                for file_id in some:
                    del taken[file_id]
        finally:
            if taken:
                # For a moment they were told without these times.
                self._tree.listed_unlike_before()
            for file_id, touch in taken.items():
                newer = self._touches.setdefault(file_id, touch)
                newer.atime_ms = max(newer.atime_ms, touch.atime_ms)
                newer.mtime_ms = max(newer.mtime_ms, touch.mtime_ms)
        return written

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

    def _touch(self, file: File) -> _Touch | None:
        touch = self._touches.get(file.file_id)
        if touch is None and len(self._touches) < MAX_TOUCHED:
            touch = self._touches[file.file_id] = _Touch(file.space_id)
        return touch


#: Times of a file, and the time of a touch that each follows.
_TOLD_BY = {"atime_ms": "atime_ms", "mtime_ms": "mtime_ms", "ctime_ms": "mtime_ms"}


def _times(file: File, touch: _Touch) -> dict[str, Any]:
    return {field: max(getattr(file, field), getattr(touch, of)) for field, of in _TOLD_BY.items()}
