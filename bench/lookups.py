"""How long a look-up takes in a small and in a large collection of files, at the store itself."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

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
LOOKUPS = 1000
MAX_RATIO = 1.1
FILES_IN_DIRECTORY = 1000
INSERTED_TOGETHER = 5000


def lookup_limit(mongo_url: str, sizes: Sizes) -> Limit:
    """The median of single look-ups by name among ten times as many files, over that among the first."""
    small, large = sizes.lookup_files, 10 * sizes.lookup_files
    with pymongo.MongoClient[Document](mongo_url) as client:
        client.drop_database(DATABASE)
        try:
            return asyncio.run(_measure(mongo_url, client, small, large))
        finally:
            client.drop_database(DATABASE)


async def _measure(mongo_url: str, client: pymongo.MongoClient[Document], small: int, large: int) -> Limit:
    stores = MongoStores(pymongo.MongoClient(mongo_url), DATABASE, PROVIDER, change_retention_s=60)
    await stores.start()
    try:
        _insert(client, 0, small)
        before_s = await _median_s(stores, small)
        _insert(client, small, large)
        ratio = await _median_s(stores, large) / before_s
    finally:
        await stores.stop()
    detail = f"{before_s * 1e3:.2f} ms among {small:,}"
    return Limit(f"{LOOKUP_ROW}, {large:,} / {small:,} files", ratio, MAX_RATIO, "times", detail)


def _insert(client: pymongo.MongoClient[Document], first: int, end: int) -> None:
    files = client[DATABASE].get_collection("files", write_concern=WriteConcern(w=1, j=False))
    for start in range(first, end, INSERTED_TOGETHER):
        files.insert_many(
            [_document(number) for number in range(start, min(start + INSERTED_TOGETHER, end))], ordered=False
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


async def _median_s(stores: MongoStores, count: int) -> float:
    times = []
    for _ in range(LOOKUPS):
        number = random.randrange(count)
        started = time.perf_counter()
        found = await stores.stores.files.find_named(_parent(number), _name(number))
        times.append(time.perf_counter() - started)
        if len(found) != 1:
            raise Wrong(f"{_name(number)} is found {len(found)} times")
    return statistics.median(times)
