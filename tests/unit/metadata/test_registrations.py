"""Files of an owner's storage: registered, brought up to date, overwritten, deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.errors import AccessDenied, FileExists, InvalidName, NoSpace, NotADirectory
from runtime.identity import DataCaveats, Identity
from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.errors import Forbidden, LostRace
from services.metadata.domain.records import File, FileType, virtual_owner
from services.metadata.domain.registrations import Registration
from tests.support.metadata import ALICE, BOB, OWNER, REGISTRAR, SERVICE, SPACE, STORAGE, World, fresh_id, ref


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def register(world: World, *path: str, who: Identity = REGISTRAR, **fields: object) -> File:
    values = {
        "request_id": fresh_id(), "storage_id": STORAGE, "storage_file_id": "/raw/1", "size_bytes": 10,
        "mode": 0o644, "atime_ms": 1000, "mtime_ms": 2000, "ctime_ms": 3000, **fields,
    }  # fmt: skip
    registration = Registration(space_id=SPACE, path=path, **values)  # type: ignore[arg-type]
    return await world.rules.registrations.register(who, registration)


async def removals(world: World) -> set[str]:
    world.clock.advance(120)
    await world.rules.repairs.clean_tombstones()
    world.clock.advance(120)
    return {each.storage_file_id for each in await world.rules.removals.list(SERVICE, {STORAGE}, 1000)}


async def current(world: World, *path: str) -> str:
    _, location = await world.rules.uploads.locate(ALICE, ref(*path))
    return location.storage_file_id if location else ""


async def test_a_registered_file_is_as_it_was_told(world: World) -> None:
    file = await register(world, "new", "dir", "a")
    assert (file.size_bytes, file.local_bytes, file.mode) == (10, 10, 0o644)
    assert (file.atime_ms, file.mtime_ms, file.ctime_ms) == (1000, 2000, 3000)
    assert file.owner_id == virtual_owner(SPACE)
    assert (await current(world, "new", "dir", "a"), await world.used_bytes()) == ("/raw/1", 10)


async def test_a_repeated_request_registers_once(world: World) -> None:
    first = await register(world, "a", request_id="same")
    again = await register(world, "a", request_id="same")
    assert (again.file_id, again.size_bytes) == (first.file_id, 10)
    assert await world.used_bytes() == 10


@pytest.mark.parametrize("size_bytes", [0, 4, 25])
async def test_registering_again_brings_the_file_up_to_date(world: World, size_bytes: int) -> None:
    first = await register(world, "a")
    again = await register(world, "a", size_bytes=size_bytes, mode=0o600, mtime_ms=9)
    assert (again.file_id, again.size_bytes, again.mode, again.mtime_ms) == (
        first.file_id, size_bytes, 0o600, 9,
    )  # fmt: skip
    assert (await removals(world), await world.used_bytes()) == (set(), size_bytes)


async def test_an_empty_registered_file_can_grow(world: World) -> None:
    await register(world, "a", size_bytes=0)
    assert (await register(world, "a", size_bytes=7)).size_bytes == 7
    assert await current(world, "a") == "/raw/1"


async def test_another_storage_file_takes_the_place_and_none_is_removed(world: World) -> None:
    await register(world, "a")
    await register(world, "a", storage_file_id="/raw/2", size_bytes=3)
    assert (await current(world, "a"), await removals(world)) == ("/raw/2", set())
    assert await world.used_bytes() == 3


@pytest.mark.parametrize("size_bytes", [0, 5])
async def test_new_content_leaves_the_owners_file(world: World, size_bytes: int) -> None:
    await register(world, "a", mode=0o666)
    await world.put("a", size_bytes=size_bytes, who=OWNER)
    assert await removals(world) == set()
    assert await world.used_bytes() == size_bytes
    with pytest.raises(FileExists):
        await register(world, "a")


async def test_a_deleted_file_goes_from_the_storage_too(world: World) -> None:
    await register(world, "a")
    await world.rules.files.delete(OWNER, "", ref("a"))
    assert await removals(world) == {"/raw/1"}
    with pytest.raises(LostRace):
        await register(world, "a")
    await world.clean_up()
    assert await world.used_bytes() == 0
    await register(world, "a")


async def test_a_storage_file_stays_while_another_file_has_it(world: World) -> None:
    await register(world, "a")
    await register(world, "b")
    await world.rules.files.delete(OWNER, "", ref("a"))
    assert await removals(world) == set()
    assert (await current(world, "b"), await world.used_bytes()) == ("/raw/1", 10)
    await world.rules.files.delete(OWNER, "", ref("b"))
    assert await removals(world) == {"/raw/1"}


async def test_what_was_not_registered_is_never_replaced(world: World) -> None:
    await world.put("a", size_bytes=5)
    await world.put("empty", size_bytes=0)
    await world.make("d", type=FileType.DIRECTORY)
    for name in ("a", "empty", "d"):
        with pytest.raises(FileExists):
            await register(world, name)
    with pytest.raises(NotADirectory):
        await register(world, "a", "below")


async def test_the_quota_is_kept_and_a_refusal_leaves_the_storage_alone(world: World) -> None:
    with pytest.raises(NoSpace):
        await register(world, "a", size_bytes=1001)
    await register(world, "a", size_bytes=999)
    with pytest.raises(NoSpace):
        await register(world, "a", size_bytes=2001)
    assert (await removals(world), await world.used_bytes()) == (set(), 999)


async def test_only_the_privilege_and_the_directory_let_register(world: World) -> None:
    with pytest.raises(Forbidden):
        await register(world, "a", who=BOB)
    await world.make("closed", type=FileType.DIRECTORY, mode=0o700, who=BOB)
    with pytest.raises(AccessDenied):
        await register(world, "closed", "a")
    with pytest.raises(AccessDenied):
        await register(world, "a", who=replace(REGISTRAR, caveats=DataCaveats(readonly=True)))
    with pytest.raises(InvalidName):
        await register(world)


async def test_custom_metadata_comes_along_whatever_the_mode(world: World) -> None:
    update = Update(set={"run": b"1"}, json=JsonUpdate(b'{"a":2}'), rdf=b"<rdf/>")
    await register(world, "a", mode=0o400, update=update)
    assert await world.rules.xattrs.get_rdf(OWNER, ref("a")) == b"<rdf/>"
    assert await world.rules.xattrs.get_json(OWNER, ref("a"), "", inherited=False) == b'{"a":2}'
