"""The books of directory statistics, as they are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .dir_sums import CountedDirectory, CountedFile, DirSums, SpaceStats, Window

#: Windows kept, by their width in seconds.
WINDOWS: Mapping[int, int] = {60: 720, 3600: 1440, 86_400: 550, 30 * 86_400: 360}


@dataclass(frozen=True, slots=True)
class BooksChange:
    """One step of counting: all of it, or nothing. `space` is at the next revision."""

    space: SpaceStats
    directories: Sequence[CountedDirectory] = ()
    files: Sequence[CountedFile] = ()
    gone_directories: Collection[str] = ()
    gone_files: Collection[str] = ()


class DirStatsStore(Protocol):
    """The books of all spaces, and how sums went."""

    async def find_space(self, space_id: str) -> SpaceStats | None:
        """How far it is counted; None when it is not at all."""
        ...

    async def list_spaces(self, *, after: str, limit: int) -> Sequence[SpaceStats]:
        """Those counted, in the order of their ids, after that one."""
        ...

    async def insert_space(self, space: SpaceStats) -> None:
        """Begins to count; nothing happens when it has begun."""
        ...

    async def commit(self, change: BooksChange) -> None:
        """One step, all of it or nothing. Raises `RevisionConflict`."""
        ...

    async def directories(self, space: SpaceStats, ids: Collection[str]) -> Mapping[str, CountedDirectory]:
        """Entries of this era."""
        ...

    async def files(self, space: SpaceStats, ids: Collection[str]) -> Mapping[str, CountedFile]:
        """Entries of this era."""
        ...

    async def find_unlisted(self, space: SpaceStats) -> CountedDirectory | None:
        """Some directory whose children are not all counted."""
        ...

    async def drop(self, space: SpaceStats, *, all_eras: bool, limit: int) -> int:
        """Forgets entries of former eras, or of all; answers how many. 0: there are none left."""
        ...

    async def remove_space(self, space: SpaceStats) -> None:
        """Forgets the space, with its history."""
        ...

    async def note(self, space_id: str, sums: Mapping[str, DirSums], now_s: int) -> None:
        """Makes these the last sums of their directories in the windows of now. Safe to repeat."""
        ...

    async def windows(
        self, space_id: str, directory_id: str, step_s: int, *, first_s: int, last_s: int, limit: int
    ) -> Sequence[Window]:
        """Windows that begin within these times, newest first."""
        ...
