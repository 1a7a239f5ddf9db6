"""Uploads by an instance that does not know whether the name is taken: it is believed free at first."""

from __future__ import annotations

import pytest

from runtime.errors import (
    AccessDenied,
    FileExists,
)
from services.metadata.domain.errors import StaleUpload
from services.metadata.domain.records import FileType
from services.metadata.domain.uploads import UploadRequest
from tests.support.metadata import ALICE, BOB, World, fresh_id, ref
from tests.support.uploads import begin, commit, current, removals, whole


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def cold(world: World) -> World:
    """Another instance over the same stores, which has heard of no name."""
    return World(stores=world.stores)


async def test_a_name_nobody_has_heard_of_counts_as_free(world: World) -> None:
    await world.put("a", size_bytes=5)
    plan = await begin(await cold(world), "a", size_bytes=5)
    assert plan.file is None
    plan = await begin(await cold(world), "a", size_bytes=5, record_intent=True, storage_file_id="/new")
    assert plan.file is not None, "a large body is not received in vain"
    plan = await begin(await cold(world), "a", replaces=False, size_bytes=5)
    assert plan.file is not None, "a patch goes into the storage file that is there"


async def test_a_known_name_is_looked_at(world: World) -> None:
    await world.put("a", size_bytes=5)
    assert (await begin(world, "a", size_bytes=5)).file is not None


async def test_a_name_that_was_taken_after_all_is_replaced(world: World) -> None:
    before = await world.put("a", size_bytes=5, storage_file_id="/old")
    await world.rules.quotas.close()
    other = await cold(world)
    after = await other.put("a", size_bytes=6, storage_file_id="/new")
    assert (after.file_id, after.size_bytes) == (before.file_id, 6)
    assert await removals(other) == {"/old"}
    assert await other.used_bytes() == 5 + 6, "garbage counts until it is removed"


async def test_a_name_that_had_to_be_free_is_refused_by_the_commit(world: World) -> None:
    await world.put("a", size_bytes=5, storage_file_id="/old")
    other = await cold(world)
    with pytest.raises(FileExists):
        await other.put("a", size_bytes=6, storage_file_id="/new", exclusive=True)
    assert await removals(other) == {"/new"}
    assert (await other.get("a")).size_bytes == 5


async def test_a_link_that_has_the_name_is_followed_by_the_next_try(world: World) -> None:
    target = await world.put("target", size_bytes=5)
    await world.make("link", type=FileType.SYMLINK, target="target")
    other = await cold(world)
    request = UploadRequest(fresh_id(), ref("link", follow=True), True, create=True, size_bytes=6)
    plan = await other.rules.uploads.begin(ALICE, request)
    assert plan.file is None
    with pytest.raises(StaleUpload):
        await commit(other, plan, whole(6, "/new", request.request_id), follow_symlink=True)
    plan = await other.rules.uploads.begin(ALICE, request)
    assert plan.file_id == target.file_id


async def test_who_may_write_a_file_need_not_add_to_its_directory(world: World) -> None:
    await world.mkdir("d", mode=0o755)
    made = await world.put("d", "a", size_bytes=5)
    await world.rules.files.set_mode(ALICE, fresh_id(), ref("d", "a"), 0o666)
    other = await cold(world)
    assert (await other.put("d", "a", size_bytes=6, who=BOB)).file_id == made.file_id
    with pytest.raises(AccessDenied):
        await other.put("d", "b", size_bytes=6, who=BOB)


async def test_a_new_file_keeps_its_place_through_other_changes(world: World) -> None:
    await world.put("a", size_bytes=5, storage_file_id="/old")
    await world.rules.files.set_mode(ALICE, fresh_id(), ref("a"), 0o600)
    await world.rules.renames.rename(ALICE, fresh_id(), ref("a"), ref(), "b")
    assert await current(await cold(world), "b") == "/old"
