"""Bytes on the storage: protected while under way, removed and given back once when they are garbage."""

from __future__ import annotations

import pytest

from services.metadata.domain.errors import Forbidden
from tests.support.metadata import ALICE, OWNER, SERVICE, SPACE, STORAGE, World, fresh_id, ref
from tests.support.uploads import begin, commit, removals, whole


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def test_an_intent_dies_with_its_holder(world: World) -> None:
    where = {"record_intent": True, "storage_id": STORAGE, "storage_file_id": "/1"}
    await begin(world, "a", request_id="r1", holder="p1", **where)
    for living, found in (({"p1"}, {"/1"}), ({"p2"}, set()), (set(), {"/1"})):
        assert await world.rules.removals.find_references(SERVICE, STORAGE, {"/1"}, living=living) == found


async def test_an_intent_protects_bytes_under_way(world: World) -> None:
    where = {"record_intent": True, "storage_id": STORAGE, "storage_file_id": "/1"}
    plan = await begin(world, "a", request_id="r1", **where)
    asked = {"/1", "/2"}
    assert await world.rules.removals.find_references(SERVICE, STORAGE, asked) == {"/1"}
    await commit(world, plan, whole(5, "/1", "r1"))
    await world.rules.settled.flush()
    assert await world.stores.intents.find("r1") is None
    assert await world.rules.removals.find_references(SERVICE, STORAGE, asked) == {"/1"}


async def test_an_aborted_upload_leaves_its_bytes_to_the_removers(world: World) -> None:
    where = {"record_intent": True, "storage_id": STORAGE, "storage_file_id": "/1"}
    await begin(world, "a", request_id="r1", **where)
    for _ in range(2):
        await world.rules.uploads.abort(ALICE, "r1", SPACE)
    await world.rules.uploads.abort(ALICE, "unknown", SPACE)
    assert await removals(world) == {"/1"}
    await world.clean_up()
    assert await removals(world) == set()


async def test_removals_are_for_services_and_rest_a_moment(world: World) -> None:
    await world.put("a", size_bytes=5)
    await world.put("a", size_bytes=5)
    assert await world.rules.removals.list(SERVICE, {STORAGE}, 10) == []
    with pytest.raises(Forbidden):
        await world.rules.removals.list(OWNER, {STORAGE}, 10)


async def test_confirming_twice_frees_once(world: World) -> None:
    await world.put("a", size_bytes=5)
    await world.put("a", size_bytes=7)
    world.clock.advance(10)
    listed = await world.rules.removals.list(SERVICE, {STORAGE}, 10)
    for _ in range(2):
        await world.rules.removals.confirm(SERVICE, listed)
    assert await world.used_bytes() == 7


async def test_a_deleted_file_gives_its_first_bytes_back_once(world: World) -> None:
    await world.put("a", size_bytes=5, storage_file_id="/old")
    await world.rules.files.delete(ALICE, fresh_id(), ref("a"))
    await world.clean_up()
    assert await world.used_bytes() == 0
    assert await world.stores.locations.held_bytes(SPACE) == 0
