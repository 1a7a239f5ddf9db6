"""Turns of password guesses in MongoDB.

password_lanes  _id = hash of a name (and address), turns, count, next_at_ms, ends_at (date)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Lane

Document = dict[str, Any]


def create_guess_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.password_lanes.create_index("ends_at", expireAfterSeconds=0)


class MongoGuessStore:
    """Answers GuessStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._lanes = database.password_lanes
        self._threads = threads

    async def find(self, keys: Sequence[str]) -> dict[str, Lane]:
        query = {"_id": {"$in": list(keys)}}
        found = await self._threads.read(lambda: list(self._lanes.find(query)))
        return {document["_id"]: _from_document(document) for document in found}

    async def replace(self, before: Lane, after: Lane) -> bool:
        document = _to_document(after)

        def work() -> bool:
            if before.turns:
                query = {"_id": before.key, "turns": before.turns}
                return self._lanes.replace_one(query, document).matched_count == 1
            try:
                # Nobody took a turn yet: there is no record, or one of an address that became known.
                self._lanes.replace_one({"_id": before.key, "turns": 0}, document, upsert=True)
            except DuplicateKeyError:
                return False
            return True

        return await self._threads.write(work)

    async def put(self, lane: Lane) -> None:
        document = _to_document(lane)
        await self._threads.write(lambda: self._lanes.replace_one({"_id": lane.key}, document, upsert=True))


def _to_document(lane: Lane) -> Document:
    return {
        "_id": lane.key,
        "turns": lane.turns,
        "count": lane.count,
        "next_at_ms": lane.next_at_ms,
        "ends_at": datetime.fromtimestamp(lane.ends_at_ms / 1000, UTC),
    }


def _from_document(document: Document) -> Lane:
    return Lane(
        key=document["_id"],
        turns=document["turns"],
        count=document["count"],
        next_at_ms=document["next_at_ms"],
        ends_at_ms=int(document["ends_at"].replace(tzinfo=UTC).timestamp() * 1000),
    )
