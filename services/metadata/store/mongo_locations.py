"""Locations in MongoDB. Concurrent calls of one kind leave as one command."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from runtime.batching import Batcher
from services.metadata.domain.locations import Location

from .bulk import Outcome, insert_each, replace_each
from .documents import (
    FIRST_LOCATION_FIELDS,
    Document,
    first_location_from_document,
    location_from_document,
    location_id,
    location_to_document,
)
from .threads import PatientThreads

#: Records that hold a first location; the partial index has the same condition.
_HAS_FIRST = {"location.held_bytes": {"$gte": 0}}


class MongoLocationStore:
    """The documents of one provider in the collection `locations`, and first locations within `files`."""

    def __init__(self, database: Database[Document], threads: PatientThreads, provider_id: str) -> None:
        self._locations: MongoCollection[Document] = database["locations"]
        self._files: MongoCollection[Document] = database["files"]
        self._threads = threads
        self._provider_id = provider_id
        self._finds: Batcher[str, Location | None] = Batcher(self._find_batch, name="locations.find")
        self._inserts: Batcher[Location, None] = Batcher(self._insert_batch, name="locations.insert")
        self._replaces: Batcher[Location, None] = Batcher(self._replace_batch, name="locations.replace")

    async def close(self) -> None:
        """Fails who waits."""
        for batcher in (self._finds, self._inserts, self._replaces):
            await batcher.close()

    async def find(self, file_id: str) -> Location | None:
        return await self._finds.submit(file_id)

    async def insert(self, location: Location) -> None:
        await self._inserts.submit(location)

    async def replace(self, location: Location) -> None:
        await self._replaces.submit(location)

    async def remove(self, file_id: str, *, revision: int) -> None:
        query = {"_id": self._id(file_id), "revision": revision}
        await self._threads.write(lambda: self._locations.delete_one(query))

    async def settle(self, settled: Sequence[tuple[str, int]]) -> None:
        if not settled:
            return
        query = {"$or": [{"_id": self._id(file_id), "revision": rev} for file_id, rev in settled]}
        change = {"$unset": {"dirty_ms": ""}}
        await self._threads.write(lambda: self._locations.update_many(query, change))

    async def list_dirty(self, *, before_ms: int, limit: int) -> Sequence[Location]:
        query = {"dirty_ms": {"$lt": before_ms}, "provider_id": self._provider_id}
        return await self._list(query, sort="dirty_ms", limit=limit)

    async def list_garbage(
        self, storage_ids: Collection[str], *, before_ms: int, limit: int
    ) -> Sequence[Location]:
        ripe = {"storage_id": {"$in": list(storage_ids)}, "since_ms": {"$lt": before_ms}}
        query = {"garbage": {"$elemMatch": ripe}, "provider_id": self._provider_id}
        return await self._list(query, sort="garbage.since_ms", limit=limit)

    async def find_references(
        self, storage_id: str, storage_file_ids: Collection[str], *, with_garbage: bool = True
    ) -> set[str]:
        wanted = list(storage_file_ids)

        def read() -> set[str]:
            # A location leaves the record of its file for one of its own, so asked in this order none is
            # missed.
            first = self._first_references(storage_id, wanted)
            found = first | self._current(storage_id, wanted)
            return found | self._garbage(storage_id, wanted) if with_garbage else found

        return await self._threads.read(read)

    def _first_references(self, storage_id: str, wanted: list[str]) -> set[str]:
        query = {"location.storage_file_id": {"$in": wanted}, "location.storage_id": storage_id}
        found = self._files.find(query, {"location.storage_file_id": 1})
        return {document["location"]["storage_file_id"] for document in found}

    def _current(self, storage_id: str, wanted: list[str]) -> set[str]:
        query = {"storage_file_id": {"$in": wanted}, "storage_id": storage_id}
        return {each["storage_file_id"] for each in self._locations.find(query, {"storage_file_id": 1})}

    def _garbage(self, storage_id: str, wanted: list[str]) -> set[str]:
        item = {"storage_file_id": {"$in": wanted}, "storage_id": storage_id}
        found = self._locations.find({"garbage": {"$elemMatch": item}}, {"garbage": 1})
        return {
            item["storage_file_id"]
            for document in found
            for item in document["garbage"]
            if item["storage_id"] == storage_id
        } & set(wanted)

    async def held_bytes(self, space_id: str) -> int:
        def total(collection: MongoCollection[Document], query: Document, field: str) -> int:
            group = {"$group": {"_id": None, "held": {"$sum": f"${field}"}}}
            return sum(int(document["held"]) for document in collection.aggregate([{"$match": query}, group]))

        def read() -> int:
            own = {"space_id": space_id, "provider_id": self._provider_id}
            first = {"space_id": space_id, **_HAS_FIRST}
            return total(self._locations, own, "held_bytes") + total(
                self._files, first, "location.held_bytes"
            )

        return await self._threads.read(read)

    async def _list(self, query: Document, *, sort: str, limit: int) -> Sequence[Location]:
        def read() -> list[Location]:
            cursor = self._locations.find(query, sort=[(sort, 1)], limit=limit)
            return [location_from_document(document) for document in cursor]

        return await self._threads.read(read)

    async def _find_batch(self, file_ids: list[str]) -> list[Location | None]:
        def read() -> list[Location | None]:
            # Later ones first: a first location that is read after them may be out of date, never missing.
            query = {"_id": {"$in": [self._id(file_id) for file_id in set(file_ids)]}}
            found = (location_from_document(document) for document in self._locations.find(query))
            by_id = {location.file_id: location for location in found}
            missing = [file_id for file_id in set(file_ids) if file_id not in by_id]
            if missing:
                by_id |= self._find_first(missing)
            return [by_id.get(file_id) for file_id in file_ids]

        return await self._threads.read(read)

    def _find_first(self, file_ids: Collection[str]) -> dict[str, Location]:
        query = {"_id": {"$in": list(file_ids)}, "location.provider_id": self._provider_id}
        found = map(first_location_from_document, self._files.find(query, FIRST_LOCATION_FIELDS))
        return {location.file_id: location for location in found}

    async def _insert_batch(self, locations: list[Location]) -> list[Outcome]:
        documents = [location_to_document(location) for location in locations]
        return await self._threads.write(lambda: insert_each(self._locations, documents))

    async def _replace_batch(self, locations: list[Location]) -> list[Outcome]:
        documents = [location_to_document(location) for location in locations]
        return await self._threads.write(
            lambda: replace_each(self._locations, documents, may_be_new=self._with_first)
        )

    def _with_first(self, documents: Sequence[Document]) -> set[str]:
        """Keys of those whose previous revision is the first location in the record of their file."""
        ids = [document["file_id"] for document in documents if document["revision"] == 2]
        return {self._id(file_id) for file_id in self._find_first(ids)} if ids else set()

    def _id(self, file_id: str) -> str:
        return location_id(file_id, self._provider_id)
