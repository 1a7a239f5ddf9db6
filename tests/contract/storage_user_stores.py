"""What a store of the users of storages promises. Test classes bring `users`, beside `storages`."""

from __future__ import annotations

import asyncio

import pytest

from services.storage_router.domain.storage_users import StorageUserStore, TooManyStorageUsers
from services.storage_router.domain.storages import NoSuchStorage, Storage, StorageStore


class StorageUserStoreContract:
    @pytest.fixture(autouse=True)
    async def two_storages(self, storages: StorageStore) -> None:
        for storage_id in ("st1", "st2"):
            await storages.add_storage(Storage(storage_id, storage_id, "memory", {}, request_id=storage_id))

    async def test_a_user_is_found_by_storage_and_number(self, users: StorageUserStore) -> None:
        await users.put("st1", 7, "alice", limit=9)
        await users.put("st1", 0, "bob", limit=9)
        await users.put("st1", 7, "carol", limit=9)
        assert [await users.find("st1", uid) for uid in (7, 0, 8)] == ["carol", "bob", ""]
        assert [await users.find(storage_id, 7) for storage_id in ("st2", "none")] == ["", ""]
        assert await users.all("st1") == {7: "carol", 0: "bob"}
        assert await users.all("st2") == {}

    async def test_what_was_removed_is_not_found(self, users: StorageUserStore) -> None:
        await users.put("st1", 7, "alice", limit=9)
        await users.remove("st1", 7)
        await users.remove("st1", 7)
        assert await users.find("st1", 7) == ""

    async def test_there_are_no_users_of_no_storage(self, users: StorageUserStore) -> None:
        for asked in (users.put("none", 7, "alice", limit=9), users.remove("none", 7), users.all("none")):
            with pytest.raises(NoSuchStorage):
                await asked

    async def test_there_are_never_more_than_the_limit(self, users: StorageUserStore) -> None:
        every = (users.put("st1", uid, "alice", limit=3) for uid in range(8))
        outcomes = await asyncio.gather(*every, return_exceptions=True)
        assert outcomes.count(None) == len(await users.all("st1")) == 3
        assert sum(isinstance(outcome, TooManyStorageUsers) for outcome in outcomes) == 5
        for uid in await users.all("st1"):
            await users.put("st1", uid, "bob", limit=3)

    async def test_they_go_with_their_storage(self, users: StorageUserStore, storages: StorageStore) -> None:
        await users.put("st1", 7, "alice", limit=9)
        await storages.delete_storage("st1")
        with pytest.raises(NoSuchStorage):
            await users.all("st1")
