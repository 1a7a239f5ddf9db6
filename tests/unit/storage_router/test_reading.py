from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputOutputError, NoSuchFile, Unavailable
from services.storage_router.domain.catalog import LOOK_INTERVAL_S, Catalog
from services.storage_router.domain.contents import File, FileRef, Located, Location, Wish
from services.storage_router.domain.drivers import StorageUnreachable
from services.storage_router.domain.reading import OpenContent, Reading
from services.storage_router.domain.storages import Health, Storage
from services.storage_router.domain.uploads import Uploads
from services.storage_router.drivers.memory import MemoryDriver
from services.storage_router.store.memory import MemoryStorageStore
from tests.support.router_rules import SPACE, Router

FILE = FileRef(SPACE, path=("file",))


async def content_of(data: bytes, blocks: tuple[tuple[int, int], ...], size: int) -> OpenContent:
    driver = MemoryDriver()
    await driver.put("/s/f", data, sync=False)
    location = Location("st1", "/s/f", size, blocks)
    return OpenContent(Located(File("f", "s"), location), await driver.open("/s/f"))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=5),
    st.integers(0, 9),
    st.integers(0, 60),
    st.integers(0, 60),
)
async def test_extents_are_the_blocks_and_zeros_between(
    steps: list[tuple[int, int]], tail: int, first: int, length: int
) -> None:
    blocks, end = [], 0
    for gap, size in steps:
        blocks.append((end + gap, size))
        end += gap + size
    stored = bytes(range(1, end + 1))
    model = bytearray(end + tail)
    for offset, size in blocks:
        model[offset : offset + size] = stored[offset : offset + size]
    content = await content_of(stored, tuple(blocks), len(model))
    first = min(first, len(model))
    length = min(length, len(model) - first)
    found = b"".join([await content.read(extent) for extent in content.extents(first, length)])
    assert found == model[first : first + length]


async def test_a_short_storage_file_is_noticed_before_the_answer() -> None:
    content = await content_of(b"12345", ((0, 10),), 10)
    with pytest.raises(InputOutputError):
        content.extents(0, 10)
    assert len(content.extents(0, 5)) == 1


@pytest.fixture
async def router() -> Router:
    router = await Router().open()
    uploads = Uploads(router.contents, router.catalog)
    upload = await uploads.begin(Wish("r", FILE, create=True), large=False)
    await upload.put(b"data")
    await uploads.commit(upload, 4)
    return router


async def test_a_file_is_looked_for_again_when_it_was_replaced(router: Router) -> None:
    [stored] = await router.stored()
    await router.driver.rename(stored, "/aside/x")
    looks: list[bool] = []

    async def back() -> None:
        await router.driver.rename("/aside/x", stored)

    class Contents(type(router.contents)):  # type: ignore[misc]
        async def locate(self, file: FileRef, *, fresh: bool = False) -> Located:
            looks.append(fresh)
            if len(looks) == 2:
                await back()
            return await router.contents.locate(file)

    content = await Reading(Contents(), router.catalog).open(FILE)
    assert (looks, content.size_bytes) == ([False, True], 4)


async def test_a_lost_file_is_an_io_error(router: Router) -> None:
    [stored] = await router.stored()
    await router.driver.delete(stored)
    with pytest.raises(InputOutputError):
        await Reading(router.contents, router.catalog).open(FILE)
    router.driver.failures["check"] = StorageUnreachable()
    with pytest.raises(StorageUnreachable):
        await Reading(router.contents, router.catalog).open(FILE)


async def test_a_dead_storage_is_not_waited_for(router: Router) -> None:
    router.catalog.storage("st1").health = Health.UNREACHABLE
    router.driver.calls.clear()
    with pytest.raises(StorageUnreachable):
        await Reading(router.contents, router.catalog).open(FILE)
    assert router.driver.calls == []


class StoreAway(MemoryStorageStore):
    """A store whose MongoDB is away."""

    async def list_storages(self, **_: object) -> Sequence[Storage]:
        raise Unavailable("MongoDB is away")


async def test_a_storage_that_another_instance_added_is_found(router: Router) -> None:
    young = Catalog(router.store, router.drivers)
    await asyncio.gather(*(Reading(router.contents, young).open(FILE) for _ in range(20)))
    assert young.find("st1") is not None


async def test_what_is_unknown_is_looked_for_only_so_often(router: Router) -> None:
    begun_s = time.monotonic()
    for _ in range(3):
        await asyncio.gather(*(router.catalog.learn(storage_id="none") for _ in range(50)))
    assert time.monotonic() - begun_s >= 2 * LOOK_INTERVAL_S


async def test_nothing_is_claimed_before_the_storages_are_known(router: Router) -> None:
    blank = Catalog(StoreAway(), router.drivers)
    with pytest.raises(Unavailable):
        await Reading(router.contents, blank).open(FILE)
    with pytest.raises(NoSuchFile):
        await Reading(router.contents, blank).open(FileRef(SPACE, path=("none",)))
