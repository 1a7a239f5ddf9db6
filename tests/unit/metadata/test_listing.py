"""Pages of a directory."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import AccessDenied, InvalidArgument, InvalidName
from services.metadata.domain.listing import PageStart
from services.metadata.domain.records import FileType
from tests.support.metadata import ALICE, BOB, OWNER, World, ref

NAMES = [f"n{number:02}" for number in range(10)]


@pytest.fixture
async def world() -> World:
    world = await World().open()
    for name in random.Random(1).sample(NAMES, len(NAMES)):
        await world.make(name)
    return world


async def page(world: World, size: int = 100, **start: object) -> list[str]:
    listed = await world.rules.listing.list(ALICE, ref(), PageStart(**start), size)
    return listed.columns["name"]


async def test_an_empty_directory_has_one_empty_page() -> None:
    world = await World().open()
    listed = await world.rules.listing.list(ALICE, ref(), PageStart(), 10)
    assert (listed.columns["name"], listed.is_last) == ([], True)
    assert listed.next_token


async def test_pages_end_when_all_was_told(world: World) -> None:
    listed = await world.rules.listing.list(ALICE, ref(), PageStart(), 10)
    assert listed.is_last
    again = await world.rules.listing.list(ALICE, ref(), PageStart(token=listed.next_token), 10)
    assert (again.columns["name"], again.is_last) == ([], True)


@pytest.mark.parametrize("page_size", [1, 3, 9, 10, 11])
async def test_pages_join_to_the_whole(world: World, page_size: int) -> None:
    assert await world.names(page_size=page_size) == NAMES


async def test_a_page_starts_at_a_name(world: World) -> None:
    assert await page(world, 2, name="n03") == ["n03", "n04"]
    assert await page(world, 2, name="n03", inclusive=False) == ["n04", "n05"]
    assert await page(world, 2, name="n035") == ["n04", "n05"]
    assert await page(world, 2, name="n035", inclusive=False) == ["n04", "n05"]


@given(
    index=st.sampled_from(["", "n", "n00", "n04", "n045", "n09", "z"]),
    offset=st.integers(-12, 12),
    inclusive=st.booleans(),
    size=st.integers(1, 12),
)
@settings(max_examples=50)
async def test_offsets_count_entries_from_the_name(
    index: str, offset: int, inclusive: bool, size: int
) -> None:
    if offset < 0 and not index:
        return
    world = await World().open()
    for name in NAMES:
        await world.make(name)
    first = sum(name < index or (name == index and not inclusive) for name in NAMES)
    expected = NAMES[max(0, first + offset) :][:size]
    assert await page(world, size, name=index, offset=offset, inclusive=inclusive) == expected


async def test_a_token_overrides_all_else(world: World) -> None:
    listed = await world.rules.listing.list(ALICE, ref(), PageStart(), 4)
    start = PageStart(token=listed.next_token, name="n09", offset=-3)
    again = await world.rules.listing.list(ALICE, ref(), start, 2)
    assert again.columns["name"] == ["n04", "n05"]


@pytest.mark.parametrize("start", [PageStart(offset=-1), PageStart(token="gibberish")])
async def test_impossible_starts_are_refused(world: World, start: PageStart) -> None:
    with pytest.raises(InvalidName):
        await world.rules.listing.list(ALICE, ref(), start, 10)


async def test_sizes_and_offsets_are_bounded(world: World) -> None:
    for start, size in ((PageStart(), 0), (PageStart(), 10_001), (PageStart(name="a", offset=501), 1)):
        with pytest.raises(InvalidArgument):
            await world.rules.listing.list(ALICE, ref(), start, size)


async def test_pages_of_long_entries_end_early() -> None:
    world = await World().open()
    for number in range(2000):
        await world.make(f"{number:04}", type=FileType.SYMLINK, target="x" * 4000)
    listed = await world.rules.listing.list(ALICE, ref(), PageStart(), 10_000, ["symlink_target"])
    assert not listed.is_last
    assert 500 < len(listed.columns["name"]) < 1000
    assert len(await world.names(page_size=10_000)) == 2000


async def test_a_file_lists_as_itself(world: World) -> None:
    listed = await world.rules.listing.list(ALICE, ref("n03"), PageStart(), 10)
    assert listed.columns["name"] == ["n03"]
    assert listed.is_last
    assert listed.next_token


async def test_listing_needs_the_right_to(world: World) -> None:
    await world.mkdir("closed", mode=0o700)
    with pytest.raises(AccessDenied):
        await world.names("closed", who=BOB)
    assert await world.names("closed", who=OWNER) == []


async def test_pages_miss_and_repeat_nothing_while_others_change(world: World) -> None:
    stay, chance = set(NAMES[::2]), random.Random(7)
    seen: list[str] = []
    start = PageStart()
    while True:
        listed = await world.rules.listing.list(ALICE, ref(), start, 2)
        seen += listed.columns["name"]
        if listed.is_last:
            break
        start = PageStart(token=listed.next_token)
        await world.make(f"n{chance.randrange(100):02}x{len(seen)}")
        for name in NAMES[1::2]:
            if chance.random() < 0.3 and name in await world.names():
                await world.rules.files.delete(ALICE, "", ref(name))
    assert stay <= set(seen)
    assert seen == sorted(set(seen))
