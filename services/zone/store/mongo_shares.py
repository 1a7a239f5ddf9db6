"""Shares in MongoDB.

shares  _id, space_id, name, description, root_file_id, root_type, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Share
from services.zone.domain.stores import Taken

Document = dict[str, Any]


def create_share_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.shares.create_index("space_id")


class MongoShareStore:
    """Answers ShareStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._shares = database.shares
        self._threads = threads

    async def create(self, share: Share) -> None:
        def work() -> None:
            document = asdict(share)
            document["_id"] = document.pop("id")
            try:
                self._shares.insert_one(document)
            except DuplicateKeyError:
                raise Taken("id") from None

        await self._threads.write(work)

    async def find(self, share_id: str) -> Share | None:
        found = await self._threads.read(lambda: self._shares.find_one({"_id": share_id}))
        return _from_document(found) if found else None

    async def list_ids(self, space_id: str) -> list[str]:
        query = {"space_id": space_id}
        found = await self._threads.read(lambda: list(self._shares.find(query, {"_id": 1}).sort("_id", 1)))
        return [str(document["_id"]) for document in found]

    async def update(self, share_id: str, changes: Mapping[str, Any]) -> bool:
        change = {"$set": dict(changes)}
        done = await self._threads.write(lambda: self._shares.update_one({"_id": share_id}, change))
        return done.matched_count == 1

    async def delete(self, share_id: str) -> bool:
        done = await self._threads.write(lambda: self._shares.delete_one({"_id": share_id}))
        return done.deleted_count == 1

    async def delete_all(self, space_id: str) -> None:
        await self._threads.write(lambda: self._shares.delete_many({"space_id": space_id}))


def _from_document(document: Document) -> Share:
    return Share(id=document["_id"], **{name: value for name, value in document.items() if name != "_id"})
