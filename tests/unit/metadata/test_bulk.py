"""Many operations in one call: each for itself, or all or none; killed anywhere, and repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from runtime.errors import (
    AccessDenied,
    FileExists,
    InvalidArgument,
    IsthmusError,
    NameTooLong,
    NoSuchFile,
)
from runtime.identity import DataCaveats, Identity
from services.metadata.domain.bulk import (
    MAX_OPERATIONS,
    Create,
    Delete,
    Operation,
    Outcome,
    Rename,
    Stat,
    Told,
)
from services.metadata.domain.files import NewFile
from services.metadata.domain.records import FileType
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import ALICE, BOB, SERVICE, SPACE, World, member, ref


@pytest.fixture
async def world() -> World:
    return await World().open()


def create(*path: str, type: FileType = FileType.REGULAR) -> Create:
    return Create(ref(*path[:-1]), NewFile(path[-1], type))


def kinds(outcomes: Sequence[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def ids(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.file.file_id for outcome in outcomes if isinstance(outcome, Told)]


async def each(world: World, *operations: Operation, who: Identity = ALICE) -> Sequence[Outcome]:
    return await world.rules.bulk.each(who, "r", operations)


async def all_(world: World, *operations: Operation) -> tuple[Sequence[Outcome], bool]:
    return await world.rules.bulk.all(ALICE, "r", operations)


async def test_each_operation_has_its_own_result(world: World) -> None:
    await world.mkdir("d")
    await world.make("old")
    await world.make("gone")
    outcomes = await each(
        world,
        create("d", "a"),
        Stat(ref("nothing")),
        create("d", "b", type=FileType.DIRECTORY),
        Rename(ref("old"), ref("d"), "new"),
        create("no", "c"),
        Delete(ref("gone")),
        Stat(ref("d"), with_path=True),
        create("d", "x" * 300),
    )
    assert kinds(outcomes) == [Told, NoSuchFile, Told, Told, NoSuchFile, type(None), Told, NameTooLong]
    assert await world.names() == ["d"]
    assert await world.names("d") == ["a", "b", "new"]
    stat = outcomes[6]
    assert isinstance(stat, Told)
    assert stat.path == ("d",)


async def test_a_name_is_given_once(world: World) -> None:
    await world.make("a")
    outcomes = await each(world, create("a"), create("b"), create("b"))
    assert kinds(outcomes) == [FileExists, Told, FileExists]


async def test_permissions_count_for_each_operation(world: World) -> None:
    await world.mkdir("open", mode=0o777)
    await world.mkdir("closed", mode=0o755)
    outcomes = await each(world, create("open", "a"), create("closed", "b"), Delete(ref("closed")), who=BOB)
    assert kinds(outcomes) == [Told, AccessDenied, AccessDenied]
    reader = member("alice", caveats=DataCaveats(readonly=True))
    outcomes = await each(world, create("c"), Stat(ref("open")), who=reader)
    assert kinds(outcomes) == [AccessDenied, Told]


async def test_a_bulk_that_is_repeated_answers_as_at_first(world: World) -> None:
    await world.make("old")
    await world.make("gone")
    operations = (create("a"), Rename(ref("old"), ref(), "new"), Delete(ref("gone")))
    first = await each(world, *operations)
    second = await each(World(stores=world.stores), *operations)
    assert kinds(second) == kinds(first) == [Told, Told, type(None)]
    assert ids(second) == ids(first)


async def test_too_much_at_once_is_refused(world: World) -> None:
    operations = [create(f"f{n}") for n in range(MAX_OPERATIONS + 1)]
    with pytest.raises(InvalidArgument):
        await each(world, *operations)
    with pytest.raises(InvalidArgument):
        await all_(world, *operations)
    outcomes = await each(world, *operations[1:])
    assert set(kinds(outcomes)) == {Told}


async def test_all_of_it_happens(world: World) -> None:
    await world.mkdir("d")
    await world.put("old", size_bytes=5)
    await world.put("gone", size_bytes=7)
    outcomes, done = await all_(
        world,
        create("old"),
        Rename(ref("old"), ref("d"), "new"),
        Delete(ref("gone")),
        Stat(ref("d", "new")),
    )
    assert done
    assert kinds(outcomes) == [Told, Told, type(None), Told]
    assert (await world.names(), await world.names("d")) == (["d", "old"], ["new"])
    assert (await world.get("d", "new")).size_bytes == 5
    await world.clean_up()
    assert await world.used_bytes() == 5


async def test_when_one_is_refused_nothing_happens(world: World) -> None:
    await world.make("a")
    await world.make("b")
    for refused, error in (
        (create("b"), FileExists),
        (create("no", "c"), NoSuchFile),
        (Delete(ref("nothing")), NoSuchFile),
        (Delete(ref("a")), InvalidArgument),
    ):
        outcomes, done = await all_(world, Rename(ref("a"), ref(), "c"), refused, create("d"))
        assert not done
        assert kinds(outcomes) == [type(None), error, type(None)]
        assert await world.names() == ["a", "b"]


async def test_all_of_it_happens_once(world: World) -> None:
    await world.make("old")
    await world.make("gone")
    operations = (create("a"), Rename(ref("old"), ref(), "new"), Delete(ref("gone")))
    first, _ = await all_(world, *operations)
    second, done = await all_(World(stores=world.stores), *operations)
    assert done
    assert ids(second) == ids(first)
    assert await world.names() == ["a", "new"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
async def test_killed_anywhere_all_or_nothing_was_done(number: int, after: bool) -> None:
    world = await World().open()
    await world.put("old", size_bytes=5)
    await world.put("gone", size_bytes=7)
    await world.put("replaced", size_bytes=9)
    await world.rules.quotas.close()
    doomed = World(stores=crashing(world.stores, Fuse(number, after=after)))
    operations = (create("a"), Rename(ref("old"), ref(), "replaced"), Delete(ref("gone")))
    with contextlib.suppress(Killed):
        await all_(doomed, *operations)
    survivor = World(stores=world.stores)
    assert await survivor.names() in (["a", "replaced"], ["gone", "old", "replaced"])
    _, done = await all_(survivor, *operations)
    assert done
    assert await survivor.names() == ["a", "replaced"]
    survivor.clock.advance(1000)
    await survivor.clean_up()
    await survivor.rules.spaces.recount(SERVICE, SPACE)
    assert await survivor.used_bytes() == 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
async def test_killed_anywhere_each_is_whole_and_can_be_repeated(number: int, after: bool) -> None:
    world = await World().open()
    await world.make("gone")
    doomed = World(stores=crashing(world.stores, Fuse(number, after=after)))
    operations = (create("a"), create("b", type=FileType.DIRECTORY), Delete(ref("gone")))
    with contextlib.suppress(Killed):
        await each(doomed, *operations)
    survivor = World(stores=world.stores)
    outcomes = await each(survivor, *operations)
    assert not any(isinstance(outcome, IsthmusError) for outcome in outcomes)
    assert await survivor.names() == ["a", "b"]


async def test_what_data_ports_remember_is_taken_back_before_it_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, gone = await world.make("old"), await world.make("gone")
    taken_back: list[str] = []
    changing = world.rules.leases.changing

    def noted(space_id: str, *file_ids: str) -> AbstractAsyncContextManager[None]:
        taken_back.extend(file_ids)
        return changing(space_id, *file_ids)

    monkeypatch.setattr(world.rules.leases, "changing", noted)
    await all_(world, create("a"), Rename(ref("old"), ref(), "new"), Delete(ref("gone")))
    assert set(taken_back) == {old.file_id, gone.file_id}
