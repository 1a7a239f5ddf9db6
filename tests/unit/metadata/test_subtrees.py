"""Everything below a directory, in pages."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import AccessDenied, InvalidArgument, InvalidName, NameTooLong, NoSuchFile
from runtime.identity import DataCaveats, Identity
from services.metadata.domain import walks
from services.metadata.domain.records import FileType
from services.metadata.domain.subtrees import SubtreePage, SubtreeQuery
from tests.support.metadata import ALICE, BOB, OWNER, SPACE, World, member, ref

TREE = ["a/b/c1", "a/b/c2", "a/b0", "a.txt", "b", "dir/sub/deep/x", "dir/y", "empty/"]
FILES = [path for path in TREE if not path.endswith("/")]


def parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


async def plant(world: World, *paths: str) -> World:
    for path in paths:
        *parents, name = path.split("/")
        for depth in range(len(parents)):
            await world.make(*parents[: depth + 1], type=FileType.DIRECTORY, update_existing=True)
        if name:
            await world.make(*parents, name)
    return world


@pytest.fixture
async def world() -> World:
    return await plant(await World().open(), *TREE)


async def page(
    world: World, *path: str, size: int = 1000, who: Identity = ALICE, **query: object
) -> SubtreePage:
    return await world.rules.subtrees.list(who, ref(*path), SubtreeQuery(**query), size)


async def paths(world: World, *path: str, size: int = 1000, **query: object) -> list[str]:
    """Paths of all pages, each page within its size."""
    found: list[str] = []
    while True:
        listed = await page(world, *path, size=size, **query)
        assert len(listed.entries) + len(listed.inaccessible) <= size
        found += [entry.path for entry in listed.entries]
        if not listed.next_token:
            return found
        query["token"] = listed.next_token


async def test_files_come_in_the_order_of_their_paths(world: World) -> None:
    assert await paths(world) == sorted(FILES, key=parts)


async def test_directories_come_before_their_content_when_asked_for(world: World) -> None:
    everything = {"/".join(parts(path)[:depth]) for path in TREE for depth in range(1, 5)} - {""}
    expected = sorted({path.rstrip("/") for path in everything}, key=parts)
    assert await paths(world, include_directories=True) == [".", *expected]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("directories", [True, False])
async def test_pages_join_to_the_whole(world: World, size: int, directories: bool) -> None:
    whole = await paths(world, include_directories=directories)
    assert await paths(world, size=size, include_directories=directories) == whole


PATHS = st.lists(st.sampled_from(["a", "b", "b0", "c1", "zz", "dir", "sub", ""]), max_size=4).map("/".join)


@given(start_after=PATHS, prefix=st.sampled_from(["", *(p[:n] for p in TREE for n in range(1, 12))]),
       size=st.integers(1, 9))  # fmt: skip
@settings(max_examples=60, deadline=None)
async def test_prefix_and_start_are_as_of_a_sorted_list(start_after: str, prefix: str, size: int) -> None:
    world = await plant(await World().open(), *TREE)
    begin = tuple(name for name in start_after.split("/") if name)
    expected = [path for path in sorted(FILES, key=parts) if path.startswith(prefix) and parts(path) > begin]
    assert await paths(world, size=size, start_after=start_after, prefix=prefix) == expected


async def test_paths_are_relative_to_the_directory(world: World) -> None:
    assert await paths(world, "a") == ["b/c1", "b/c2", "b0"]
    assert await paths(world, "a", start_after="b/c1") == ["b/c2", "b0"]


async def test_a_file_lists_as_itself(world: World) -> None:
    assert await paths(world, "b") == ["."]
    assert await paths(world, "b", prefix="x") == []
    assert await paths(world, "b", start_after="x") == []


async def test_links_are_listed_and_not_followed(world: World) -> None:
    await world.make("dir", "link", type=FileType.SYMLINK, target="sub")
    assert await paths(world, "dir") == ["link", "sub/deep/x", "y"]


async def test_closed_directories_are_named_once(world: World) -> None:
    await world.mkdir("closed", mode=0o700)
    await world.make("closed", "secret")
    listed = await page(world, who=BOB)
    assert list(listed.inaccessible) == ["closed"]
    assert [entry.path for entry in listed.entries] == sorted(FILES, key=parts)
    for size in (1, 2, 5):
        seen: list[str] = []
        token = ""
        while True:
            some = await page(world, who=BOB, size=size, token=token)
            seen += some.inaccessible
            token = some.next_token
            if not token:
                break
        assert seen == ["closed"]


async def test_the_starting_point_itself_may_be_closed(world: World) -> None:
    await world.mkdir("closed", mode=0o700)
    listed = await page(world, "closed", who=BOB)
    assert (list(listed.entries), list(listed.inaccessible), listed.next_token) == ([], ["."], "")
    assert not (await page(world, "closed", who=OWNER)).inaccessible


async def test_what_lies_behind_a_closed_directory_is_refused(world: World) -> None:
    await world.mkdir("closed", mode=0o700)
    await world.mkdir("closed", "inner")
    with pytest.raises(AccessDenied):
        await page(world, "closed", "inner", who=BOB)


async def test_a_confined_token_sees_only_its_ways(world: World) -> None:
    caveats = DataCaveats(readonly=False, paths=((f"/{SPACE}/dir/sub", f"/{SPACE}/b"),), object_ids=())
    confined = member("alice", caveats=caveats)
    assert await paths(world, who=confined) == ["b", "dir/sub/deep/x"]
    assert await paths(world, who=confined, prefix="dir/") == ["dir/sub/deep/x"]
    assert await paths(world, who=confined, start_after="b") == ["dir/sub/deep/x"]


async def test_tokens_are_of_one_directory(world: World) -> None:
    token = (await page(world, size=1)).next_token
    for wrong in ("nonsense", token[:-2] + "AA", token + "x"):
        with pytest.raises(InvalidName):
            await page(world, token=wrong)
    with pytest.raises(InvalidName):
        await page(world, "a", token=token)


async def test_a_token_keeps_what_was_asked_for(world: World) -> None:
    first = await page(world, size=1, prefix="a/", include_directories=True)
    rest = await page(world, token=first.next_token)
    assert [entry.path for entry in (*first.entries, *rest.entries)] == ["a/b", "a/b/c1", "a/b/c2", "a/b0"]


async def test_sizes_and_texts_are_bounded(world: World) -> None:
    for size in (0, 10_001):
        with pytest.raises(InvalidArgument):
            await page(world, size=size)
    with pytest.raises(NameTooLong):
        await page(world, prefix="x" * 2**20)
    with pytest.raises(NoSuchFile):
        await page(world, "nothing")


async def test_the_work_for_a_page_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await plant(world, *(f"many/{number:03}/" for number in range(50)), "many/z/file")
    monkeypatch.setattr(walks, "MAX_READS", 7)
    listed = await page(world, "many")
    assert (list(listed.entries), bool(listed.next_token)) == ([], True)
    assert await paths(world, "many") == ["z/file"]


async def test_a_deep_place_fits_into_a_token() -> None:
    world = await World().open()
    await plant(world, "/".join(f"directory-{depth}" for depth in range(100)) + "/file", "z")
    listed = await page(world, size=1)
    assert len(listed.next_token) < 4000
    assert [entry.path for entry in (await page(world, token=listed.next_token)).entries] == ["z"]


async def test_locations_are_told_of_what_may_be_read(world: World) -> None:
    await world.put("full", size_bytes=10)
    secret = await world.put("secret", size_bytes=10)
    await world.rules.files.set_mode(ALICE, "", replace(ref(), file_id=secret.file_id), 0o600)
    entries = {entry.path: entry for entry in (await page(world, who=BOB, with_locations=True)).entries}
    assert "secret" not in entries
    assert entries["b"].location is None
    full = entries["full"].location
    assert full is not None
    assert full.size_bytes == 10


async def test_pages_miss_and_repeat_nothing_while_others_change(world: World) -> None:
    stay, chance = set(await paths(world)), random.Random(7)
    seen: list[str] = []
    token = ""
    while True:
        listed = await page(world, size=2, token=token)
        seen += [entry.path for entry in listed.entries]
        token = listed.next_token
        if not token:
            break
        await plant(world, f"{chance.choice('abcdz')}x{len(seen)}/{chance.randrange(9)}")
        await world.rules.files.delete(ALICE, "", ref(*parts(seen[-1])))
    assert stay <= set(seen)
    assert seen == sorted(set(seen), key=parts)
