"""Users of storages in memory."""

from __future__ import annotations

from collections.abc import Mapping

from services.storage_router.domain.storage_users import TooManyStorageUsers
from services.storage_router.domain.storages import StorageStore


class MemoryStorageUserStore:
    """`StorageUserStore`, beside the storages it is about."""

    def __init__(self, storages: StorageStore) -> None:
        self._storages = storages
        self._users: dict[str, dict[int, str]] = {}

    async def put(self, storage_id: str, uid: int, user_id: str, *, limit: int) -> None:
        users = await self._of(storage_id)
        if uid not in users and len(users) >= limit:
            raise TooManyStorageUsers(storage_id=storage_id, limit=limit)
        users[uid] = user_id

    async def remove(self, storage_id: str, uid: int) -> None:
        (await self._of(storage_id)).pop(uid, None)

    async def find(self, storage_id: str, uid: int) -> str:
        return self._users.get(storage_id, {}).get(uid, "")

    async def all(self, storage_id: str) -> Mapping[int, str]:
        return dict(await self._of(storage_id))

    async def _of(self, storage_id: str) -> dict[int, str]:
        await self._storages.get_storage(storage_id)
        return self._users.setdefault(storage_id, {})
