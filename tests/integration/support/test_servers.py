"""The launchers every integration test stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from tests.support.servers import own_consul, own_mongod


def test_shared_mongod_accepts_writes(mongo_url: str, mongo_database: str) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url)
    with client:
        client[mongo_database].things.insert_one({"_id": 1})
        assert client[mongo_database].things.count_documents({}) == 1


def test_shared_consul_keeps_values(consul_url: str) -> None:
    assert httpx.put(f"{consul_url}/v1/kv/test/servers", content=b"x").json() is True


async def test_own_servers_survive_a_kill(tmp_path: Path) -> None:
    async with own_mongod(tmp_path) as mongod, own_consul(tmp_path) as consul:
        for server in (mongod, consul):
            server.program.kill()
            assert not server.is_ready()
            server.restart()
            assert server.is_ready()


async def test_own_servers_end_with_their_block(tmp_path: Path) -> None:
    async with own_mongod(tmp_path) as mongod:
        pid = mongod.program.pid
    assert not Path(f"/proc/{pid}").exists()
