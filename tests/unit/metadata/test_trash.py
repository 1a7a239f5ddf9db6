"""Deleted directories that are had back, and those that are not."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import AccessDenied, FileExists, InvalidName, NoSuchFile, NotADirectory, NotPermitted
from runtime.identity import DataCaveats, Identity
from services.metadata.domain.records import trash_id
from services.metadata.domain.trash import TrashEntry
from services.metadata.store.memory import memory_stores
from services.metadata.workers.trash_hastener import TrashHastener
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import ALICE, BOB, OWNER, SERVICE, SPACE, World, member, ref

RETENTION_S = 3600.0


async def planted(world: World) -> World:
    await world.open()
    await world.mkdir("home")
    await world.mkdir("home", "d")
    await world.mkdir("home", "d", "sub")
    await world.put("home", "d", "sub", "file", size_bytes=10)
    return world


@pytest.fixture
async def world() -> World:
    return await planted(World(trash_retention_s=RETENTION_S))


async def delete(world: World, *path: str, who: Identity = ALICE) -> str:
    file_id = (await world.get(*path)).file_id
    await world.rules.files.delete(who, "", ref(*path))
    return file_id


async def listed(world: World, who: Identity = ALICE, page_size: int = 100) -> list[TrashEntry]:
    entries: list[TrashEntry] = []
    token = ""
    while True:
        page = await world.rules.trash.list(who, SPACE, token, page_size)
        entries += page.entries
        token = page.next_token
        if not token:
            return entries


async def restore(world: World, file_id: str, *parent: str, who: Identity = ALICE, name: str = "") -> None:
    where = ref(*parent) if parent else None
    await world.rules.trash.restore(who, "r", ref(file_id=file_id), where, name)


async def clean(world: World) -> None:
    for _ in range(10):
        world.clock.advance(5)
        await world.rules.repairs.empty_trash()
        await world.rules.repairs.clean_tombstones()


async def test_a_deleted_directory_comes_back_with_all_in_it(world: World) -> None:
    file_id = await delete(world, "home", "d")
    inner = "home", "d", "sub", "file"
    with pytest.raises(NoSuchFile):
        await world.get(*inner)
    await clean(world)
    await restore(world, file_id)
    assert (await world.get("home", "d")).file_id == file_id
    assert (await world.get(*inner)).size_bytes == 10
    assert await listed(world) == []
    await restore(world, file_id)
    assert await world.names("home") == ["d"]


async def test_the_trash_tells_what_was_where_and_until_when(world: World) -> None:
    home = await world.get("home")
    file_id = await delete(world, "home", "d")
    (entry,) = await listed(world)
    assert (entry.file.file_id, entry.file.name, entry.file.parent_id) == (file_id, "d", home.file_id)
    assert entry.deleted_by == "alice"
    assert entry.expires_ms == entry.deleted_ms + 1000 * RETENTION_S


async def test_the_trash_is_told_in_pages(world: World) -> None:
    for number in range(7):
        await world.mkdir(f"t{number}")
        await delete(world, f"t{number}")
    assert [entry.file.name for entry in await listed(world, page_size=3)] == [f"t{n}" for n in range(7)]


async def test_it_goes_elsewhere_and_by_another_name(world: World) -> None:
    file_id = await delete(world, "home", "d")
    await world.mkdir("other")
    await restore(world, file_id, "other", name="back")
    assert await world.names("other", "back") == ["sub"]


async def test_a_taken_name_is_told(world: World) -> None:
    file_id = await delete(world, "home", "d")
    await world.make("home", "d")
    with pytest.raises(FileExists):
        await restore(world, file_id)
    await restore(world, file_id, "home", name="d2")
    assert await world.names("home") == ["d", "d2"]


async def test_a_place_that_is_gone_is_told(world: World) -> None:
    file_id = await delete(world, "home", "d")
    home_id = await delete(world, "home")
    with pytest.raises(NoSuchFile, match="goes to is gone"):
        await restore(world, file_id)
    await restore(world, home_id)
    await restore(world, file_id)
    assert await world.names("home", "d") == ["sub"]


async def test_impossible_places_are_refused(world: World) -> None:
    file_id = await delete(world, "home", "d")
    await world.make("file")
    await world.mkdir("closed", who=BOB, mode=0o700)
    for parent, name, error in (
        (("file",), "", NotADirectory), (("closed",), "", AccessDenied), (("home",), "a/b", InvalidName),
        (("home",), ".__onedata__x", NotPermitted), (("nothing",), "", NoSuchFile),
    ):  # fmt: skip
        with pytest.raises(error):
            await restore(world, file_id, *parent, name=name)
    assert len(await listed(world)) == 1


async def test_only_who_has_to_do_with_it_sees_it(world: World) -> None:
    file_id = await delete(world, "home", "d", who=OWNER)
    assert await listed(world, BOB) == []
    with pytest.raises(NoSuchFile):
        await restore(world, file_id, who=BOB)
    with pytest.raises(NoSuchFile):
        await world.rules.trash.purge(BOB, ref(file_id=file_id))
    assert len(await listed(world, ALICE)) == len(await listed(world, OWNER)) == 1
    await restore(world, file_id, who=OWNER)


async def test_bound_tokens_have_no_trash(world: World) -> None:
    file_id = await delete(world, "home", "d")
    confined = member(caveats=DataCaveats(readonly=False, paths=((f"/{SPACE}/home",),), object_ids=()))
    with pytest.raises(AccessDenied):
        await listed(world, confined)
    readonly = member(caveats=DataCaveats(readonly=True, paths=(), object_ids=()))
    assert len(await listed(world, readonly)) == 1
    with pytest.raises(AccessDenied):
        await restore(world, file_id, who=readonly)


async def test_what_is_not_in_the_trash_is_not_restored(world: World) -> None:
    alive = (await world.get("home")).file_id
    for file_id in (alive, "0" * 32, await delete(world, "home", "d", "sub", "file")):
        with pytest.raises(NoSuchFile):
            await restore(world, file_id)
        with pytest.raises(NoSuchFile):
            await world.rules.trash.purge(ALICE, ref(file_id=file_id))


async def test_its_time_ends(world: World) -> None:
    file_id = await delete(world, "home", "d")
    world.clock.advance(RETENTION_S - 100)
    await clean(world)
    assert len(await listed(world)) == 1
    world.clock.advance(100)
    await clean(world)
    assert await listed(world) == []
    with pytest.raises(NoSuchFile):
        await restore(world, file_id)


async def test_a_purge_begins_the_removal_at_once(world: World) -> None:
    file_id = await delete(world, "home", "d")
    await world.rules.trash.purge(ALICE, ref(file_id=file_id))
    assert await listed(world) == []
    with pytest.raises(NoSuchFile):
        await restore(world, file_id)
    await world.clean_up()
    assert await world.used_bytes() == 0


async def test_a_full_space_keeps_no_trash(world: World) -> None:
    hastener = TrashHastener(world.rules.repairs, world.stores.quotas)
    await delete(world, "home", "d")
    await hastener.run_once()
    assert len(await listed(world)) == 1
    await world.rules.spaces.ensure(SERVICE, SPACE, 11)
    await hastener.run_once()
    assert await listed(world) == []
    await world.clean_up()
    assert await world.used_bytes() == 0


async def test_of_restoring_and_removing_at_once_one_wins(world: World) -> None:
    for _ in range(5):
        file_id = await delete(world, "home", "d")
        outcomes = await asyncio.gather(
            restore(world, file_id),
            world.rules.trash.purge(ALICE, ref(file_id=file_id)),
            return_exceptions=True,
        )
        names = await world.names("home")
        assert (names == ["d"]) == (outcomes[0] is None)
        if names == []:
            await world.mkdir("home", "d")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("action", ["restore", "purge", "reap"])
async def test_killed_at_any_write_it_is_back_or_in_the_trash_or_gone(
    action: str, number: int, after: bool
) -> None:
    stores = memory_stores()
    before = await planted(World(stores=stores, trash_retention_s=RETENTION_S))
    file_id = await delete(before, "home", "d")
    doomed = World(stores=crashing(stores, Fuse(number, after=after)), trash_retention_s=RETENTION_S)
    doomed.clock.advance(2 * RETENTION_S if action == "reap" else 10)
    try:
        if action == "restore":
            await restore(doomed, file_id)
        elif action == "purge":
            await doomed.rules.trash.purge(ALICE, ref(file_id=file_id))
        else:
            await doomed.rules.repairs.empty_trash()
    except Killed:
        pass
    survivor = World(stores=stores, trash_retention_s=RETENTION_S)
    survivor.clock.advance(20)
    if await listed(survivor):
        await restore(survivor, file_id)
    is_back = await survivor.names("home") == ["d"]
    survivor.clock.advance(3 * RETENTION_S)
    await survivor.clean_up()
    if is_back:
        assert (await survivor.get("home", "d", "sub", "file")).size_bytes == 10
    assert await stores.locations.held_bytes(SPACE) == (10 if is_back else 0)
    assert not await stores.files.has_children(trash_id(SPACE))
