"""Hard links: several names of one file."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from runtime.errors import (
    AccessDenied,
    DirectoryNotEmpty,
    FileExists,
    IsADirectory,
    NameTooLong,
    NoSuchFile,
    NotADirectory,
    NotPermitted,
    TooManyLinks,
)
from runtime.identity import DataCaveats
from services.metadata.domain import links
from services.metadata.domain.custom_metadata import Update
from services.metadata.domain.records import File, FileType
from services.metadata.domain.subtrees import SubtreeQuery
from services.metadata.domain.uploads import UploadRequest
from services.metadata.domain.xattrs import Asked
from tests.support.metadata import ALICE, BOB, SERVICE, SPACE, STORAGE, World, member, ref

UPLOAD = UploadRequest("r", ref(), False, size_bytes=1)


@pytest.fixture
async def world() -> World:
    world = await World().open()
    await world.mkdir("d")
    await world.put("file", size_bytes=10)
    return world


async def linked(world: World, *path: str) -> File:
    return await world.link(await world.get("file"), *path)


async def names(world: World, *path: str) -> list[str]:
    return list(await world.rules.links.list(ALICE, ref(*path)))


async def test_a_link_shows_the_file_by_another_name(world: World) -> None:
    file = await world.get("file")
    link = await linked(world, "d", "link")
    assert re.fullmatch(rf"link_[0-9a-f]{{16}}_file_{file.file_id}", link.file_id)
    shown = await world.get("d", "link")
    assert (shown.name, shown.type, shown.size_bytes, shown.owner_id) == (
        "link",
        FileType.REGULAR,
        10,
        "alice",
    )
    assert shown.parent_id == (await world.get("d")).file_id
    assert await names(world, "file") == await names(world, "d", "link") == [file.file_id, link.file_id]


async def test_a_link_is_listed_as_the_file(world: World) -> None:
    await linked(world, "d", "link")
    page = await world.rules.subtrees.list(ALICE, ref(), SubtreeQuery(with_locations=True), 10)
    found = {entry.path: entry for entry in page.entries}
    assert found["d/link"].file.size_bytes == 10
    assert found["d/link"].location == found["file"].location is not None
    assert (await world.get("d", "link")).file_id == found["d/link"].file.file_id


async def test_a_link_takes_the_place_of_a_file(world: World) -> None:
    file = await world.get("file")
    await world.put("other", size_bytes=3)
    with pytest.raises(FileExists):
        await world.link(file, "other")
    link = await world.link(file, "other", update_existing=True)
    assert await names(world, "file") == [file.file_id, link.file_id]
    assert (await world.get("other")).size_bytes == 10
    await world.clean_up()
    assert await world.used_bytes() == 10


async def test_a_link_takes_the_place_of_another_files_link(world: World) -> None:
    other = await world.put("other", size_bytes=3)
    await world.link(other, "link")
    link = await world.link(await world.get("file"), "link", update_existing=True)
    assert await names(world, "other") == [other.file_id]
    assert link.file_id in await names(world, "file")


async def test_a_name_the_file_has_already_stays_as_it_is(world: World) -> None:
    file = await world.get("file")
    link = await world.link(file, "link")
    for name, there in (("file", file), ("link", link)):
        assert (await world.link(file, name, update_existing=True)).file_id == there.file_id
    assert await names(world, "file") == [file.file_id, link.file_id]


async def test_a_link_never_takes_the_place_of_a_directory(world: World) -> None:
    file = await world.get("file")
    with pytest.raises(FileExists):
        await world.link(file, "d", update_existing=True)
    with pytest.raises(FileExists):
        await world.make("d", type=FileType.SYMLINK, target="file", update_existing=True)
    assert (await world.get("d")).is_directory


async def test_a_link_takes_only_a_place_that_may_be_given(world: World) -> None:
    await world.mkdir("sticky", mode=0o1777)
    await world.put("sticky", "mine", size_bytes=1)
    file = await world.put("sticky", "bobs", size_bytes=1, who=BOB)
    with pytest.raises(AccessDenied):
        await world.link(file, "sticky", "mine", who=BOB, update_existing=True)
    with pytest.raises(AccessDenied):
        await world.make("sticky", "mine", type=FileType.SYMLINK, target="x", who=BOB, update_existing=True)
    assert (await world.get("sticky", "mine")).owner_id == "alice"


async def test_content_is_the_same_by_every_name(world: World) -> None:
    await linked(world, "link")
    await world.put("link", size_bytes=7)
    for name in ("file", "link"):
        file, location = await world.rules.uploads.locate(ALICE, ref(name))
        assert location is not None
        assert (file.name, file.size_bytes, location.size_bytes) == (name, 7, 7)
    await world.put("file", size_bytes=5, offset=7)
    assert (await world.get("link")).size_bytes == 12
    assert await world.used_bytes() == 22  # what was replaced waits for its removal
    await world.clean_up()
    assert await world.used_bytes() == 12


async def test_first_writes_by_two_names_meet_in_one_storage_file(world: World) -> None:
    file = await world.make("empty")
    await world.link(file, "link")
    plans = [
        await world.rules.uploads.begin(ALICE, replace(UPLOAD, ref=ref(name))) for name in ("empty", "link")
    ]
    assert plans[0].inode_id == plans[1].inode_id == file.file_id
    assert plans[1].file_id != file.file_id


async def test_mode_and_metadata_belong_to_the_file(world: World) -> None:
    await linked(world, "link")
    changed = await world.rules.files.set_mode(ALICE, "r", ref("link"), 0o600)
    assert (changed.name, changed.mode) == ("link", 0o600)
    assert (await world.get("file")).mode == 0o600
    await world.rules.xattrs.update(ALICE, "r2", ref("link"), Update(set={"k": b"1"}))
    assert list((await world.rules.xattrs.list(ALICE, ref("file"), Asked())).xattrs) == [("k", b"1")]
    with pytest.raises(AccessDenied):
        await world.rules.uploads.locate(BOB, ref("link"))


async def test_the_first_name_may_go_before_the_others(world: World) -> None:
    file = await world.get("file")
    link = await linked(world, "link")
    await world.rules.files.delete(ALICE, "r", ref("file"))
    await world.rules.files.delete(ALICE, "r", ref("file"))
    await world.clean_up()
    assert await world.names() == ["d", "link"]
    assert (await world.get("link")).size_bytes == 10
    assert await names(world, "link") == [link.file_id]
    with pytest.raises(NoSuchFile):
        await world.rules.files.get(ALICE, ref(file_id=file.file_id))
    await world.put("link", size_bytes=4)
    await world.rules.xattrs.update(ALICE, "r2", ref("link"), Update(set={"k": b"1"}))
    await world.link(await world.get("link"), "third")
    assert (await world.get("link")).hard_link_count == 2


async def test_the_file_goes_with_its_last_name(world: World) -> None:
    await linked(world, "link")
    for name in ("file", "link"):
        assert await world.used_bytes() == 10
        await world.rules.files.delete(ALICE, f"r-{name}", ref(name))
        await world.clean_up()
    assert await world.used_bytes() == 0
    assert not await world.rules.removals.list(SERVICE, {STORAGE}, 10)


@pytest.mark.parametrize("gone", ["d", "file"])
async def test_a_tree_that_goes_takes_only_its_names(world: World, gone: str) -> None:
    file = await world.get("file")
    await linked(world, "d", "link")
    await world.rules.files.delete(ALICE, "r", ref(gone))
    await world.clean_up()
    left = ("d", "link") if gone == "file" else ("file",)
    shown = await world.get(*left)
    assert (shown.size_bytes, shown.hard_link_count) == (10, 1)
    assert (await names(world, *left) == [file.file_id]) is (gone == "d")


async def test_names_are_renamed_one_by_one(world: World) -> None:
    link = await linked(world, "link")
    moved, replaced = await world.rules.renames.rename(ALICE, "r", ref("link"), ref("d"), "moved")
    assert (moved.file_id, moved.name, moved.size_bytes, replaced) == (link.file_id, "moved", 10, False)
    assert await world.names() == ["d", "file"]
    again, _ = await world.rules.renames.rename(ALICE, "r", ref("link"), ref("d"), "moved")
    assert (again.file_id, again.size_bytes) == (link.file_id, 10)


async def test_a_rename_onto_another_name_of_the_file_does_nothing(world: World) -> None:
    await linked(world, "link")
    await world.rules.renames.rename(ALICE, "r", ref("link"), ref(), "file")
    assert await world.names() == ["d", "file", "link"]


async def test_a_name_that_is_replaced_is_a_name_less(world: World) -> None:
    await linked(world, "link")
    await world.put("other", size_bytes=3)
    await world.rules.renames.rename(ALICE, "r", ref("other"), ref(), "link")
    assert len(await names(world, "file")) == 1
    assert (await world.get("link")).size_bytes == 3
    await linked(world, "second")
    await world.rules.renames.rename(ALICE, "r2", ref("link"), ref(), "file")
    assert (await world.get("second")).size_bytes == 10
    assert (await world.get("file")).size_bytes == 3


async def test_directories_have_one_name(world: World) -> None:
    with pytest.raises(IsADirectory):
        await world.link(await world.get("d"), "link")
    with pytest.raises(IsADirectory):
        await names(world, "d")


async def test_a_link_to_a_symbolic_link_is_a_copy(world: World) -> None:
    symlink = await world.make("s", type=FileType.SYMLINK, target="file")
    copy = await world.link(symlink, "copy")
    assert (copy.type, copy.symlink_target) == (FileType.SYMLINK, "file")
    assert copy.file_id != symlink.file_id
    assert await names(world, "copy") == [copy.file_id]


async def test_a_link_to_a_link_is_one_to_its_file(world: World) -> None:
    await linked(world, "link")
    third = await world.link(await world.get("link"), "third")
    assert third.file_id.endswith((await world.get("file")).file_id)
    assert len(await names(world, "third")) == 3


async def test_the_number_of_names_is_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MAX_NAMES", 3)
    await linked(world, "l1")
    await linked(world, "l2")
    with pytest.raises(TooManyLinks):
        await linked(world, "l3")
    await world.rules.files.delete(ALICE, "r", ref("l1"))
    await linked(world, "l3")


async def test_links_made_at_once_are_all_known(world: World) -> None:
    file = await world.get("file")
    made = await asyncio.gather(*(world.link(file, f"l{number}") for number in range(8)))
    assert {link.file_id for link in made} | {file.file_id} == set(await names(world, "file"))


async def test_a_request_repeated_makes_one_link(world: World) -> None:
    file = await world.get("file")
    first, second = [await world.link(file, "link", request_id="r") for _ in range(2)]
    assert first.file_id == second.file_id
    assert len(await names(world, "file")) == 2
    await world.rules.files.delete(ALICE, "r2", ref("link"))
    with pytest.raises(NoSuchFile):
        await world.link(file, "link", request_id="r")


async def test_links_need_a_free_and_possible_name(world: World) -> None:
    file = await world.get("file")
    for path, error in (
        (("d",), FileExists), (("file",), FileExists), (("x" * 256,), NameTooLong), (("no", "x"), NoSuchFile),
        (("file", "x"), NotADirectory), ((".__onedata__x",), NotPermitted),
    ):  # fmt: skip
        with pytest.raises(error):
            await world.link(file, *path)
    assert len(await names(world, "file")) == 1


async def test_links_need_the_right_to_add_and_to_reach(world: World) -> None:
    await world.mkdir("closed", mode=0o700)
    secret = await world.put("closed", "secret", size_bytes=1)
    with pytest.raises(AccessDenied):
        await world.link(secret, "mine", who=BOB)
    with pytest.raises(AccessDenied):
        await world.link(await world.get("file"), "closed", "mine", who=BOB)
    assert len(await names(world, "file")) == 1


async def test_a_token_for_a_path_sees_the_names_there(world: World) -> None:
    await linked(world, "d", "link")
    confined = member(caveats=DataCaveats(readonly=False, paths=((f"/{SPACE}/d",),), object_ids=()))
    assert (await world.get("d", "link", who=confined)).size_bytes == 10
    with pytest.raises(AccessDenied):
        await world.get("file", who=confined)
    assert await world.names("d", who=confined) == ["link"]


async def test_a_directory_with_links_is_not_empty(world: World) -> None:
    await linked(world, "d", "link")
    with pytest.raises(DirectoryNotEmpty):
        await world.rules.files.delete(ALICE, "r", ref("d"), only_empty=True)
