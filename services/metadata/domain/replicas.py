"""Reading and changing the locations of this provider, through the cache."""

from __future__ import annotations

from collections.abc import Awaitable

from .cache import RecordCache
from .locations import Location
from .records import File, FileType
from .stores import LocationStore
from .tree import Ownership, Recalls

LocationCache = RecordCache[Location]


class Replicas:
    """Where the contents of files lie here."""

    def __init__(
        self,
        store: LocationStore,
        cache: LocationCache,
        ownership: Ownership,
        recalls: Recalls,
        provider_id: str,
    ) -> None:
        self._store = store
        self._cache = cache
        self._ownership = ownership
        self._recalls = recalls
        self._provider_id = provider_id

    async def find(self, space_id: str, file_id: str, *, fresh: bool = False) -> Location | None:
        """The location, retired ones included."""
        location = self._cache.get(file_id)
        if location is None or fresh or not self._ownership.owns(space_id):
            mark = self._cache.mark()
            location = await self._store.find(file_id)
            if location is None:
                self._cache.invalidate(file_id)
                return None
            self._cache.put_read(location, mark)
        return location if location.space_id == space_id else None

    async def current(self, file: File) -> Location | None:
        """Where the content of a file is; None when it has none."""
        if file.type is not FileType.REGULAR or not file.location_revision:
            return None
        location = await self.find(file.space_id, file.file_id)
        if location is not None and location.revision < file.location_revision:
            location = await self.find(file.space_id, file.file_id, fresh=True)
        return location if location is not None and not location.retired else None

    def holds(self, location: Location) -> bool:
        """Whether this is the newest location known of its file."""
        return self._cache.holds(location)

    def blank(self, space_id: str, file_id: str) -> Location:
        """The location of a file without content; not stored."""
        return Location(file_id, space_id, self._provider_id)

    async def insert(self, location: Location) -> None:
        """Adds a location; as the store does."""
        await self._change(location, self._store.insert(location))

    async def replace(self, location: Location) -> None:
        """Puts a location in the place of its previous revision; as the store does."""
        async with self._recalls.changing(location.space_id, location.file_id):
            await self._change(location, self._store.replace(location))

    def made(self, location: Location) -> None:
        """Notes a first location, which was stored in the record of its file."""
        self._cache.put_written(location)

    async def remove(self, location: Location) -> None:
        """Removes a location that is still at this revision."""
        async with self._recalls.changing(location.space_id, location.file_id):
            self._cache.invalidate(location.file_id)
            await self._store.remove(location.file_id, revision=location.revision)
            self._cache.invalidate(location.file_id)

    async def _change(self, location: Location, change: Awaitable[None]) -> None:
        try:
            await change
        except BaseException:
            # What is cached was not what is stored, or nobody knows whether the change happened.
            self._cache.invalidate(location.file_id)
            raise
        self._cache.put_written(location)
