"""Users of storages in MongoDB: the field `users`, by number, of the storage's document."""

from __future__ import annotations

from collections.abc import Mapping

from pymongo.collection import Collection
from pymongo.database import Database

from runtime.mongo import Document, MongoThreads
from services.storage_router.domain.storage_users import TooManyStorageUsers
from services.storage_router.domain.storages import NoSuchStorage


class MongoStorageUserStore:
    """`StorageUserStore`. The one of storages starts and ends the threads."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._storages: Collection[Document] = database["storages"]
        self._threads = threads

    async def put(self, storage_id: str, uid: int, user_id: str, *, limit: int) -> None:
        count = {"$size": {"$objectToArray": {"$ifNull": ["$users", {}]}}}
        room = [{f"users.{uid}": {"$exists": True}}, {"$expr": {"$lt": [count, limit]}}]

        def work() -> None:
            change = {"$set": {f"users.{uid}": user_id}}
            if self._storages.update_one({"_id": storage_id, "$or": room}, change).matched_count:
                return
            if self._storages.find_one({"_id": storage_id}, {"_id": 1}) is None:
                raise NoSuchStorage(storage_id=storage_id)
            raise TooManyStorageUsers(storage_id=storage_id, limit=limit)

        await self._threads.write(work)

    async def remove(self, storage_id: str, uid: int) -> None:
        change = {"$unset": {f"users.{uid}": ""}}
        done = await self._threads.write(lambda: self._storages.update_one({"_id": storage_id}, change))
        if not done.matched_count:
            raise NoSuchStorage(storage_id=storage_id)

    async def find(self, storage_id: str, uid: int) -> str:
        fields = {f"users.{uid}": 1}
        found = await self._threads.read(lambda: self._storages.find_one({"_id": storage_id}, fields))
        return str((found or {}).get("users", {}).get(str(uid), ""))

    async def all(self, storage_id: str) -> Mapping[int, str]:
        found = await self._threads.read(lambda: self._storages.find_one({"_id": storage_id}, {"users": 1}))
        if found is None:
            raise NoSuchStorage(storage_id=storage_id)
        return {int(uid): str(user_id) for uid, user_id in found.get("users", {}).items()}
