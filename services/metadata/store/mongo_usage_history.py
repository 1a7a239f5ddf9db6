"""Samples of quota and usage, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.usage_books import UsagePoint

from .documents import Document
from .threads import PatientThreads


class MongoUsageHistoryStore:
    """The collection `usage_history`: one document for each space and step, `points` oldest first."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._history: MongoCollection[Document] = database["usage_history"]
        self._threads = threads

    async def put(self, space_id: str, step_s: int, point: UsagePoint, *, keep: int) -> None:
        earlier = {
            "$filter": {
                "input": {"$ifNull": ["$points", []]},
                "cond": {"$lt": [{"$arrayElemAt": ["$$this", 0]}, point.time_s]},
            }
        }
        new = [[point.time_s, point.quota_bytes, point.used_bytes]]
        change = [{"$set": {"points": {"$slice": [{"$concatArrays": [earlier, {"$literal": new}]}, -keep]}}}]
        key = {"_id": f"{space_id}:{step_s}"}
        await self._threads.write(lambda: self._history.update_one(key, change, upsert=True))

    async def list(self, space_id: str, step_s: int) -> Sequence[UsagePoint]:
        key = {"_id": f"{space_id}:{step_s}"}
        found = await self._threads.read(lambda: self._history.find_one(key))
        return [UsagePoint(*point) for point in found["points"]] if found is not None else []
