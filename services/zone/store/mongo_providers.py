"""Providers in MongoDB.

providers  _id, name, domain (unique), version, last_seen_ms, ..., revision
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from typing import Any

from bson.int64 import Int64
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Provider
from services.zone.domain.stores import Taken

Document = dict[str, Any]


def create_provider_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.providers.create_index("domain", unique=True)


class MongoProviderStore:
    """Answers ProviderStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._providers = database.providers
        self._threads = threads

    async def create(self, provider: Provider) -> None:
        def work() -> None:
            document = asdict(provider)
            document["_id"] = document.pop("id")
            document["revision"] = Int64(provider.created_at_ms)
            try:
                self._providers.insert_one(document)
            except DuplicateKeyError:
                raise Taken("domain") from None

        await self._threads.write(work)

    async def find(self, provider_id: str) -> Provider | None:
        found = await self._threads.read(lambda: self._providers.find_one({"_id": provider_id}))
        return _from_document(found) if found else None

    async def find_many(self, provider_ids: Collection[str]) -> list[Provider]:
        if not provider_ids:
            return []
        query = {"_id": {"$in": list(provider_ids)}}
        found = await self._threads.read(lambda: list(self._providers.find(query)))
        return [_from_document(document) for document in found]

    async def list_ids(self) -> list[str]:
        found = await self._threads.read(lambda: list(self._providers.find({}, {"_id": 1}).sort("_id", 1)))
        return [str(document["_id"]) for document in found]

    async def update(self, provider_id: str, changes: Mapping[str, Any]) -> bool:
        def work() -> bool:
            change = {"$set": dict(changes), "$inc": {"revision": 1}}
            try:
                return self._providers.update_one({"_id": provider_id}, change).matched_count == 1
            except DuplicateKeyError:
                raise Taken("domain") from None

        return await self._threads.write(work)

    async def touch(self, provider_id: str, last_seen_ms: int) -> None:
        change = {"$set": {"last_seen_ms": last_seen_ms}}
        await self._threads.write(lambda: self._providers.update_one({"_id": provider_id}, change))

    async def delete(self, provider_id: str) -> bool:
        done = await self._threads.write(lambda: self._providers.delete_one({"_id": provider_id}))
        return done.deleted_count == 1


_FIELDS = frozenset(field.name for field in fields(Provider))


def _from_document(document: Document) -> Provider:
    # Documents of earlier versions have fields that nobody asks for any more.
    return Provider(id=document["_id"], **{name: document[name] for name in _FIELDS & document.keys()})
