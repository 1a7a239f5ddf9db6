"""The disk of MongoDB fills up: changes are refused, reads go on, nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymongo.errors import PyMongoError

from runtime.mongo import DatabaseFull, StoreUnavailable, connect
from services.metadata.store.mongo import MongoStores
from tests.contract.metadata_records import PROVIDER, a_file
from tests.support.own_space import small_disk
from tests.support.servers import Server, own_mongod
from tests.support.waiting import until

MIB = 1 << 20
DISK = 400 * MIB
RESERVE = 40 * MIB


@pytest.fixture
async def mongod(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose data lies on a small disk of its own."""
    with small_disk(tmp_path / "disk", DISK) as disk:
        async with own_mongod(disk) as server:
            yield server


@pytest.fixture
async def stores(mongod: Server) -> AsyncIterator[MongoStores]:
    stores = MongoStores(connect(mongod.url), "db", PROVIDER, change_retention_s=3600, reserve_bytes=RESERVE)
    await stores.start()
    yield stores
    await stores.stop()


def ballast(folder: Path) -> Path:
    return folder / "disk" / "of-somebody-else"


def fill(folder: Path, leave_bytes: int) -> None:
    """Somebody else takes what is free on the disk, but for this."""
    free = _free(folder)
    with ballast(folder).open("ab") as file:
        while (free := _free(folder)) > leave_bytes:
            file.write(bytes(min(MIB, free - leave_bytes)))
            file.flush()


def _free(folder: Path) -> int:
    shown = os.statvfs(folder / "disk")
    return shown.f_bavail * shown.f_frsize


async def look(stores: MongoStores) -> bool:
    await stores.look_at_disk()
    return stores.disk.is_full


async def test_writing_stops_while_reading_goes_on_and_begins_again(
    stores: MongoStores, tmp_path: Path
) -> None:
    told: list[bool] = []
    stores.disk.tell = told.append
    await stores.stores.files.insert(a_file("before"))
    fill(tmp_path, RESERVE - 4 * MIB)
    assert await look(stores)
    with pytest.raises(DatabaseFull):
        await stores.stores.files.insert(a_file("refused"))
    assert (await stores.stores.files.find("before")) is not None
    ballast(tmp_path).unlink()
    assert not await look(stores)
    await stores.stores.files.insert(a_file("after"))
    assert told == [True, False]


async def test_a_little_room_is_not_enough_to_begin_again(stores: MongoStores, tmp_path: Path) -> None:
    fill(tmp_path, RESERVE - 2 * MIB)
    assert await look(stores)
    ballast(tmp_path).unlink()
    fill(tmp_path, RESERVE + 2 * MIB)
    assert await look(stores)


async def test_the_reserve_is_kept_under_load(stores: MongoStores, tmp_path: Path) -> None:
    fill(tmp_path, RESERVE + 24 * MIB)
    acknowledged: list[str] = []
    refused = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not refused.is_set() and number < 4000:
            file = a_file(f"{writer}-{number}", symlink_target=secrets.token_hex(4000))
            try:
                await stores.stores.files.insert(file)
            except DatabaseFull:
                refused.set()
                return
            acknowledged.append(file.file_id)
            number += 1

    async def watch() -> None:
        while not refused.is_set():
            await stores.look_at_disk()
            await asyncio.sleep(0.05)

    async with asyncio.timeout(120):
        watcher = asyncio.create_task(watch())
        await asyncio.gather(*(write(writer) for writer in range(8)))
        refused.set()
        await watcher
    assert stores.disk.is_full
    assert _free(tmp_path) > 0
    for file_id in acknowledged[:: max(1, len(acknowledged) // 200)]:
        assert await stores.stores.files.find(file_id) is not None


async def test_a_server_that_died_of_it_has_kept_all_that_was_acknowledged(
    mongod: Server, stores: MongoStores, tmp_path: Path
) -> None:
    fill(tmp_path, 0)
    acknowledged: list[str] = []
    for number in range(20_000):
        try:
            await stores.stores.files.insert(a_file(f"f{number}", symlink_target="x" * 4000))
        except (StoreUnavailable, DatabaseFull, PyMongoError):
            break
        acknowledged.append(f"f{number}")
    else:
        raise AssertionError("the disk never filled up")
    ballast(tmp_path).unlink()
    mongod.program.kill()
    await asyncio.to_thread(mongod.restart)
    await until(lambda: _answers(stores), 30.0)
    for file_id in acknowledged:
        assert await stores.stores.files.find(file_id) is not None
    await stores.stores.files.insert(a_file("after"))


async def _answers(stores: MongoStores) -> bool:
    try:
        await stores.look_at_disk()
        await stores.stores.files.find("f0")
    except (StoreUnavailable, PyMongoError):
        return False
    return not stores.disk.is_full
