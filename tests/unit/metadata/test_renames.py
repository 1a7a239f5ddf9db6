"""Moving and renaming."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import (
    AccessDenied,
    DirectoryNotEmpty,
    FileExists,
    InvalidName,
    IsADirectory,
    NoSuchFile,
    NotADirectory,
    NotPermitted,
)
from runtime.identity import Identity
from services.metadata.domain.errors import CrossSpaceRename, RenameIntoItself
from services.metadata.domain.records import File
from tests.support.metadata import ALICE, BOB, OWNER, World, ref


@pytest.fixture
async def world() -> World:
    world = await World().open()
    for path in (("a",), ("a", "b"), ("a", "b", "c"), ("d",)):
        await world.mkdir(*path)
    await world.put("f", size_bytes=3)
    await world.put("a", "g", size_bytes=5)
    return world


async def rename(
    world: World, source: str, target: str, who: Identity = ALICE, request_id: str = "", **options: bool
) -> tuple[File, bool]:
    *parent, name = target.split("/")
    return await world.rules.renames.rename(
        who, request_id, ref(*source.split("/")), ref(*parent), name, **options
    )


async def test_a_file_gets_another_name(world: World) -> None:
    before = await world.get("f")
    moved, replaced = await rename(world, "f", "h")
    assert (moved.file_id, moved.name, replaced) == (before.file_id, "h", False)
    assert await world.names() == ["a", "d", "h"]
    assert moved.mtime_ms == before.mtime_ms


async def test_a_tree_moves_as_one(world: World) -> None:
    await rename(world, "a", "d/x")
    assert (await world.get("d", "x", "b", "c")).name == "c"
    with pytest.raises(NoSuchFile):
        await world.get("a")


async def test_a_file_replaces_a_file(world: World) -> None:
    old, new = await world.get("a", "g"), await world.get("f")
    moved, replaced = await rename(world, "f", "a/g", request_id="r")
    assert replaced
    assert (await world.get("a", "g")).file_id == new.file_id
    assert await rename(world, "f", "a/g", request_id="r") == (moved, True)
    await world.clean_up()
    assert await world.used_bytes() == 3
    assert await world.stores.locations.find(old.file_id) is None


async def test_a_directory_replaces_an_empty_directory(world: World) -> None:
    _, replaced = await rename(world, "a/b", "d")
    assert replaced
    assert await world.names("d") == ["c"]


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("d", "a", DirectoryNotEmpty),
        ("d", "f", NotADirectory),
        ("f", "d", IsADirectory),
        ("a", "a/x", RenameIntoItself),
        ("a", "a/b/c/x", RenameIntoItself),
        ("none", "x", NoSuchFile),
        ("f", "none/x", NoSuchFile),
        ("f", "f/x", NotADirectory),
        ("f", "a/..", InvalidName),
        ("f", ".trash", NotPermitted),
    ],
)
async def test_what_can_not_be_is_refused(
    world: World, source: str, target: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await rename(world, source, target)
    assert await world.names() == ["a", "d", "f"]


async def test_onto_itself_nothing_happens(world: World) -> None:
    before = await world.get("f")
    assert await rename(world, "f", "f") == (before, False)


async def test_replacing_can_be_forbidden(world: World) -> None:
    with pytest.raises(FileExists):
        await rename(world, "f", "a/g", no_replace=True)


async def test_a_repeated_request_answers_as_the_first(world: World) -> None:
    first = await rename(world, "f", "h", request_id="r")
    assert await rename(world, "f", "h", request_id="r") == first


async def test_spaces_are_not_left(world: World) -> None:
    with pytest.raises(CrossSpaceRename):
        await world.rules.renames.rename(ALICE, "", ref("f"), ref(space_id="other"), "f")


async def test_the_directory_of_a_space_stays(world: World) -> None:
    with pytest.raises(NotPermitted):
        await world.rules.renames.rename(OWNER, "", ref(), ref("d"), "x")


async def test_renaming_needs_rights_on_both_sides(world: World) -> None:
    await world.mkdir("closed", mode=0o755)
    await world.make("closed", "f")
    for source, target in (("f", "closed/x"), ("closed/f", "x")):
        with pytest.raises(AccessDenied):
            await rename(world, source, target, BOB)
    await rename(world, "closed/f", "x", OWNER)


async def test_a_sticky_directory_protects_what_would_be_replaced(world: World) -> None:
    await world.mkdir("s", mode=0o1777)
    await world.make("s", "f")
    await world.make("mine", who=BOB)
    with pytest.raises(AccessDenied):
        await rename(world, "mine", "s/f", BOB)


async def test_concurrent_moves_never_make_a_circle(world: World) -> None:
    for _ in range(20):
        outcomes = await asyncio.gather(
            rename(world, "a", "d/a"), rename(world, "d", "a/d"), return_exceptions=True
        )
        assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
        back = "d/a" if isinstance(outcomes[0], tuple) else "a/d"
        await rename(world, back, back[-1])
