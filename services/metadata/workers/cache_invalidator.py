"""Takes from the caches what other instances changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.metadata.domain.cache import FileCache
from services.metadata.domain.replicas import LocationCache


class SeenChange(Protocol):
    """What a change says; `revision` is None when the record is gone."""

    @property
    def collection(self) -> str: ...

    @property
    def file_id(self) -> str: ...

    @property
    def revision(self) -> int | None: ...


class CacheInvalidator:
    """Hears of changes to what may be cached, its own ones too: those are known, having the same revision."""

    def __init__(self, files: FileCache, locations: LocationCache) -> None:
        self._files = files
        self._locations = locations

    async def on_changes(self, changes: Sequence[SeenChange], _position: object) -> None:
        """Forgets what is older than these changes."""
        for change in changes:
            if change.collection == "files":
                self._files.invalidate(change.file_id, change.revision)
            elif change.collection == "locations":
                self._locations.invalidate(change.file_id, change.revision)

    async def on_gap(self) -> None:
        """Changes may have been missed: nothing cached can be believed."""
        self._files.clear()
        self._locations.clear()
