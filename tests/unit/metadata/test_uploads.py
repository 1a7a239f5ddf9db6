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
from runtime.identity import Identity
from services.metadata.domain.commits import Commit
from services.metadata.domain.errors import Forbidden, StaleUpload
from services.metadata.domain.locations import Upload
from services.metadata.domain.records import File, FileType
from services.metadata.domain.uploads import UploadPlan, UploadRequest
from tests.support.metadata import ALICE, BOB, OWNER, SERVICE, SPACE, STORAGE, World, fresh_id, member, ref


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def begin(world: World, *path: str, who: Identity = ALICE, **fields: object) -> UploadPlan:
    values = {"request_id": fresh_id(), "replaces": True, "create": True, **fields}
    return await world.rules.uploads.begin(who, UploadRequest(ref=ref(*path), **values))


async def commit(
    world: World, plan: UploadPlan, upload: Upload, who: Identity = ALICE, **fields: object
) -> File:
    values = {"create": plan.file is None, **fields}
    asked = Commit(plan.space_id, plan.file_id, plan.parent_id, plan.name, upload=upload, **values)
    return (await world.rules.commits.commit(who, asked))[0]


def whole(size_bytes: int, storage_file_id: str, request_id: str = "") -> Upload:
    return Upload(request_id, True, STORAGE, storage_file_id if size_bytes else "", 0, size_bytes)


def part(offset: int, size_bytes: int, storage_file_id: str, request_id: str = "") -> Upload:
    return Upload(request_id, False, STORAGE, storage_file_id, offset, size_bytes)


async def removals(world: World) -> set[str]:
    world.clock.advance(120)
    listed = await world.rules.removals.list(SERVICE, {STORAGE}, 1000)
    return {removal.storage_file_id for removal in listed}


async def current(world: World, *path: str) -> str:
    _, location = await world.rules.uploads.locate(ALICE, ref(*path))
    return location.storage_file_id if location else ""


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


async def test_reading_is_remembered_once_in_a_while(world: World) -> None:
    before = await world.put("a", size_bytes=5)
    world.clock.advance(10)
    file, _ = await world.rules.uploads.locate(ALICE, ref("a"))
    world.clock.advance(10)
    again, _ = await world.rules.uploads.locate(ALICE, ref("a"))
    assert file.atime_ms == again.atime_ms == before.atime_ms + 10_000


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


async def test_a_deleted_file_gives_its_first_bytes_back_once(world: World) -> None:
    await world.put("a", size_bytes=5, storage_file_id="/old")
    await world.rules.files.delete(ALICE, fresh_id(), ref("a"))
    await world.clean_up()
    assert await world.used_bytes() == 0
    assert await world.stores.locations.held_bytes(SPACE) == 0
