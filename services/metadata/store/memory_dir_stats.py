"""Statistics of directories in memory, under the same promises as in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.metadata.domain.dir_books import WINDOWS, BooksChange
from services.metadata.domain.dir_sums import CountedDirectory, CountedFile, DirSums, SpaceStats, Window
from services.metadata.domain.errors import RevisionConflict

_Era = tuple[str, int]


class MemoryDirStatsStore:
    """Entries by era in dictionaries."""

    def __init__(self) -> None:
        self._spaces: dict[str, SpaceStats] = {}
        self._directories: dict[_Era, dict[str, CountedDirectory]] = {}
        self._files: dict[_Era, dict[str, CountedFile]] = {}
        self._windows: dict[tuple[str, str, int, int], Window] = {}

    async def find_space(self, space_id: str) -> SpaceStats | None:
        return self._spaces.get(space_id)

    async def list_spaces(self, *, after: str, limit: int) -> Sequence[SpaceStats]:
        return [self._spaces[id] for id in sorted(self._spaces) if id > after][:limit]

    async def insert_space(self, space: SpaceStats) -> None:
        self._spaces.setdefault(space.space_id, space)

    async def commit(self, change: BooksChange) -> None:
        space = change.space
        known = self._spaces.get(space.space_id)
        if known is None or known.revision != space.revision - 1:
            raise RevisionConflict(space_id=space.space_id)
        self._spaces[space.space_id] = space
        directories = self._directories.setdefault(_era(space), {})
        files = self._files.setdefault(_era(space), {})
        directories.update({each.directory_id: each for each in change.directories})
        files.update({each.file_id: each for each in change.files})
        for directory_id in change.gone_directories:
            directories.pop(directory_id, None)
        for file_id in change.gone_files:
            files.pop(file_id, None)

    async def directories(self, space: SpaceStats, ids: Collection[str]) -> Mapping[str, CountedDirectory]:
        kept = self._directories.get(_era(space), {})
        return {id: kept[id] for id in ids if id in kept}

    async def files(self, space: SpaceStats, ids: Collection[str]) -> Mapping[str, CountedFile]:
        kept = self._files.get(_era(space), {})
        return {id: kept[id] for id in ids if id in kept}

    async def find_unlisted(self, space: SpaceStats) -> CountedDirectory | None:
        kept = self._directories.get(_era(space), {}).values()
        return next((each for each in kept if each.listed_to is not None), None)

    async def drop(self, space: SpaceStats, *, all_eras: bool, limit: int) -> int:
        dropped = 0
        for kept in (self._files, self._directories):
            for era in [each for each in kept if each[0] == space.space_id]:
                if all_eras or era[1] < space.era:
                    dropped += len(kept.pop(era))
        return dropped

    async def remove_space(self, space: SpaceStats) -> None:
        for key in [each for each in self._windows if each[0] == space.space_id]:
            del self._windows[key]
        if self._spaces.get(space.space_id) == space:
            del self._spaces[space.space_id]

    async def note(self, space_id: str, sums: Mapping[str, DirSums], now_s: int) -> None:
        for directory_id, each in sums.items():
            for step_s in WINDOWS:
                key = (space_id, directory_id, step_s, now_s // step_s)
                known = self._windows.get(key)
                first_s = min(known.first_s, now_s) if known else now_s
                last_s = max(known.last_s, now_s) if known else now_s
                self._windows[key] = Window(now_s - now_s % step_s, each, first_s, last_s)

    async def windows(
        self, space_id: str, directory_id: str, step_s: int, *, first_s: int, last_s: int, limit: int
    ) -> Sequence[Window]:
        found = [
            window
            for key, window in self._windows.items()
            if key[:3] == (space_id, directory_id, step_s) and first_s <= window.time_s <= last_s
        ]
        return sorted(found, key=lambda window: -window.time_s)[:limit]


def _era(space: SpaceStats) -> _Era:
    return space.space_id, space.era
