"""Takes from the caches what other instances changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from services.metadata.domain.cache import FileCache, RecordCache
from services.metadata.domain.leases import Leases
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

    def __init__(self, files: FileCache, locations: LocationCache, leases: Leases) -> None:
        self._caches: dict[str, RecordCache[Any]] = {"files": files, "locations": locations}
        self._leases = leases

    async def on_changes(self, changes: Sequence[SeenChange], _position: object) -> None:
        """Forgets what is older than these changes."""
        forgotten = []
        for change in changes:
            cache = self._caches.get(change.collection)
            if cache is not None and cache.invalidate(change.file_id, change.revision):
                forgotten.append(change.file_id)
        self._leases.changed_elsewhere(forgotten)

    async def on_gap(self) -> None:
        """Changes may have been missed: nothing cached can be believed."""
        for cache in self._caches.values():
            cache.clear()
        self._leases.forget_everything()
