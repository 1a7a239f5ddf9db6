"""Locations in MongoDB. Concurrent calls of one kind leave as one command."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from runtime.batching import Batcher
from services.metadata.domain.locations import Location

from .bulk import Outcome, insert_each, replace_each
from .documents import Document, location_from_document, location_id, location_to_document
from .threads import PatientThreads


class MongoLocationStore:
    """The documents of one provider in the collection `locations`."""

    def __init__(self, database: Database[Document], threads: PatientThreads, provider_id: str) -> None:
        self._locations: MongoCollection[Document] = database["locations"]
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

    async def find_references(self, storage_id: str, storage_file_ids: Collection[str]) -> set[str]:
        wanted = list(storage_file_ids)
        query = {
            "$or": [
                {"storage_file_id": {"$in": wanted}, "storage_id": storage_id},
                {"garbage": {"$elemMatch": {"storage_file_id": {"$in": wanted}, "storage_id": storage_id}}},
            ]
        }
        fields = {"storage_id": 1, "storage_file_id": 1, "garbage": 1}

        def read() -> set[str]:
            found = set()
            for document in self._locations.find(query, fields):
                for item in (document, *document.get("garbage", ())):
                    if item["storage_id"] == storage_id:
                        found.add(item["storage_file_id"])
            return found & set(wanted)

        return await self._threads.read(read)

    async def held_bytes(self, space_id: str) -> int:
        pipeline: list[Document] = [
            {"$match": {"space_id": space_id, "provider_id": self._provider_id}},
            {"$group": {"_id": None, "held": {"$sum": "$held_bytes"}}},
        ]

        def read() -> int:
            return sum(int(document["held"]) for document in self._locations.aggregate(pipeline))

        return await self._threads.read(read)

    async def _list(self, query: Document, *, sort: str, limit: int) -> Sequence[Location]:
        def read() -> list[Location]:
            cursor = self._locations.find(query, sort=[(sort, 1)], limit=limit)
            return [location_from_document(document) for document in cursor]

        return await self._threads.read(read)

    async def _find_batch(self, file_ids: list[str]) -> list[Location | None]:
        query = {"_id": {"$in": [self._id(file_id) for file_id in set(file_ids)]}}

        def read() -> list[Location | None]:
            found = (location_from_document(document) for document in self._locations.find(query))
            by_id = {location.file_id: location for location in found}
            return [by_id.get(file_id) for file_id in file_ids]

        return await self._threads.read(read)

    async def _insert_batch(self, locations: list[Location]) -> list[Outcome]:
        documents = [location_to_document(location) for location in locations]
        return await self._threads.write(lambda: insert_each(self._locations, documents))

    async def _replace_batch(self, locations: list[Location]) -> list[Outcome]:
        documents = [location_to_document(location) for location in locations]
        return await self._threads.write(lambda: replace_each(self._locations, documents))

    def _id(self, file_id: str) -> str:
        return location_id(file_id, self._provider_id)
