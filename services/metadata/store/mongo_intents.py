"""Uploads under way, and storage files of those given up, in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.stores import Intent

from .documents import Document, intent_from_document, intent_to_document
from .threads import PatientThreads


class MongoIntentStore:
    """The collection `intents`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._intents: MongoCollection[Document] = database["intents"]
        self._threads = threads

    async def put(self, intent: Intent) -> None:
        document = intent_to_document(intent)
        query = {"_id": intent.request_id}
        await self._threads.write(lambda: self._intents.replace_one(query, document, upsert=True))

    async def find(self, request_id: str) -> Intent | None:
        document = await self._threads.read(lambda: self._intents.find_one({"_id": request_id}))
        return None if document is None else intent_from_document(document)

    async def remove(self, request_ids: Collection[str]) -> None:
        query = {"_id": {"$in": list(request_ids)}}
        if request_ids:
            await self._threads.write(lambda: self._intents.delete_many(query))

    async def list_abandoned(
        self, storage_ids: Collection[str], *, before_ms: int, limit: int
    ) -> Sequence[Intent]:
        query = {
            "abandoned": True,
            "time_ms": {"$lt": before_ms},
            "storage_id": {"$in": list(storage_ids)},
        }

        def read() -> list[Intent]:
            cursor = self._intents.find(query, sort=[("time_ms", 1)], limit=limit)
            return [intent_from_document(document) for document in cursor]

        return await self._threads.read(read)

    async def remove_abandoned(self, storage_files: Collection[tuple[str, str]]) -> None:
        if not storage_files:
            return
        query = {
            "abandoned": True,
            "$or": [
                {"storage_file_id": storage_file_id, "storage_id": storage_id}
                for storage_id, storage_file_id in storage_files
            ],
        }
        await self._threads.write(lambda: self._intents.delete_many(query))

    async def find_references(
        self, storage_id: str, storage_file_ids: Collection[str], *, living: Collection[str] = ()
    ) -> set[str]:
        query: Document = {"storage_file_id": {"$in": list(storage_file_ids)}, "storage_id": storage_id}
        if living:
            query["$or"] = [{"abandoned": True}, {"holder": {"$in": [*living, ""]}}]

        def read() -> set[str]:
            return {item["storage_file_id"] for item in self._intents.find(query, {"storage_file_id": 1})}

        return await self._threads.read(read)

    async def expire(self, *, before_ms: int, limit: int) -> int:
        def write() -> int:
            query = {"abandoned": False, "time_ms": {"$lt": before_ms}}
            ids = [item["_id"] for item in self._intents.find(query, {"_id": 1}, limit=limit)]
            if ids:
                self._intents.delete_many({"_id": {"$in": ids}, "abandoned": False})
            return len(ids)

        return await self._threads.write(write)
