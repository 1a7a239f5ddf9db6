"""What belongs to whom, in MongoDB.

owner_usage  _id {space_id, owner_id}, held_bytes, noted_s, and for each step `points_<seconds>`: pairs of
             the time from which a value holds and the bytes, oldest first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.usage_books import HeldPage, HeldPoint, OwnerKey
from services.metadata.domain.usage_history import STEPS

from .documents import Document
from .threads import PatientThreads


class MongoOwnerUsageStore:
    """The collection `owner_usage`, and sums over `files`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._files: MongoCollection[Document] = database["files"]
        self._usage: MongoCollection[Document] = database["owner_usage"]
        self._threads = threads

    async def count_page(self, *, after: str, limit: int) -> HeldPage:
        counted = {"$cond": ["$deleted", 0, "$local_bytes"]}
        page: list[Document] = [
            {"$match": {"_id": {"$gt": after}}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
            {
                "$group": {
                    "_id": {"space_id": "$space_id", "owner_id": "$owner_id"},
                    "held_bytes": {"$sum": counted},
                    "files": {"$sum": 1},
                    "last_id": {"$max": "$_id"},
                }
            },
        ]
        found = await self._threads.read(lambda: list(self._files.aggregate(page)))
        held = {_key(each): int(each["held_bytes"]) for each in found if each["held_bytes"]}
        is_last = sum(each["files"] for each in found) < limit
        return HeldPage(held, "" if is_last else max(each["last_id"] for each in found))

    async def list_last(self, *, after: OwnerKey | None, limit: int) -> Mapping[OwnerKey, int]:
        query = {} if after is None else {"_id": {"$gt": _id(after)}}
        return await self._threads.read(
            lambda: {
                _key(each): int(each["held_bytes"])
                for each in self._usage.find(query, {"held_bytes": 1}, sort=[("_id", 1)], limit=limit)
            }
        )

    async def note(self, held_bytes: Mapping[OwnerKey, int], now_s: int) -> None:
        writes = [
            UpdateOne({"_id": _id(key)}, [{"$set": _changes(held, now_s)}], upsert=True)
            for key, held in held_bytes.items()
        ]
        if writes:
            await self._threads.write(lambda: self._usage.bulk_write(writes, ordered=False))

    async def forget(self, *, before_s: int) -> None:
        query = {"held_bytes": 0, "noted_s": {"$lt": before_s}}
        await self._threads.write(lambda: self._usage.delete_many(query))

    async def list(self, key: OwnerKey, step_s: int) -> Sequence[HeldPoint]:
        field = _points(step_s)
        found = await self._threads.read(lambda: self._usage.find_one({"_id": _id(key)}, {field: 1}))
        return [] if found is None else [HeldPoint(*each) for each in found[field]]


def _changes(held_bytes: int, now_s: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"held_bytes": held_bytes, "noted_s": now_s}
    for step_s, keep in STEPS.items():
        field = _points(step_s)
        time_s = now_s - now_s % step_s
        earlier = {
            "$filter": {
                "input": {"$ifNull": [f"${field}", []]},
                "cond": {"$lt": [{"$arrayElemAt": ["$$this", 0]}, time_s]},
            }
        }
        new = {"$literal": [[time_s, held_bytes]]}
        changes[field] = {"$slice": [{"$concatArrays": [earlier, new]}, -keep]}
    return changes


def _points(step_s: int) -> str:
    return f"points_{step_s}"


def _id(key: OwnerKey) -> Document:
    return {"space_id": key.space_id, "owner_id": key.owner_id}


def _key(document: Mapping[str, Any]) -> OwnerKey:
    return OwnerKey(document["_id"]["space_id"], document["_id"]["owner_id"])
