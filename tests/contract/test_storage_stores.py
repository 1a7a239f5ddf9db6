from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from runtime.mongo import MongoThreads, connect
from services.storage_router.domain.storage_users import StorageUserStore
from services.storage_router.domain.storages import StorageStore
from services.storage_router.store.memory import MemoryStorageStore
from services.storage_router.store.memory_storage_users import MemoryStorageUserStore
from services.storage_router.store.mongo import MongoStorageStore
from services.storage_router.store.mongo_storage_users import MongoStorageUserStore
from tests.contract.storage_stores import StorageStoreContract
from tests.contract.storage_user_stores import StorageUserStoreContract


class TestMemoryStorageStore(StorageStoreContract):
    @pytest.fixture
    def store(self) -> StorageStore:
        return MemoryStorageStore()


class TestMemoryStorageUserStore(StorageUserStoreContract):
    @pytest.fixture
    def storages(self) -> StorageStore:
        return MemoryStorageStore()

    @pytest.fixture
    def users(self, storages: StorageStore) -> StorageUserStore:
        return MemoryStorageUserStore(storages)


class TestMongoStorageUserStore(StorageUserStoreContract):
    @pytest.fixture
    def threads(self) -> MongoThreads:
        return MongoThreads()

    @pytest.fixture
    async def storages(
        self, mongo_url: str, mongo_database: str, threads: MongoThreads
    ) -> AsyncIterator[StorageStore]:
        made = MongoStorageStore(connect(mongo_url), mongo_database, threads)
        await made.start()
        yield made
        await made.stop()

    @pytest.fixture
    def users(
        self, storages: StorageStore, mongo_url: str, mongo_database: str, threads: MongoThreads
    ) -> Iterator[StorageUserStore]:
        with connect(mongo_url) as client:
            yield MongoStorageUserStore(client[mongo_database], threads)


class TestMongoStorageStore(StorageStoreContract):
    @pytest.fixture
    async def store(self, mongo_url: str, mongo_database: str) -> AsyncIterator[StorageStore]:
        made = MongoStorageStore(connect(mongo_url), mongo_database, MongoThreads())
        await made.start()
        await made.prepare()
        yield made
        await made.stop()
