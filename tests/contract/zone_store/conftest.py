"""Each promise is tried on MongoDB and on its twin in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runtime.mongo import MongoThreads, connect
from services.zone.domain.stores import Stores
from services.zone.store.mongo import MongoStores
from tests.support.zone_stores import memory_stores


@pytest.fixture(params=["memory", "mongo"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Every implementation in turn, empty."""
    if request.param == "memory":
        yield memory_stores()
        return
    threads = MongoThreads()
    kept = MongoStores(
        connect(request.getfixturevalue("mongo_url")), request.getfixturevalue("mongo_database"), threads
    )
    await kept.create_indexes()
    yield kept
    await threads.stop()
    kept.close()
