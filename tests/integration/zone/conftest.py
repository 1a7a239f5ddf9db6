"""One zone for each test file; each test has users of its own in it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pymongo import MongoClient

from tests.support.zone import RunningZone, Starter, running_zone, zone_settings


@pytest.fixture(scope="module")
def module_database(mongo_url: str) -> Iterator[str]:
    """Name of a database of this test file; dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url, serverSelectionTimeoutMS=2000)
    with client:
        client.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_zone(
    tmp_path_factory: pytest.TempPathFactory, mongo_url: str, module_database: str, consul_url: str
) -> AsyncIterator[RunningZone]:
    """A running zone with its first administrator."""
    folder = tmp_path_factory.mktemp("zone")
    instance = f"zone-{secrets.token_hex(4)}"
    settings = zone_settings(folder, mongo_url, module_database, consul_url, instance_id=instance)
    async with running_zone(settings) as running:
        yield running


@pytest.fixture
def zone(module_zone: RunningZone) -> RunningZone:
    """The zone of the file, with names no other test uses."""
    mine = replace(module_zone, suffix=secrets.token_hex(4))
    mine.admin = module_zone.admin
    return mine


@pytest.fixture
async def start_zone(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> AsyncIterator[Starter]:
    """Starts instances of one zone."""
    async with contextlib.AsyncExitStack() as running:

        async def start(name: str, **more: Any) -> RunningZone:
            settings = zone_settings(
                tmp_path, mongo_url, mongo_database, consul_url, instance_id=name, **more
            )
            return await running.enter_async_context(running_zone(settings))

        yield start
