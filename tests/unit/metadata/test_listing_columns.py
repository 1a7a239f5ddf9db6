"""A page told by columns is what a record for each file would tell."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.metadata.v1 import files_pb2, subtrees_pb2

from clients.file_columns import columns_of, files_of, mask_of
from runtime.auth import as_caller
from services.metadata.api.columns import columns_to_proto, fields_from_mask
from services.metadata.api.convert import file_to_proto
from services.metadata.api.subtrees import SubtreeServicer
from services.metadata.domain import columns
from services.metadata.domain.extras import Extra, Wanted
from services.metadata.domain.listing import PageStart
from services.metadata.domain.records import AclEntry, File, FileType
from tests.support.metadata import ALICE, SPACE, World, ref

NAMES = ("a", "b", "d", "dd", "l", "s", "é")
FIELDS = sorted(columns.FIELDS)
#: Has each child asked for rights, which takes its record, and wants nothing.
BY_RECORD = Wanted()


async def a_world() -> World:
    """A directory with some of everything, and with times that are not written yet."""
    world = await World().open()
    target = await world.make("a")
    await world.mkdir("d")
    await world.mkdir("dd")
    await world.link(target, "l")
    await world.make("s", type=FileType.SYMLINK, target="a")
    await world.put("b", size_bytes=7)
    await world.make("é")
    world.clock.advance(10)
    await world.make("d", "inside")
    return world


@functools.cache
def start_of(kind: str) -> dict[str, object]:
    return {
        "beginning": {},
        "name": {"name": "d"},
        "behind": {"name": "d", "inclusive": False},
        "offset": {"offset": 2},
        "before": {"name": "l", "offset": -2},
    }[kind]


@given(
    fields=st.sets(st.sampled_from(FIELDS)),
    size=st.integers(1, len(NAMES) + 1),
    start=st.sampled_from(["beginning", "name", "behind", "offset", "before"]),
    as_file=st.booleans(),
)
@settings(max_examples=60, deadline=None)
async def test_columns_and_records_make_the_same_pages(
    fields: set[str], size: int, start: str, as_file: bool
) -> None:
    world = await a_world()
    place, begin = ref("b") if as_file else ref(), PageStart(**start_of(start))  # type: ignore[arg-type]
    while True:
        fast = await world.rules.listing.list(ALICE, place, begin, size, fields)
        general = await world.rules.listing.list(ALICE, place, begin, size, fields, BY_RECORD)
        assert (fast.columns, fast.is_last) == (general.columns, general.is_last)
        assert (fast.parent_id, fast.next_token) == (general.parent_id, general.next_token)
        if fast.is_last:
            break
        begin = PageStart(token=fast.next_token)


async def test_columns_have_the_newest_times_and_the_files_of_links() -> None:
    world = await a_world()
    page = await world.rules.listing.list(ALICE, ref(), PageStart(), 100, FIELDS)
    assert page.columns["name"] == list(NAMES)
    for at, name in enumerate(NAMES):
        file = await world.get(name)
        assert {field: column[at] for field, column in page.columns.items()} == {
            field: getattr(file, field) for field in columns.FIELDS
        }


async def test_only_what_is_asked_for_is_told() -> None:
    world = await a_world()
    page = await world.rules.listing.list(ALICE, ref(), PageStart(), 100, ["mode"])
    assert page.columns.keys() == {"file_id", "name", "named_by", "mode"}


@given(
    fields=st.sets(st.sampled_from([*FIELDS, "acl", "xattrs", "space_id", "parent_id"])),
    acl=st.booleans(),
    shares=st.booleans(),
)
@settings(deadline=None)
async def test_columns_travel_as_the_records_would(fields: set[str], acl: bool, shares: bool) -> None:
    world = await a_world()
    files = [await world.get(name) for name in NAMES if name != "l"]
    if shares:
        files[0] = files[0].changed(share_ids=("s1", "s2"))
    entries = (AclEntry(True, "OWNER@", 1),)
    extras = [Extra(entries, {"k": b"1"}) if acl and at % 2 else Extra() for at in range(len(files))]
    mask = mask_of(fields - {"named_by"})
    told = travelled(files, fields_from_mask(mask.paths), extras)
    whole = [file_to_proto(file, (), extra) for file, extra in zip(files, extras, strict=True)]
    wanted = {"file_id", "name", "space_id", "parent_id", "acl", "xattrs", *mask.paths}
    assert [part(file, wanted) for file in files_of(told)] == [part(file, wanted) for file in whole]
    by_column = columns_of(told, wanted)
    for field in wanted:
        assert list(map(plain, by_column[field])) == [plain(getattr(file, field)) for file in whole]


async def test_a_subtree_in_columns_has_the_files_of_its_entries() -> None:
    world = await a_world()
    servicer = SubtreeServicer(world.rules.subtrees)
    fields = set(FIELDS) - {"named_by"}
    request = subtrees_pb2.ListSubtreeRequest(page_size=100, include_directories=True)
    request.directory.space_id = SPACE
    with as_caller(ALICE, b""):
        entries = (await servicer.ListSubtree(request, None)).entries
        request.read_mask.CopyFrom(mask_of(fields))
        told = await servicer.ListSubtree(request, None)
    kept = {"space_id", "parent_id", *fields}
    assert list(told.paths) == [entry.path for entry in entries]
    assert files_of(told.columns) == [part(entry.file, kept) for entry in entries]
    assert columns_of(told.columns, kept)["parent_id"] == [entry.file.parent_id for entry in entries]
    assert len(entries) == len(NAMES) + 2, "the directory itself and what is inside another"


def travelled(files: list[File], fields: set[str], extras: list[Extra]) -> files_pb2.FileColumns:
    told = columns_to_proto(columns.columns_of(files, {*columns.IDENTITY, *fields}), extras)
    told.space_id, told.parent_id = files[0].space_id, files[0].parent_id
    return files_pb2.FileColumns.FromString(told.SerializeToString())


def plain(value: Any) -> Any:
    """A value of a record; of several values a list or dictionary, whatever holds them."""
    if isinstance(value, str | int | bytes):
        return value
    return dict(value) if hasattr(value, "items") else list(value)


def part(file: files_pb2.File, fields: set[str]) -> files_pb2.File:
    """The file without its other fields."""
    some = files_pb2.File()
    some.CopyFrom(file)
    for field in file.DESCRIPTOR.fields:
        if field.name not in fields:
            some.ClearField(field.name)  # type: ignore[arg-type]
    return some
