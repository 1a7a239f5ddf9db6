"""Directories every space has: there, usable, and nobody's to remove."""

from __future__ import annotations

import pytest

from runtime.errors import NotPermitted
from services.metadata.domain.records import TMP_NAME, tmp_id
from tests.support.metadata import ALICE, BOB, OWNER, SERVICE, SPACE, World, ref


@pytest.fixture
async def world() -> World:
    return await World().open()


async def test_the_temporary_directory_is_found_by_path(world: World) -> None:
    directory = await world.get(TMP_NAME)
    assert (directory.file_id, directory.mode) == (tmp_id(SPACE), 0o777)


async def test_it_is_in_no_listing(world: World) -> None:
    await world.make("a")
    assert await world.names() == ["a"]


async def test_all_members_may_use_it(world: World) -> None:
    for who, name in ((ALICE, "a"), (BOB, "b")):
        await world.make(TMP_NAME, name, who=who)
    assert await world.names(TMP_NAME) == ["a", "b"]
    await world.rules.files.delete(BOB, "r", ref(TMP_NAME, "b"))
    assert await world.names(TMP_NAME) == ["a"]


async def test_nobody_removes_renames_or_closes_it(world: World) -> None:
    files, renames = world.rules.files, world.rules.renames
    for who in (ALICE, OWNER):
        for attempt in (
            files.delete(who, "r", ref(TMP_NAME)),
            files.set_mode(who, "r", ref(TMP_NAME), 0o700),
            renames.rename(who, "r", ref(TMP_NAME), ref(), "mine"),
        ):
            with pytest.raises(NotPermitted):
                await attempt


async def test_its_name_can_not_be_taken(world: World) -> None:
    with pytest.raises(NotPermitted):
        await world.mkdir(TMP_NAME)


async def test_a_space_kept_before_gets_it_too(world: World) -> None:
    await world.rules.spaces.ensure(SERVICE, SPACE, 10**9)
    assert (await world.get(TMP_NAME)).file_id == tmp_id(SPACE)
