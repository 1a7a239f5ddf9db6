"""A process killed at any write: afterwards everything is whole, counted, and used or removed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.records import FileType, inode_id
from services.metadata.domain.registrations import Registration
from services.metadata.domain.stores import Stores
from services.metadata.domain.xattrs import Asked
from services.metadata.store.memory import memory_stores
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import ALICE, OWNER, REGISTRAR, SERVICE, SPACE, STORAGE, World, ref

Action = Callable[[World], Awaitable[object]]

#: More writes than any of the actions makes.
MAX_WRITES = 14


async def overwrite(world: World) -> object:
    return await world.put("old", size_bytes=7, storage_file_id="/new", request_id="r")


async def patch(world: World) -> object:
    return await world.put("old", size_bytes=7, offset=8, request_id="r")


async def empty(world: World) -> object:
    return await world.put("old", size_bytes=0, request_id="r")


async def create(world: World) -> object:
    return await world.put("new", size_bytes=7, storage_file_id="/new", request_id="r")


async def publish(world: World) -> object:
    return await world.publish("new", size_bytes=7, storage_file_id="/new", request_id="r")


async def publish_over(world: World) -> object:
    return await world.publish("old", size_bytes=7, storage_file_id="/new", request_id="r")


async def take_over(world: World) -> object:
    one = world.put("new", size_bytes=7, storage_file_id="/new", request_id="r")
    two = world.put("new", size_bytes=8, storage_file_id="/other", request_id="r2")
    return await asyncio.gather(one, two)


async def delete(world: World) -> object:
    return await world.rules.files.delete(ALICE, "r", ref("old"))


async def delete_tree(world: World) -> object:
    await world.rules.files.delete(ALICE, "r", ref("d"))
    return await world.clean_up()


async def replace_by_rename(world: World) -> object:
    return await world.rules.renames.rename(ALICE, "r", ref("d", "in"), ref(), "old")


async def link(world: World) -> object:
    return await world.link(await world.get("old"), "new", request_id="r")


async def delete_link(world: World) -> object:
    return await world.rules.files.delete(ALICE, "r", ref("linked"))


async def delete_linked(world: World) -> object:
    return await world.rules.files.delete(ALICE, "r", ref("d", "original"))


async def replace_linked(world: World) -> object:
    return await world.rules.renames.rename(ALICE, "r", ref("old"), ref("d"), "original")


async def link_over(world: World) -> object:
    return await world.link(await world.get("old"), "linked", request_id="r", update_existing=True)


async def link_over_linked(world: World) -> object:
    original = ("d", "original")
    return await world.link(await world.get("old"), *original, request_id="r", update_existing=True)


async def symlink_over(world: World) -> object:
    kind = FileType.SYMLINK
    return await world.make("linked", type=kind, target="old", request_id="r", update_existing=True)


async def symlink_over_content(world: World) -> object:
    return await world.make("old", type=FileType.SYMLINK, target="d", request_id="r", update_existing=True)


LINKS_OVER = (link_over, link_over_linked, symlink_over, symlink_over_content)

ACTIONS = (
    overwrite, patch, empty, create, publish, publish_over, take_over, delete, delete_tree, replace_by_rename,
    link, delete_link, delete_linked, replace_linked, *LINKS_OVER,
)  # fmt: skip


async def prepared() -> Stores:
    world = await World(stores=memory_stores()).open()
    await world.put("old", size_bytes=10, storage_file_id="/old")
    await world.mkdir("d")
    await world.put("d", "in", size_bytes=5, storage_file_id="/in")
    await world.make("d", "link", type=FileType.SYMLINK, target="in")
    await world.link(await world.put("d", "original", size_bytes=3, storage_file_id="/original"), "linked")
    await world.rules.settled.flush()
    return world.stores


async def require_links(world: World, paths: list[tuple[str, ...]]) -> None:
    """Every name of a file is known to it, and it knows no others."""
    visible = {(await world.get(*path)).file_id for path in paths}
    for path in paths:
        known = await world.rules.links.list(ALICE, ref(*path))
        file_id = (await world.get(*path)).file_id
        assert set(known) == {id for id in visible if inode_id(id) == inode_id(file_id)}


async def require_whole(world: World) -> None:
    """Every file's record, location and bytes agree; every byte is counted once."""
    paths = [(name,) for name in await world.names() if name != "d"]
    if "d" in await world.names():
        paths += [("d", name) for name in await world.names("d")]
    held = 0
    await require_links(world, paths)
    for path in paths:
        file, location = await world.rules.uploads.locate(ALICE, ref(*path))
        is_first = (await world.rules.links.list(ALICE, ref(*path)))[0] == file.file_id
        if file.type is FileType.REGULAR:
            assert file.size_bytes == (location.size_bytes if location else 0)
        held += file.local_bytes if is_first else 0
    assert await world.stores.locations.held_bytes(SPACE) == held
    assert not await world.rules.removals.list(SERVICE, {STORAGE}, 100)
    await world.stores.quotas.lapse(unheard_s=-1)  # as it will, of one that died
    await world.rules.spaces.recount(SERVICE, SPACE, pause_s=0)
    assert await world.used_bytes() == held


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, MAX_WRITES))
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
async def test_killed_at_any_write_everything_is_mended(action: Action, number: int, after: bool) -> None:
    stores = await prepared()
    fuse = Fuse(number, after=after)
    doomed = World(stores=crashing(stores, fuse))
    doomed.clock.advance(100)
    acknowledged = False
    try:
        await action(doomed)
        acknowledged = True
    except Killed:
        pass
    survivor = World(stores=stores)
    survivor.clock.advance(1000)
    before = await survivor.names()
    await survivor.clean_up()
    assert await survivor.names() == before, "cleaning up changed what is visible"
    if action in (create, publish):
        assert ("new" in before) or not acknowledged
    await require_whole(survivor)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, MAX_WRITES))
@pytest.mark.parametrize("action", LINKS_OVER, ids=lambda action: action.__name__)
async def test_a_name_that_becomes_a_link_is_never_missing(action: Action, number: int, after: bool) -> None:
    stores = await prepared()
    names = [await World(stores=stores).names(*path) for path in ((), ("d",))]
    with contextlib.suppress(Killed):
        await action(World(stores=crashing(stores, Fuse(number, after=after))))
    assert [await World(stores=stores).names(*path) for path in ((), ("d",))] == names
    await action(World(stores=stores))
    survivor = World(stores=stores)
    survivor.clock.advance(1000)
    await survivor.clean_up()
    await require_whole(survivor)


@pytest.mark.parametrize("number", range(1, MAX_WRITES))
@pytest.mark.parametrize(
    "action", [overwrite, create, publish, publish_over, delete], ids=lambda action: action.__name__
)
async def test_a_request_repeated_after_a_crash_answers_as_if_nothing_had_been(
    action: Action, number: int
) -> None:
    stores = await prepared()
    doomed = World(stores=crashing(stores, Fuse(number, after=True)))
    try:
        await action(doomed)
    except Killed:
        survivor = World(stores=stores)
        await action(survivor)
    survivor = World(stores=stores)
    name = "new" if action in (create, publish) else "old"
    if action is delete:
        assert name not in await survivor.names()
    else:
        assert (await survivor.get(name)).size_bytes == 7
    survivor.clock.advance(1000)
    await survivor.clean_up()
    await require_whole(survivor)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, MAX_WRITES))
async def test_a_file_is_registered_wholly_or_not_at_all(number: int, after: bool) -> None:
    stores = await prepared()

    async def register(world: World) -> object:
        update = Update(set={"run": b"1"}, json=JsonUpdate(b'{"a":2}'))
        registration = Registration(
            "r", SPACE, ("in", "new", "reg"), STORAGE, "/owner/1", 7, 0o640, 1000, 2000, 3000, update=update
        )
        return await world.rules.registrations.register(REGISTRAR, registration)

    with contextlib.suppress(Killed):
        await register(World(stores=crashing(stores, Fuse(number, after=after))))
    for world in (World(stores=stores), World(stores=stores)):
        if "in" in await world.names() and await world.names("in") and await world.names("in", "new"):
            file = await world.get("in", "new", "reg")
            assert (file.size_bytes, file.mode, file.mtime_ms) == (7, 0o640, 2000)
            told = await world.rules.xattrs.list(OWNER, ref("in", "new", "reg"), Asked())
            assert told.xattrs == [("run", b"1")]
            document = await world.rules.xattrs.get_json(OWNER, ref("in", "new", "reg"), "")
            assert document == b'{"a":2}'
        await register(world)
    survivor = World(stores=stores)
    survivor.clock.advance(1000)
    await survivor.clean_up()
    assert not await survivor.rules.removals.list(SERVICE, {STORAGE}, 100)
    await survivor.stores.quotas.lapse(unheard_s=-1)
    await survivor.rules.spaces.recount(SERVICE, SPACE, pause_s=0)
    assert await survivor.used_bytes() == await survivor.stores.locations.held_bytes(SPACE) == 25


async def test_a_new_file_and_its_place_come_by_one_write() -> None:
    stores = await prepared()
    for number in range(1, MAX_WRITES):
        doomed = World(stores=crashing(stores, Fuse(number, after=False)))
        try:
            await create(doomed)
        except Killed:
            references = await stores.locations.find_references(STORAGE, ["/new"])
            assert not references, "something of the file is there before all of it is"
            assert "new" not in await World(stores=stores).names()
            continue
        break
    file, location = await World(stores=stores).rules.uploads.locate(ALICE, ref("new"))
    assert location is not None
    assert (file.size_bytes, location.storage_file_id) == (7, "/new")
