"""Quotas in MongoDB: one document a space, and one conditional update for all charges of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from runtime.batching import Batcher
from runtime.errors import InternalError, IsthmusError, NoSpace, SpaceNotSupported
from services.metadata.domain.errors import LostRace
from services.metadata.domain.stores import Usage

from .documents import Document
from .threads import PatientThreads

#: Tries to find out which charges of a batch fit, while others change the same quota.
MAX_TRIES = 10

_Charge = tuple[str, int]


class MongoQuotaStore:
    """The collection `quotas`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._quotas: MongoCollection[Document] = database["quotas"]
        self._threads = threads
        self._charges: Batcher[_Charge, Usage] = Batcher(
            # One at a time: two batches for one space would only meet at the same document.
            self._charge_batch,
            max_in_flight=1,
            name="quotas.charge",
        )

    async def close(self) -> None:
        """Fails who waits."""
        await self._charges.close()

    async def ensure(self, space_id: str, quota_bytes: int) -> Usage:
        change = {"$set": {"quota_bytes": quota_bytes}, "$setOnInsert": {"used_bytes": 0, "version": 0}}

        def write() -> Usage:
            document = self._quotas.find_one_and_update(
                {"_id": space_id}, change, upsert=True, return_document=ReturnDocument.AFTER
            )
            return _usage(document)

        return await self._threads.write(write)

    async def find(self, space_id: str) -> Usage | None:
        def read() -> Usage | None:
            document = self._quotas.find_one({"_id": space_id})
            return None if document is None else _usage(document)

        return await self._threads.read(read)

    async def charge(self, space_id: str, size_bytes: int) -> Usage:
        return await self._charges.submit((space_id, size_bytes))

    async def release(self, space_id: str, size_bytes: int) -> None:
        less = {"$max": [0, {"$subtract": ["$used_bytes", size_bytes]}]}
        change = [{"$set": {"used_bytes": less, "version": {"$add": ["$version", 1]}}}]
        await self._threads.write(lambda: self._quotas.update_one({"_id": space_id}, change))

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

    async def _charge_batch(self, charges: list[_Charge]) -> list[Usage | IsthmusError]:
        spaces: dict[str, list[int]] = {}
        for index, (space_id, _) in enumerate(charges):
            spaces.setdefault(space_id, []).append(index)

        def write() -> list[Usage | IsthmusError]:
            outcomes: dict[int, Usage | IsthmusError] = {}
            for space_id, indexes in spaces.items():
                sizes = [charges[index][1] for index in indexes]
                outcomes.update(zip(indexes, self._charge_space(space_id, sizes), strict=True))
            return [outcomes[index] for index in range(len(charges))]

        return await self._threads.write(write)

    def _charge_space(self, space_id: str, sizes: Sequence[int]) -> list[Usage | IsthmusError]:
        """All at once if they fit; else those that fit, in their order."""
        admitted = list(range(len(sizes)))
        for _ in range(MAX_TRIES):
            usage = self._charge_sum(space_id, sum(sizes[index] for index in admitted))
            if usage is not None:
                full = NoSpace("the quota of the space is used up", space_id=space_id)
                return [usage if index in admitted else full for index in range(len(sizes))]
            document = self._quotas.find_one({"_id": space_id})
            if document is None:
                return [SpaceNotSupported(space_id=space_id)] * len(sizes)
            admitted, left = [], document["quota_bytes"] - document["used_bytes"]
            for index, size in enumerate(sizes):
                if size <= left:
                    admitted.append(index)
                    left -= size
            if not admitted:
                return [NoSpace("the quota of the space is used up", space_id=space_id)] * len(sizes)
        return [LostRace(space_id=space_id)] * len(sizes)

    def _charge_sum(self, space_id: str, size_bytes: int) -> Usage | None:
        """Counts the bytes if they fit, in one conditional update."""
        fits = {"$lte": [{"$add": ["$used_bytes", size_bytes]}, "$quota_bytes"]}
        document = self._quotas.find_one_and_update(
            {"_id": space_id, "$expr": fits},
            {"$inc": {"used_bytes": size_bytes, "version": 1}},
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else _usage(document)


def _usage(document: Mapping[str, Any] | None) -> Usage:
    if document is None:
        raise InternalError("an upsert answered with nothing")
    return Usage(document["_id"], document["quota_bytes"], document["used_bytes"], document["version"])
