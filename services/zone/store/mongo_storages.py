"""Storages of providers in MongoDB.

storages  _id, provider_id, name, qos_parameters [[name, value]], imported, readonly, created_at_ms, revision
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bson.int64 import Int64
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Storage
from services.zone.domain.stores import Taken

Document = dict[str, Any]


def create_storage_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.storages.create_index([("provider_id", 1), ("_id", 1)])


class MongoStorageStore:
    """Answers StorageStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._storages = database.storages
        self._threads = threads

    async def create(self, storage: Storage) -> None:
        document = {
            "_id": storage.id,
            "provider_id": storage.provider_id,
            **_to_fields(
                {
                    "name": storage.name,
                    "qos_parameters": storage.qos_parameters,
                    "imported": storage.imported,
                    "readonly": storage.readonly,
                }
            ),
            "created_at_ms": storage.created_at_ms,
            "revision": Int64(storage.created_at_ms),
        }

        def work() -> None:
            try:
                self._storages.insert_one(document)
            except DuplicateKeyError:
                raise Taken("id") from None

        await self._threads.write(work)

    async def find(self, storage_id: str) -> Storage | None:
        found = await self._threads.read(lambda: self._storages.find_one({"_id": storage_id}))
        return _from_document(found) if found else None

    async def find_many(self, storage_ids: Collection[str]) -> list[Storage]:
        return await self._list({"_id": {"$in": list(storage_ids)}})

    async def of_provider(self, provider_id: str) -> list[Storage]:
        return await self._list({"provider_id": provider_id})

    async def _list(self, query: Document) -> list[Storage]:
        found = await self._threads.read(lambda: list(self._storages.find(query).sort("_id", 1)))
        return [_from_document(document) for document in found]

    async def update(self, storage_id: str, changes: Mapping[str, Any]) -> bool:
        change = {"$set": _to_fields(changes), "$inc": {"revision": 1}}
        done = await self._threads.write(lambda: self._storages.update_one({"_id": storage_id}, change))
        return done.matched_count == 1

    async def delete(self, storage_id: str) -> bool:
        done = await self._threads.write(lambda: self._storages.delete_one({"_id": storage_id}))
        return done.deleted_count == 1

    async def delete_all(self, provider_id: str) -> None:
        await self._threads.write(lambda: self._storages.delete_many({"provider_id": provider_id}))


def _to_fields(changes: Mapping[str, Any]) -> Document:
    """As they are kept: names of parameters are free, and not all of them could be names of fields."""
    fields = dict(changes)
    if "qos_parameters" in fields:
        fields["qos_parameters"] = [list(pair) for pair in fields["qos_parameters"].items()]
    return fields


def _from_document(document: Document) -> Storage:
    return Storage(
        id=document["_id"],
        provider_id=document["provider_id"],
        name=document["name"],
        qos_parameters=dict(document["qos_parameters"]),
        imported=document["imported"],
        readonly=document["readonly"],
        created_at_ms=int(document["created_at_ms"]),
        revision=int(document["revision"]),
    )
