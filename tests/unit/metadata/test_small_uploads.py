"""Small uploads that are asked for and published in one step: as if it had been two."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import (
    AccessDenied,
    FileExists,
    InvalidArgument,
    InvalidName,
    IsADirectory,
    NoSpace,
    NoSuchFile,
    NotPermitted,
    SpaceNotSupported,
)
from services.metadata.domain.errors import Forbidden, StaleUpload
from services.metadata.domain.records import File, FileType
from tests.support.metadata import ALICE, BOB, World, member, ref
from tests.support.uploads import current, removals


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def test_a_new_file_is_there_with_its_content(world: World) -> None:
    fields = {"mimetype": "text/plain"}
    file, created = await world.publish("a", size_bytes=10, storage_file_id="/1", mode=0o640, fields=fields)
    assert created
    assert (file.size_bytes, file.mode, file.mimetype, file.owner_id) == (10, 0o640, "text/plain", "alice")
    assert await current(world, "a") == "/1"
    assert await world.used_bytes() == 10


async def test_an_empty_body_makes_an_empty_file(world: World) -> None:
    file, created = await world.publish("a", size_bytes=0)
    assert (file.size_bytes, created, await current(world, "a")) == (0, True, "")


async def test_what_is_there_is_replaced(world: World) -> None:
    old = await world.put("a", size_bytes=10, storage_file_id="/1")
    file, created = await world.publish("a", size_bytes=4, storage_file_id="/2")
    assert (file.file_id, file.size_bytes, created) == (old.file_id, 4, False)
    assert await current(world, "a") == "/2"
    assert await removals(world) == {"/1"}


async def test_without_create_only_what_is_there_is_written(world: World) -> None:
    await world.put("a", size_bytes=10, storage_file_id="/1")
    file, created = await world.publish("a", size_bytes=4, storage_file_id="/2", create=False)
    assert (file.size_bytes, created) == (4, False)
    with pytest.raises(NoSuchFile):
        await world.publish("b", size_bytes=4, create=False)


async def test_a_name_nobody_has_heard_of_may_be_taken_all_the_same(world: World) -> None:
    other = World(stores=world.stores)
    old = await other.put("a", size_bytes=10, storage_file_id="/1")
    file, created = await world.publish("a", size_bytes=4, storage_file_id="/2")
    assert (file.file_id, created, await current(world, "a")) == (old.file_id, False, "/2")
    await other.put("b", size_bytes=10)
    with pytest.raises(FileExists):
        await world.publish("b", size_bytes=4, exclusive=True)


async def test_a_repeated_request_makes_one_file(world: World) -> None:
    told = [
        await world.publish("a", size_bytes=5, storage_file_id=name, request_id="r")
        for name in ("/1", "/1", "/2")
    ]
    assert [created for _, created in told] == [True, True, True]
    assert len({file.file_id for file, _ in told}) == 1
    await world.clean_up()
    assert (await current(world, "a"), await world.used_bytes()) == ("/1", 5)


async def test_a_request_repeated_at_another_instance_makes_one_file(world: World) -> None:
    await world.publish("a", size_bytes=5, storage_file_id="/1", request_id="r")
    other = World(stores=world.stores)
    _, created = await other.publish("a", size_bytes=5, storage_file_id="/2", request_id="r")
    assert (created, await current(other, "a")) == (True, "/1")
    assert await removals(other) == {"/2"}


async def test_of_many_with_one_name_one_makes_it(world: World) -> None:
    told = await asyncio.gather(*(world.publish("a", size_bytes=n + 1) for n in range(8)))
    assert sum(created for _, created in told) == 1
    assert len({file.file_id for file, _ in told}) == 1
    await world.clean_up()
    assert await world.used_bytes() == (await world.get("a")).size_bytes


async def test_missing_directories_are_made_when_asked_for(world: World) -> None:
    with pytest.raises(NoSuchFile):
        await world.publish("d", "e", "a", size_bytes=1)
    await world.publish("d", "e", "a", size_bytes=1, create_parents=True)
    assert await world.names("d", "e") == ["a"]


async def test_nobody_writes_where_he_may_not(world: World) -> None:
    await world.put("mine", size_bytes=1)
    await world.rules.files.set_mode(ALICE, "", ref("mine"), 0o600)
    await world.mkdir("closed", mode=0o755)
    for path in (("mine",), ("closed", "new")):
        with pytest.raises(AccessDenied):
            await world.publish(*path, size_bytes=5, who=BOB)
    with pytest.raises(NotPermitted):
        await world.publish("new", size_bytes=5, who=member(write=False))
    with pytest.raises(Forbidden):
        await world.publish("new", size_bytes=5, who=member(space_id="other"))
    assert (await world.get("mine")).size_bytes == 1
    assert await world.names("closed") == []
    assert await world.used_bytes() == 1


async def test_the_mode_of_a_file_is_its_owners(world: World) -> None:
    await world.publish("a", size_bytes=1, mode=0o666)
    with pytest.raises(AccessDenied):
        await world.publish("a", size_bytes=1, mode=0o600, set_existing_mode=True, who=BOB)
    file, _ = await world.publish("a", size_bytes=2, mode=0o600, set_existing_mode=True)
    assert (file.mode, file.size_bytes) == (0o600, 2)


async def test_the_quota_is_never_exceeded(world: World) -> None:
    uploads = [world.publish(f"f{n}", size_bytes=90) for n in range(20)]
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    assert sum(not isinstance(outcome, NoSpace) for outcome in outcomes) == 11
    assert await world.used_bytes() == 990
    with pytest.raises(NoSpace):
        await world.publish("f0", size_bytes=1000)


async def test_a_directory_is_not_written_to(world: World) -> None:
    await world.mkdir("d")
    other = World(stores=world.stores)
    for instance in (world, other):
        with pytest.raises(IsADirectory):
            await instance.publish("d", size_bytes=1)


async def test_a_directory_deleted_meanwhile_takes_no_file(world: World) -> None:
    await world.mkdir("d")
    await world.rules.files.delete(ALICE, "", ref("d"))
    with pytest.raises(NoSuchFile):
        await world.publish("d", "a", size_bytes=5)
    assert await world.used_bytes() == 0


async def test_a_link_is_followed_or_begun_anew(world: World) -> None:
    target = await world.put("f", size_bytes=3)
    await world.make("l", type=FileType.SYMLINK, target="f")
    file, created = await world.publish("l", size_bytes=4, follow=True)
    assert (file.file_id, file.size_bytes, created) == (target.file_id, 4, False)
    # One that has not heard of the link takes its name for free.
    with pytest.raises(StaleUpload):
        await World(stores=world.stores).publish("l", size_bytes=5, follow=True)
    assert (await world.get("f")).size_bytes == 4


async def test_a_hard_link_is_another_name_of_what_is_written(world: World) -> None:
    original = await world.put("f", size_bytes=3)
    link = await world.link(original, "l")
    file, _ = await world.publish("l", size_bytes=4)
    assert (file.file_id, (await world.get("f")).size_bytes) == (link.file_id, 4)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "x" * 256])
async def test_impossible_names_are_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await world.publish(name, size_bytes=1)


async def test_what_no_upload_can_be_is_refused(world: World) -> None:
    with pytest.raises(InvalidArgument):
        await world.publish("a", size_bytes=-1)
    with pytest.raises(InvalidName):
        await world.publish("a", size_bytes=1, mode=0o10000)
    with pytest.raises(NotPermitted):
        await world.publish(".trash", size_bytes=1)
    assert await world.names() == []


async def test_a_space_that_is_not_kept_here_takes_nothing() -> None:
    with pytest.raises(SpaceNotSupported):
        await World().publish("a", size_bytes=1)


async def test_what_was_published_is_listed_as_told(world: World) -> None:
    told: list[File] = [(await world.publish(f"f{n}", size_bytes=n))[0] for n in range(4)]
    assert [await world.get(f"f{n}") for n in range(4)] == told
