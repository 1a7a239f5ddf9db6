"""What is done and can be forgotten: gathered here, written in bulk a moment later.

Nothing depends on it: what a crash loses of it is found again by the slower duties.
"""

from __future__ import annotations

from .stores import IntentStore, LocationStore

#: More than this is not remembered; the slower duties will find it.
MAX_REMEMBERED = 20_000
FLUSH_AT_ONCE = 1000


class Settled:
    """Locations that their file records mirror, and uploads that ended."""

    def __init__(self, locations: LocationStore, intents: IntentStore) -> None:
        self._locations_store = locations
        self._intents_store = intents
        self._locations: dict[str, int] = {}
        self._uploads: set[str] = set()

    def location(self, file_id: str, revision: int) -> None:
        """This revision of a location is mirrored."""
        if len(self._locations) < MAX_REMEMBERED:
            self._locations[file_id] = revision

    def upload(self, request_id: str) -> None:
        """This upload ended well; its intent, if there is one, means nothing any more."""
        if request_id and len(self._uploads) < MAX_REMEMBERED:
            self._uploads.add(request_id)

    async def flush(self) -> int:
        """Writes what has gathered; answers how many things."""
        locations = [self._locations.popitem() for _ in range(min(len(self._locations), FLUSH_AT_ONCE))]
        uploads = [self._uploads.pop() for _ in range(min(len(self._uploads), FLUSH_AT_ONCE))]
        if locations:
            await self._locations_store.settle(locations)
        if uploads:
            await self._intents_store.remove(uploads)
        return len(locations) + len(uploads)
