"""Uploads: what becomes visible, what is refused, what is never lost."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import (
    AccessDenied,
    FileExists,
    InvalidArgument,
    IsADirectory,
    NoSpace,
    NoSuchFile,
    NotADirectory,
    NotPermitted,
)
from services.metadata.domain.commits import Commit
from services.metadata.domain.errors import Forbidden, StaleUpload
from services.metadata.domain.locations import Upload
from services.metadata.domain.records import File, FileType
from services.metadata.domain.uploads import UploadRequest
from tests.support.metadata import ALICE, BOB, OWNER, SPACE, World, member, ref
from tests.support.uploads import begin, commit, current, part, removals, whole


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def test_nothing_is_visible_before_the_commit(world: World) -> None:
    plan = await begin(world, "a", size_bytes=10)
    assert (plan.file, plan.name, plan.available_bytes) == (None, "a", 1000)
    assert await world.names() == []
    file = await commit(world, plan, whole(10, "/1"))
    assert (file.file_id, file.size_bytes, file.local_bytes) == (plan.file_id, 10, 10)
    assert await current(world, "a") == "/1"


async def test_an_empty_file_needs_no_location(world: World) -> None:
    file = await world.put("a", size_bytes=0)
    assert await world.rules.uploads.locate(ALICE, ref("a")) == (file, None)
    assert await world.stores.locations.find(file.file_id) is None
    assert (await world.put("a", size_bytes=0)).size_bytes == 0
    assert await world.stores.locations.find(file.file_id) is None


async def test_an_overwrite_swaps_the_content(world: World) -> None:
    await world.put("a", size_bytes=10, storage_file_id="/1")
    file = await world.put("a", size_bytes=4, storage_file_id="/2")
    assert (file.size_bytes, await current(world, "a")) == (4, "/2")
    assert await world.used_bytes() == 14
    assert await removals(world) == {"/1"}
    await world.clean_up()
    assert await world.used_bytes() == 4


async def test_an_empty_body_empties_the_file(world: World) -> None:
    await world.put("a", size_bytes=10, storage_file_id="/1")
    assert (await world.put("a", size_bytes=0)).size_bytes == 0
    assert await current(world, "a") == ""
    assert await removals(world) == {"/1"}


async def test_an_emptied_file_is_written_to_a_new_storage_file(world: World) -> None:
    await world.put("a", size_bytes=10, offset=0)
    first = await current(world, "a")
    await world.put("a", size_bytes=0)
    file = await world.put("a", size_bytes=5, offset=3)
    assert file.size_bytes == 8
    assert await current(world, "a") not in ("", first)
    assert await removals(world) == {first}


async def test_a_patch_keeps_the_rest(world: World) -> None:
    await world.put("a", size_bytes=10)
    file = await world.put("a", size_bytes=3, offset=0)
    assert (file.size_bytes, await world.used_bytes()) == (10, 10)
    file = await world.put("a", size_bytes=5, offset=20)
    assert (file.size_bytes, file.local_bytes, await world.used_bytes()) == (25, 15, 15)


async def test_many_patches_at_once_all_count(world: World) -> None:
    await world.put("a", size_bytes=0)
    await asyncio.gather(*(world.put("a", size_bytes=2, offset=4 * n) for n in range(64)))
    file, location = await world.rules.uploads.locate(ALICE, ref("a"))
    assert location is not None
    assert location.blocks == tuple((4 * n, 2) for n in range(64))
    assert location.version_vector == {"provider1": 64}
    assert location.revision < 10, "they were not written together"
    assert (file.size_bytes, await world.used_bytes()) == (254, 128)


async def test_a_patch_into_replaced_content_is_stale(world: World) -> None:
    await world.put("a", size_bytes=10, storage_file_id="/1")
    plan = await begin(world, "a", replaces=False)
    await world.put("a", size_bytes=20, storage_file_id="/2")
    with pytest.raises(StaleUpload):
        await commit(world, plan, part(10, 5, "/1"))
    assert await removals(world) == {"/1"}
    assert (await world.get("a")).size_bytes == 20


async def test_a_refused_storage_file_is_removed(world: World) -> None:
    file = await world.put("a", size_bytes=10, storage_file_id="/1")
    plan = await begin(world, "a")
    await world.rules.files.delete(ALICE, "", ref("a"))
    with pytest.raises(NoSuchFile):
        await commit(world, plan, whole(5, "/2", "r"))
    world.clock.advance(1)
    await world.rules.repairs.clean_tombstones()
    assert await removals(world) == {"/1", "/2"}
    await world.clean_up()
    assert await world.stores.locations.find(file.file_id) is None
    assert await world.used_bytes() == 0


async def test_a_directory_deleted_meanwhile_takes_no_file(world: World) -> None:
    await world.mkdir("d")
    plan = await begin(world, "d", "a")
    await world.rules.files.delete(ALICE, "", ref("d"))
    with pytest.raises(NoSuchFile):
        await commit(world, plan, whole(5, "/1"))
    assert await removals(world) == {"/1"}
    assert await world.used_bytes() == 0


async def test_of_two_new_files_the_later_replaces_the_earlier(world: World) -> None:
    one, two = await begin(world, "a", request_id="r1"), await begin(world, "a", request_id="r2", who=BOB)
    first = await commit(world, one, whole(5, "/1", "r1"))
    second = await commit(world, two, whole(7, "/2", "r2"), who=BOB)
    assert second.file_id == first.file_id
    assert (second.size_bytes, second.owner_id) == (7, "alice")
    assert await removals(world) == {"/1"}
    await world.clean_up()
    assert await world.used_bytes() == 7


async def test_of_two_exclusive_files_one_wins(world: World) -> None:
    plans = [
        await begin(world, "a", request_id=f"r{n}", exclusive=True, who=who)
        for n, who in enumerate((ALICE, BOB))
    ]
    await commit(world, plans[0], whole(5, "/0", "r0"))
    with pytest.raises(FileExists):
        await commit(world, plans[1], whole(7, "/1", "r1"), who=BOB)
    with pytest.raises(FileExists):
        await begin(world, "a", exclusive=True)
    assert await removals(world) == {"/1"}
    assert await world.used_bytes() == 5


async def test_a_new_file_does_not_replace_a_directory_made_meanwhile(world: World) -> None:
    plan = await begin(world, "a", request_id="r")
    await world.mkdir("a")
    with pytest.raises(IsADirectory):
        await commit(world, plan, whole(5, "/1", "r"))
    assert await removals(world) == {"/1"}
    assert await world.used_bytes() == 0


@pytest.mark.parametrize("size_bytes", [0, 5])
async def test_a_repeated_commit_changes_nothing_more(world: World, size_bytes: int) -> None:
    plan = await begin(world, "a", request_id="r1", exclusive=True)
    first = await commit(world, plan, whole(size_bytes, "/1", "r1"))
    assert await commit(world, plan, whole(size_bytes, "/1", "r1")) == first
    assert (await begin(world, "a", request_id="r1", exclusive=True)).file_id == first.file_id
    assert await world.used_bytes() == size_bytes
    assert await removals(world) == set()


async def test_a_repeated_overwrite_does_not_undo_a_later_one(world: World) -> None:
    await world.put("a", size_bytes=5, storage_file_id="/1")
    plan = await begin(world, "a", request_id="r2")
    await commit(world, plan, whole(6, "/2", "r2"))
    await world.put("a", size_bytes=7, storage_file_id="/3")
    await commit(world, plan, whole(6, "/2", "r2"))
    assert await current(world, "a") == "/3"
    assert await world.used_bytes() == 18


async def test_a_repeated_patch_counts_once(world: World) -> None:
    await world.put("a", size_bytes=10, offset=0)
    plan = await begin(world, "a", replaces=False)
    storage_file_id = await current(world, "a")
    for _ in range(3):
        await commit(world, plan, part(10, 5, storage_file_id, "r1"))
    location = await world.stores.locations.find(plan.file_id)
    assert location is not None
    assert location.version_vector == {"provider1": 2}


async def test_a_repeated_creation_is_told_as_such(world: World) -> None:
    told = []
    for request_id, storage_file_id in (("r1", "/1"), ("r1", "/2"), ("r2", "/3")):
        plan = await begin(world, "a", request_id=request_id)
        upload = whole(5, storage_file_id, request_id)
        asked = Commit(
            plan.space_id,
            plan.file_id,
            plan.parent_id,
            plan.name,
            upload=upload,
            create=plan.file is None,
        )
        told.append((await world.rules.commits.commit(ALICE, asked))[1])
    assert told == [True, True, False]


async def test_a_request_repeated_with_other_bytes_leaves_one_content(world: World) -> None:
    plan = await begin(world, "a", request_id="r1")
    await commit(world, plan, whole(5, "/1", "r1"))
    file = await commit(world, plan, whole(5, "/1-again", "r1"))
    assert file.file_id == plan.file_id
    await world.clean_up()
    assert await current(world, "a") in ("/1", "/1-again")
    assert await world.used_bytes() == 5


async def test_the_quota_is_asked_before_and_after(world: World) -> None:
    with pytest.raises(NoSpace):
        await begin(world, "a", size_bytes=1001)
    plan = await begin(world, "a")
    with pytest.raises(NoSpace):
        await commit(world, plan, whole(1001, "/1"))
    assert await world.names() == []
    assert await removals(world) == {"/1"}
    await world.clean_up()
    assert await world.used_bytes() == 0
    await world.put("a", size_bytes=1000)


async def test_a_full_quota_still_takes_overwrites_in_place(world: World) -> None:
    await world.put("a", size_bytes=1000)
    await world.put("a", size_bytes=1000, offset=0)
    with pytest.raises(NoSpace):
        await world.put("a", size_bytes=1, offset=1000)
    with pytest.raises(NoSpace):
        await world.put("a", size_bytes=1)
    assert (await world.get("a")).size_bytes == 1000


async def test_concurrent_uploads_fill_the_quota_and_no_more(world: World) -> None:
    uploads = [world.put(f"f{n}", size_bytes=90) for n in range(20)]
    uploads += [world.put("patched", size_bytes=90, offset=90 * n) for n in range(5)]
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    assert sum(isinstance(outcome, File) for outcome in outcomes) == 11
    assert await world.used_bytes() == 990
    assert await world.stores.locations.held_bytes(SPACE) == 990


@pytest.mark.parametrize(("path", "error"), [(("d",), IsADirectory), (("f", "x"), NotADirectory)])
async def test_impossible_places_are_refused(
    world: World, path: tuple[str, ...], error: type[Exception]
) -> None:
    await world.mkdir("d")
    await world.make("f")
    with pytest.raises(error):
        await begin(world, *path)


async def test_without_create_nothing_is_made(world: World) -> None:
    with pytest.raises(NoSuchFile):
        await begin(world, "a", create=False)
    with pytest.raises(NoSuchFile):
        await begin(world, "d", "a")
    plan = await begin(world, "d", "a", create_parents=True)
    assert plan.parent_id == (await world.get("d")).file_id


async def test_rights_are_asked_at_both_ends(world: World) -> None:
    await world.make("mine", mode=0o600)
    await world.mkdir("closed", mode=0o755)
    for path in (("mine",), ("closed", "new")):
        with pytest.raises(AccessDenied):
            await begin(world, *path, who=BOB)
        plan = await begin(world, *path)
        with pytest.raises(AccessDenied):
            await commit(world, plan, whole(5, f"/{path}"), who=BOB)
    with pytest.raises(NotPermitted):
        await begin(world, "new", who=member(write=False))
    with pytest.raises(AccessDenied):
        await world.rules.uploads.locate(BOB, ref("mine"))
    with pytest.raises(Forbidden):
        await commit(world, plan, whole(5, "/x"), who=member(space_id="other"))
    assert (await begin(world, "mine", who=OWNER)).file is not None


async def test_a_link_is_followed_to_what_it_names(world: World) -> None:
    await world.mkdir("d")
    target = await world.put("d", "f", size_bytes=3)
    await world.make("l", type=FileType.SYMLINK, target="d/f")
    follow = UploadRequest("r", ref("l", follow=True), replaces=True, create=True)
    plan = await world.rules.uploads.begin(ALICE, follow)
    assert plan.file_id == target.file_id
    file, location = await world.rules.uploads.locate(ALICE, ref("l"))
    assert (file.symlink_target, location) == ("d/f", None)


async def test_modes_and_fields_come_with_the_commit(world: World) -> None:
    plan = await begin(world, "a", mode=0o600)
    file = await commit(world, plan, whole(1, "/1"), mode=0o600, fields={"mimetype": "text/plain"})
    assert (file.mode, file.mimetype) == (0o600, "text/plain")
    plan = await begin(world, "a", mode=0o640, set_existing_mode=True)
    file = await commit(world, plan, whole(1, "/2"), mode=0o640, set_existing_mode=True)
    assert (file.mode, file.mimetype) == (0o640, "text/plain")
    await world.rules.files.set_mode(ALICE, "", ref("a"), 0o666)
    with pytest.raises(AccessDenied):
        await begin(world, "a", mode=0o640, set_existing_mode=True, who=BOB)


async def test_broken_commits_are_refused(world: World) -> None:
    plan = await begin(world, "a")
    for upload in (whole(-1, "/1"), part(-1, 5, "/1"), part(2**62, 1, "/1"), Upload("", True, "", "", 0, 5)):
        with pytest.raises(InvalidArgument):
            await commit(world, plan, upload)


async def test_reading_is_remembered_once_in_a_while(world: World) -> None:
    before = await world.put("a", size_bytes=5)
    world.clock.advance(10)
    file, _ = await world.rules.uploads.locate(ALICE, ref("a"))
    world.clock.advance(10)
    again, _ = await world.rules.uploads.locate(ALICE, ref("a"))
    assert file.atime_ms == again.atime_ms == before.atime_ms + 10_000
