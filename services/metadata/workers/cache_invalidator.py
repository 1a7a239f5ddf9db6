"""Takes from the caches what other instances changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from services.metadata.domain.cache import FileCache, RecordCache
from services.metadata.domain.leases import Leases
from services.metadata.domain.listing_versions import FileChange, ListingVersions
from services.metadata.domain.replicas import LocationCache


class SeenChange(FileChange, Protocol):
    """What a change says, of a file or something of one."""

    @property
    def collection(self) -> str: ...


class CacheInvalidator:
    """Hears of changes to what may be cached, its own ones too: those are known, having the same revision."""

    def __init__(
        self, files: FileCache, locations: LocationCache, leases: Leases, listings: ListingVersions
    ) -> None:
        self._caches: dict[str, RecordCache[Any]] = {"files": files, "locations": locations}
        self._leases = leases
        self._listings = listings

    async def on_changes(self, changes: Sequence[SeenChange], _position: object) -> None:
        """Forgets what is older than these changes."""
        forgotten = []
        for change in changes:
            cache = self._caches.get(change.collection)
            if cache is not None and cache.invalidate(change.file_id, change.revision):
                forgotten.append(change.file_id)
        self._leases.changed_elsewhere(forgotten)
        self._listings.changed_elsewhere(change for change in changes if change.collection == "files")

    async def on_gap(self) -> None:
        """Changes may have been missed: nothing cached can be believed."""
        for cache in self._caches.values():
            cache.clear()
        self._leases.forget_everything()
        self._listings.missed_changes()
