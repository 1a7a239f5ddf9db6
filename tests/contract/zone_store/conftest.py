"""Each promise is tried on MongoDB and on its twin in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from runtime.mongo import MongoThreads, connect
from services.zone.domain.stores import ProviderStore, ShareStore, SpaceStore, TokenStore, UserStore
from services.zone.store.memory import (
    MemoryProviderStore,
    MemoryShareStore,
    MemorySpaceStore,
    MemoryTokenStore,
    MemoryUserStore,
)
from services.zone.store.mongo import MongoStores


@dataclass
class Stores:
    """One set of stores, empty."""

    users: UserStore
    tokens: TokenStore
    spaces: SpaceStore
    shares: ShareStore
    providers: ProviderStore


@pytest.fixture(params=["memory", "mongo"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Every implementation in turn."""
    if request.param == "memory":
        yield Stores(
            MemoryUserStore(),
            MemoryTokenStore(),
            MemorySpaceStore(),
            MemoryShareStore(),
            MemoryProviderStore(),
        )
        return
    threads = MongoThreads()
    kept = MongoStores(
        connect(request.getfixturevalue("mongo_url")), request.getfixturevalue("mongo_database"), threads
    )
    await kept.create_indexes()
    yield Stores(kept.users, kept.tokens, kept.spaces, kept.shares, kept.providers)
    await threads.stop()
    kept.close()
