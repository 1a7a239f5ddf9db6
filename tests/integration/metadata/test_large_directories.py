"""Directories of many entries in real MongoDB: listed and removed page by page, in bounded memory.

`ISTHMUS_LARGE_ENTRIES=100000 pytest -s` makes it the size that is promised, and tells how long it takes.
"""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
import structlog
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from services.metadata.domain.listing import PageStart
from services.metadata.domain.records import File, FileType
from services.metadata.domain.repairs import PAGE
from services.metadata.domain.subtrees import SubtreeQuery
from services.metadata.store.mongo import MongoStores
from tests.support.metadata import ALICE, PROVIDER, World, ref

log = structlog.get_logger(__name__)

ENTRIES = int(os.environ.get("ISTHMUS_LARGE_ENTRIES", "5000"))
MAX_PEAK_BYTES = 24 * 1024 * 1024


class Commands(CommandListener):
    """Counts what the database is asked of one collection."""

    def __init__(self, collection: str) -> None:
        self.seen: Counter[str] = Counter()
        self._collection = collection

    def started(self, event: CommandStartedEvent) -> None:
        if self._collection in (event.command.get(event.command_name), event.command.get("collection")):
            self.seen[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Counted when it began."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Counted when it began."""


@pytest.fixture
def commands() -> Commands:
    return Commands("files")


@pytest.fixture
async def world(mongo_url: str, mongo_database: str, commands: Commands) -> AsyncIterator[World]:
    client: MongoClient[dict[str, object]] = MongoClient(mongo_url, event_listeners=[commands])
    mongo = MongoStores(client, mongo_database, PROVIDER, change_retention_s=3600)
    await mongo.start()
    world = await World(stores=mongo.stores).open()
    await fill(world, await world.mkdir("d"))
    yield world
    await mongo.stop()


async def fill(world: World, directory: File) -> None:
    blank = replace(directory, parent_id=directory.file_id, type=FileType.REGULAR, revision=1, op_id="")
    for first in range(0, ENTRIES, 1000):
        files = [replace(blank, file_id=f"{n:032x}", name=f"f{n:07}") for n in range(first, first + 1000)]
        await asyncio.gather(*map(world.stores.files.insert, files[: ENTRIES - first]))


async def names(world: World) -> list[str]:
    found: list[str] = []
    start = PageStart()
    while True:
        page = await world.rules.listing.list(ALICE, ref("d"), start, 1000)
        found += page.columns["name"]
        if page.is_last:
            return found
        start = PageStart(token=page.next_token)


async def paths(world: World) -> list[str]:
    found: list[str] = []
    query = SubtreeQuery()
    while True:
        page = await world.rules.subtrees.list(ALICE, ref("d"), query, 1000)
        found += [entry.path for entry in page.entries]
        if not page.next_token:
            return found
        query = SubtreeQuery(token=page.next_token)


@pytest.mark.parametrize("list_all", [names, paths], ids=["directory", "subtree"])
async def test_all_is_listed_in_bounded_memory(
    world: World, list_all: Callable[[World], Awaitable[list[str]]]
) -> None:
    tracemalloc.start()
    began_s = time.perf_counter()
    found = await list_all(world)
    took_s = time.perf_counter() - began_s
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log.info("listed", entries=len(found), took_s=took_s, peak_mib=peak_bytes >> 20)
    assert found == [f"f{number:07}" for number in range(ENTRIES)]
    assert peak_bytes < MAX_PEAK_BYTES + 200 * ENTRIES, "the names themselves are 200 bytes each at most"


async def test_a_page_is_one_round_trip(world: World, commands: Commands) -> None:
    await world.rules.listing.list(ALICE, ref("d"), PageStart(), 1000)  # finds the directory, too
    commands.seen.clear()
    found = await names(world)
    assert commands.seen == {"find": -(-len(found) // 1000)}


async def test_a_removal_is_one_change_and_then_pages(world: World) -> None:
    began_s = time.perf_counter()
    await world.rules.files.delete(ALICE, "r", ref("d"))
    answered_s = time.perf_counter() - began_s
    assert await world.names() == []
    rounds = 0
    instance = world
    while True:
        instance.clock.advance(10)
        done = await instance.rules.repairs.empty_trash()
        if not done:
            break
        assert done <= PAGE + 1
        rounds += 1
        # Whoever goes on is another process each time.
        instance = World(stores=world.stores, clock=world.clock)
    took_s = time.perf_counter() - began_s
    log.info("removed", entries=ENTRIES, answered_s=answered_s, took_s=took_s, rounds=rounds)
    assert rounds <= ENTRIES // PAGE + 2
    assert not await world.stores.files.has_children((await trashed(world)).file_id)


async def trashed(world: World) -> File:
    found = await world.stores.files.find_deleted("r")
    assert found is not None
    assert found.deleted
    return found
