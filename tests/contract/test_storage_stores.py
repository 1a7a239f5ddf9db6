from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runtime.mongo import MongoThreads, connect
from services.storage_router.domain.storages import StorageStore
from services.storage_router.store.memory import MemoryStorageStore
from services.storage_router.store.mongo import MongoStorageStore
from tests.contract.storage_stores import StorageStoreContract


class TestMemoryStorageStore(StorageStoreContract):
    @pytest.fixture
    def store(self) -> StorageStore:
        return MemoryStorageStore()


class TestMongoStorageStore(StorageStoreContract):
    @pytest.fixture
    async def store(self, mongo_url: str, mongo_database: str) -> AsyncIterator[StorageStore]:
        made = MongoStorageStore(connect(mongo_url), mongo_database, MongoThreads())
        await made.start()
        await made.prepare()
        yield made
        await made.stop()
