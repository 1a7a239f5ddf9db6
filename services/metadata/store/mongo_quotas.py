"""Quotas in MongoDB: one document a space, with what is leased of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson.int64 import Int64
from pymongo import ReturnDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.errors import InternalError, SpaceNotSupported
from services.metadata.domain.stores import Usage

from .documents import Document
from .threads import PatientThreads


class MongoQuotaStore:
    """The collection `quotas`. A lease says who holds it, its bytes, and by the server's clock since when."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._quotas: MongoCollection[Document] = database["quotas"]
        self._threads = threads

    async def ensure(self, space_id: str, quota_bytes: int, *, revision: int = 0) -> Usage:
        query: Document = {"_id": space_id}
        fields: Document = {"quota_bytes": quota_bytes}
        if revision:
            query["support_revision"] = {"$not": {"$gt": revision}}
            fields["support_revision"] = Int64(revision)
        change = {"$set": fields, "$setOnInsert": {"used_bytes": 0, "version": 0}}

        def write() -> Usage:
            try:
                document = self._quotas.find_one_and_update(
                    query, change, upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                # There is a later revision, so the query found nothing and the insert did.
                document = self._quotas.find_one({"_id": space_id})
            return _usage(document)

        return await self._threads.write(write)

    async def find(self, space_id: str) -> Usage | None:
        def read() -> Usage | None:
            document = self._quotas.find_one({"_id": space_id})
            return None if document is None else _usage(document)

        return await self._threads.read(read)

    async def lease(
        self, space_id: str, holder: str, *, spent_bytes: int, needed_bytes: int, spare_bytes: int
    ) -> tuple[Usage, int]:
        change = _renewal(holder, spent_bytes, needed_bytes, spare_bytes)

        def write() -> Document | None:
            return self._quotas.find_one_and_update(
                {"_id": space_id}, change, return_document=ReturnDocument.AFTER
            )

        document = await self._threads.write(write)
        if document is None:
            raise SpaceNotSupported(space_id=space_id)
        leased = (item["bytes"] for item in document["leases"] if item["holder"] == holder)
        return _usage(document), int(next(leased, 0))

    async def lapse(self, *, unheard_s: float) -> Sequence[str]:
        unheard_ms = int(unheard_s * 1000)
        is_old = {"$lt": ["$$this.renewed_at", {"$subtract": ["$$NOW", unheard_ms]}]}
        is_live = {"$not": [is_old]}
        old = {"$filter": {"input": "$leases", "cond": is_old}}
        has_old = {"leases.0": {"$exists": True}, "$expr": {"$gt": [{"$size": old}, 0]}}
        bytes_of_old = {"$sum": {"$map": {"input": old, "in": "$$this.bytes"}}}
        change: list[Mapping[str, Any]] = [
            {"$set": {"used_bytes": {"$add": ["$used_bytes", bytes_of_old]}, "version": _NEXT_VERSION}},
            {"$set": {"leases": {"$filter": {"input": "$leases", "cond": is_live}}}},
        ]

        def write() -> list[str]:
            ids = [document["_id"] for document in self._quotas.find(has_old, {"_id": 1})]
            if ids:
                self._quotas.update_many({"_id": {"$in": ids}, **has_old}, change)
            return ids

        return await self._threads.write(write)

    async def mend(self, usage: Usage, used_bytes: int) -> bool:
        query = {"_id": usage.space_id, "version": usage.version}
        change = {"$set": {"used_bytes": used_bytes}, "$inc": {"version": 1}}
        result = await self._threads.write(lambda: self._quotas.update_one(query, change))
        return bool(result.matched_count)

    async def list_spaces(self, *, after: str, limit: int) -> Sequence[str]:
        def read() -> list[str]:
            cursor = self._quotas.find({"_id": {"$gt": after}}, {"_id": 1}, sort=[("_id", 1)], limit=limit)
            return [document["_id"] for document in cursor]

        return await self._threads.read(read)


_NEXT_VERSION = {"$add": ["$version", 1]}


def _renewal(holder: str, spent_bytes: int, needed_bytes: int, spare_bytes: int) -> list[Mapping[str, Any]]:
    """One update: settles what was spent, then leases."""
    leases = {"$ifNull": ["$leases", []]}
    others = {"$filter": {"input": leases, "cond": {"$ne": ["$$this.holder", holder]}}}
    taken = {"$add": ["$used_bytes", {"$sum": "$leases.bytes"}]}
    free = {"$subtract": ["$quota_bytes", taken]}
    granted = {"$min": [needed_bytes + spare_bytes, "$free"]}
    own = [{"holder": holder, "bytes": "$granted", "renewed_at": "$$NOW"}]
    return [
        {
            "$set": {
                "used_bytes": {"$max": [0, {"$add": ["$used_bytes", spent_bytes]}]},
                "version": _NEXT_VERSION,
                "leases": others,
            }
        },
        {"$set": {"free": free}},
        {"$set": {"granted": {"$cond": [{"$lte": [needed_bytes, "$free"]}, granted, 0]}}},
        {
            "$set": {
                "leases": {
                    "$cond": [{"$gt": ["$granted", 0]}, {"$concatArrays": ["$leases", own]}, "$leases"]
                }
            }
        },
        {"$unset": ["free", "granted"]},
    ]


def _usage(document: Mapping[str, Any] | None) -> Usage:
    if document is None:
        raise InternalError("an upsert answered with nothing")
    return Usage(
        document["_id"],
        document["quota_bytes"],
        document["used_bytes"],
        document["version"],
        sum(item["bytes"] for item in document.get("leases", ())),
    )
