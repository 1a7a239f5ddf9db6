"""The stores in MongoDB keep the promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.mongo import connect
from services.metadata.domain.stores import Stores
from services.metadata.store.mongo import INDEXES, MongoStores
from tests.contract.metadata_copies import CopyStoreContract
from tests.contract.metadata_records import PROVIDER, SPACE
from tests.contract.metadata_store import MetadataStoreContract


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[MongoStores]:
    mongo = MongoStores(connect(mongo_url), mongo_database, PROVIDER, change_retention_s=3600)
    await mongo.start()
    yield mongo
    await mongo.stop()


class TestMongoStores(MetadataStoreContract, CopyStoreContract):
    @pytest.fixture
    def stores(self, mongo: MongoStores) -> Stores:
        return mongo.stores


async def test_a_second_start_changes_nothing(
    mongo: MongoStores, mongo_url: str, mongo_database: str
) -> None:
    second = MongoStores(connect(mongo_url), mongo_database, PROVIDER, change_retention_s=3600)
    await second.start()
    await second.stop()
    with connect(mongo_url) as client:
        assert set(client[mongo_database].list_collection_names()) == set(INDEXES)


async def test_instances_may_start_all_at_once(mongo_url: str, mongo_database: str) -> None:
    made = [
        MongoStores(connect(mongo_url), mongo_database, PROVIDER, change_retention_s=3600) for _ in range(6)
    ]
    await asyncio.gather(*(stores.start() for stores in made))
    await asyncio.gather(*(stores.stop() for stores in made))
    with connect(mongo_url) as client:
        assert set(client[mongo_database].list_collection_names()) == set(INDEXES)


async def test_every_query_of_listings_uses_an_index(
    mongo: MongoStores, mongo_url: str, mongo_database: str
) -> None:
    queries = (
        {
            "parent_id": "d",
            "deleted": False,
            "$or": [{"name": "a", "named_by": {"$gt": "p"}}, {"name": {"$gt": "a"}}],
        },
        {"$or": [{"parent_id": "d", "name": {"$in": ["a"]}, "deleted": False}, {"_id": {"$in": ["f"]}}]},
        {"cleanup_ms": {"$lt": 5}},
        {"trashed.due_ms": {"$lt": 5}},
        {"purge_ms": {"$lt": 5}},
        {"delete_op": "r"},
        {"location.storage_file_id": {"$in": ["/a", "/b"]}, "location.storage_id": "s1"},
        {"space_id": SPACE, "location.held_bytes": {"$gte": 0}},
    )
    with connect(mongo_url) as client:
        for query in queries:
            plan = client[mongo_database]["files"].find(query).explain()["queryPlanner"]["winningPlan"]
            assert "COLLSCAN" not in str(plan), query
