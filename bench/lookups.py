"""How long a look-up takes in a small and in a large collection of files, at the store itself.

Both are there all the time and are asked in turns, so what disturbs one disturbs the other; and the first
look-ups of both do not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
from collections.abc import AsyncIterator

import pymongo
from pymongo.write_concern import WriteConcern

from bench.rows import Limit, Wrong
from bench.suite import Sizes
from services.metadata.domain.records import FileType, new_root
from services.metadata.store.documents import Document, file_to_document
from services.metadata.store.mongo import MongoStores

DATABASE = "isthmus_bench_lookups"
PROVIDER = "bench"
LOOKUP_ROW = "look-up"
#: Of each collection. The first ones find a cache full of what was inserted, not of the way to what is asked.
WARM_LOOKUPS, LOOKUPS = 2_000, 4_000
MAX_RATIO = 1.1
FILES_IN_DIRECTORY = 1000
INSERTED_TOGETHER = 5000


def lookup_limit(mongo_url: str, sizes: Sizes) -> Limit:
    """The median of single look-ups by name among ten times as many files, over that among the first."""
    small, large = sizes.lookup_files, 10 * sizes.lookup_files
    small_s, large_s = asyncio.run(_medians_s(mongo_url, small, large))
    detail = f"{small_s * 1e3:.2f} ms among {small:,}, {large_s * 1e3:.2f} ms among {large:,}"
    name = f"{LOOKUP_ROW}, {large:,} / {small:,} files"
    return Limit(name, large_s / small_s, MAX_RATIO, "times", detail)


async def _medians_s(mongo_url: str, *counts: int) -> tuple[float, ...]:
    """By collections of so many files."""
    async with contextlib.AsyncExitStack() as opened:
        stores = [await opened.enter_async_context(_filled(mongo_url, count)) for count in counts]
        times: list[list[float]] = [[] for _ in counts]
        for number in range(WARM_LOOKUPS + LOOKUPS):
            for place, count in enumerate(counts):
                took_s = await _lookup_s(stores[place], count)
                if number >= WARM_LOOKUPS:
                    times[place].append(took_s)
        return tuple(map(statistics.median, times))


@contextlib.asynccontextmanager
async def _filled(mongo_url: str, count: int) -> AsyncIterator[MongoStores]:
    """The stores of a database with so many files; removed afterwards."""
    name = f"{DATABASE}_{count}"
    with pymongo.MongoClient[Document](mongo_url) as client:
        client.drop_database(name)
        stores = MongoStores(pymongo.MongoClient(mongo_url), name, PROVIDER, change_retention_s=60)
        await stores.start()
        try:
            _insert(client, name, count)
            yield stores
        finally:
            await stores.stop()
            client.drop_database(name)


def _insert(client: pymongo.MongoClient[Document], database: str, count: int) -> None:
    files = client[database].get_collection("files", write_concern=WriteConcern(w=1, j=False))
    for start in range(0, count, INSERTED_TOGETHER):
        files.insert_many(
            [_document(number) for number in range(start, min(start + INSERTED_TOGETHER, count))],
            ordered=False,
        )


def _document(number: int) -> Document:
    file = new_root("space", PROVIDER, 0)
    document = file_to_document(file)
    document.update(
        _id=f"{number:032x}", parent_id=_parent(number), name=_name(number), type=FileType.REGULAR.value
    )
    return document


def _parent(number: int) -> str:
    return f"{number // FILES_IN_DIRECTORY:032x}"


def _name(number: int) -> str:
    return f"file-{number}"


async def _lookup_s(stores: MongoStores, count: int) -> float:
    number = random.randrange(count)
    started = time.perf_counter()
    found = await stores.stores.files.find_named(_parent(number), _name(number))
    took_s = time.perf_counter() - started
    if len(found) != 1:
        raise Wrong(f"{_name(number)} is found {len(found)} times")
    return took_s
