"""A subtree told in columns has the files, and the bounds, of one told by a record for each file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import IsthmusError
from runtime.identity import DataCaveats, Identity
from services.metadata.domain import extras, subtree_pages, walks
from services.metadata.domain.columns import FIELDS, columns_of
from services.metadata.domain.custom_metadata import Update
from services.metadata.domain.extras import Wanted
from services.metadata.domain.permissions import DIRECTORY_BITS, FILE_BITS, LIST, TRAVERSE
from services.metadata.domain.records import AclEntry, FileType
from services.metadata.domain.subtrees import SubtreeColumns, SubtreePage, SubtreeQuery
from services.metadata.domain.tokens import PageTokens
from tests.support.metadata import ALICE, BOB, OWNER, SPACE, World, member, ref

Path = tuple[str, ...]

NAMES = ("a", "b", "ba", "é")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)
#: What lies at a path: a directory closed by its mode or by an ACL, or a file of some kind.
KINDS = st.sampled_from(["file", "full", "symlink", "link", "open", "closed", "denied"])


async def plant(tree: dict[Path, str]) -> World:
    """A world with these files; what lies below something that is no directory is left out."""
    world = await World().open()
    target = await world.put(".target", size_bytes=5)
    folders: set[Path] = {()}
    for path, kind in sorted(tree.items()):
        if path[:-1] not in folders:
            continue
        match kind:
            case "file":
                await world.make(*path)
            case "full":
                await world.put(*path, size_bytes=7)
            case "symlink":
                await world.make(*path, type=FileType.SYMLINK, target="somewhere/else")
            case "link":
                await world.link(target, *path)
            case _:
                await world.mkdir(*path, mode=0o700 if kind == "closed" else None)
                folders.add(path)
        if kind == "denied":
            acl = [AclEntry(False, "bob", LIST), AclEntry(True, "EVERYONE@", LIST | TRAVERSE | 0x7)]
            await world.rules.xattrs.update(OWNER, "", ref(*path), Update(acl=acl))
    # Times that are not written yet, of directories and of a file with several names.
    world.clock.advance(100)
    await world.make("newest")
    world.rules.touches.read(await world.get(".target"))
    return world


def confined(*paths: str) -> Identity:
    caveats = DataCaveats(readonly=False, paths=(tuple(f"/{SPACE}{path}" for path in paths),), object_ids=())
    return member("alice", caveats=caveats)


CALLERS = {
    "member": ALICE,
    "other": BOB,
    "owner of the space": OWNER,
    "confined": confined("/a", "/b/ba"),
    "confined to one": confined("/a/b"),
}


async def by_records(world: World, who: Identity, base: Path, query: SubtreeQuery, size: int) -> Any:
    return await told(world.rules.subtrees.list(who, ref(*base), query, size))


async def by_columns(world: World, who: Identity, base: Path, query: SubtreeQuery, size: int) -> Any:
    return await told(world.rules.subtrees.list_columns(who, ref(*base), query, size, FIELDS))


async def told(listing: Any) -> tuple[Any, str]:
    """Everything of a page, and the token of the next one."""
    try:
        page: SubtreePage | SubtreeColumns = await listing
    except IsthmusError as error:
        return type(error), ""
    if isinstance(page, SubtreeColumns):
        return (
            list(page.paths),
            list(page.parent_ids),
            page.columns,
            list(page.inaccessible),
        ), page.next_token
    files = [entry.file for entry in page.entries]
    paths, parent_ids = [entry.path for entry in page.entries], [file.parent_id for file in files]
    return (paths, parent_ids, columns_of(files, FIELDS), list(page.inaccessible)), page.next_token


@given(
    tree=st.dictionaries(PATHS, KINDS, max_size=14),
    who=st.sampled_from(sorted(CALLERS)),
    base=st.one_of(st.just(()), PATHS),
    start_after=st.lists(st.sampled_from(NAMES), max_size=3).map("/".join),
    prefix=st.sampled_from(["", "", "", "a", "b", "b/", "a/b", "ba/é", "é"]),
    directories=st.booleans(),
    size=st.integers(1, 8),
)
@settings(max_examples=150, deadline=None)
async def test_columns_and_records_make_the_same_pages(
    tree: dict[Path, str],
    who: str,
    base: Path,
    start_after: str,
    prefix: str,
    directories: bool,
    size: int,
) -> None:
    world = await plant(tree)
    base = base if base in tree else ()
    query = SubtreeQuery(start_after=start_after, prefix=prefix, include_directories=directories)
    for _ in range(40):
        expected, token = await by_records(world, CALLERS[who], base, query, size)
        assert await by_columns(world, CALLERS[who], base, query, size) == (expected, token)
        if not token:
            return
        query = SubtreeQuery(token=token)
    raise AssertionError("the pages find no end")


async def test_long_texts_end_a_page_early(monkeypatch: Any) -> None:
    monkeypatch.setattr(subtree_pages, "MAX_PAGE_BYTES", 4000)
    world = await World().open()
    await world.mkdir("d" * 200)
    names = [f"{at}{'é' * 120}" for at in range(9)]
    for name in names:
        await world.make("d" * 200, name)
    found: list[str] = []
    query, pages = SubtreeQuery(), 0
    while query.token or not pages:
        page = await world.rules.subtrees.list_columns(ALICE, ref(), query, 100, ())
        assert len(page.paths) < len(names)
        assert page.paths or not page.next_token
        found, pages, query = [*found, *page.paths], pages + 1, SubtreeQuery(token=page.next_token)
    assert found == [f"{'d' * 200}/{name}" for name in names]


async def test_a_directory_that_is_gone_while_a_page_is_made_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await World().open()
    for name in ("a", "b"):
        await world.mkdir(name)
        await world.make(name, "inside")
    gone = await world.get("b")
    list_names = world.stores.files.list_names

    async def before(parent_id: str, names: Any) -> Any:
        current = await world.stores.files.find(gone.file_id)
        if current is not None and not current.deleted:
            await world.rules.files.delete(ALICE, "", replace(ref(), file_id=gone.file_id))
        return await list_names(parent_id, names)

    monkeypatch.setattr(world.stores.files, "list_names", before)
    page = await world.rules.subtrees.list_columns(ALICE, ref(), SubtreeQuery(), 100, ())
    assert (page.paths, page.next_token) == (["a/inside"], "")


async def test_links_tell_the_newest_times_of_their_files() -> None:
    world = await World().open()
    target = await world.put("a", size_bytes=3)
    await world.link(target, "l")
    world.clock.advance(60)
    world.rules.touches.read(await world.get("a"))
    page = await world.rules.subtrees.list_columns(ALICE, ref(), SubtreeQuery(), 100, ["atime_ms"])
    assert page.columns["atime_ms"] == [(await world.get("a")).atime_ms] * 2
    assert page.columns["atime_ms"][0] > target.atime_ms


async def test_a_directory_left_behind_is_not_entered_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(walks, "MAX_READS", 4)
    world = await World().open()
    for name in ("c0", "c1", "d"):
        await world.mkdir(name)
    await world.make("d", "x")
    await world.make("e")
    # All reads are made when `d` ends, and so does what was read of the directory above.
    first = await world.rules.subtrees.list_columns(ALICE, ref(), SubtreeQuery(), 2, ())
    rest = await world.rules.subtrees.list_columns(ALICE, ref(), SubtreeQuery(token=first.next_token), 2, ())
    assert (first.paths, rest.paths) == (["d/x"], ["e"])


async def test_tokens_of_older_instances_go_on_below_the_directory_told_last() -> None:
    world = await World().open()
    directory = await world.mkdir("d")
    await world.make("d", "x")
    base = await world.get()
    # After `d` and before its content, as instances told it that did not say so.
    state = {"prefix": "", "directories": True, "place": f"d\0{directory.named_by}"}
    token = PageTokens(b"secret").make_text(base.file_id, json.dumps(state))
    page = await world.rules.subtrees.list_columns(ALICE, ref(), SubtreeQuery(token=token), 10, ())
    assert page.paths == ["d/x"]


async def test_what_does_not_fit_beside_the_start_comes_next(monkeypatch: Any) -> None:
    monkeypatch.setattr(extras, "MAX_PAGE_BYTES", 1)
    world = await World().open()
    await world.mkdir("m")
    await world.mkdir("m", "a")
    await world.mkdir("m", "d")
    await world.make("m", "d", "x")
    for path in ("m", "m/a", "m/d", "m/d/x"):
        bits = FILE_BITS if path.endswith("x") else DIRECTORY_BITS
        acl = [AclEntry(True, "EVERYONE@", bits)]
        await world.rules.xattrs.update(OWNER, "", ref(*path.split("/")), Update(acl=acl))
    found: list[str] = []
    query = SubtreeQuery(include_directories=True, wanted=Wanted(acl=True))
    while True:
        page = await world.rules.subtrees.list(ALICE, ref("m"), query, 10)
        found += [entry.path for entry in page.entries]
        if not page.next_token:
            break
        query = replace(query, token=page.next_token)
    assert found == [".", "a", "d", "d/x"]


@given(
    counts=st.lists(st.sampled_from([0, 1, 3, 3, 3, 3, 40]), min_size=20, max_size=60),
    who=st.sampled_from(["member", "other", "confined"]),
    size=st.sampled_from([7, 30, 1000]),
)
@settings(max_examples=30, deadline=None)
async def test_directories_that_are_read_together_tell_the_same(
    counts: list[int], who: str, size: int
) -> None:
    tree: dict[Path, str] = {(f"d{at:02}",): "closed" if at % 9 == 4 else "open" for at in range(len(counts))}
    tree |= {(f"d{at:02}", f"f{n:02}"): "file" for at, count in enumerate(counts) for n in range(count)}
    tree |= {("d10", "sub", f"e{n}"): "open" for n in range(4)} | {("d10", "sub"): "open"}
    world = await plant(tree)
    query = SubtreeQuery()
    while True:
        expected, token = await by_records(world, CALLERS[who], (), query, size)
        assert await by_columns(world, CALLERS[who], (), query, size) == (expected, token)
        if not token:
            return
        query = SubtreeQuery(token=token)


async def test_small_directories_are_read_together(monkeypatch: Any) -> None:
    world = await World().open()
    for at in range(100):
        await world.mkdir(f"d{at:02}")
        await world.make(f"d{at:02}", "x")
    reads = []
    for name in ("list_columns", "list_columns_of", "list_names"):
        read = getattr(world.stores.files, name)

        async def counted(*args: Any, read: Any = read, **options: Any) -> Any:
            reads.append(read)
            return await read(*args, **options)

        monkeypatch.setattr(world.stores.files, name, counted)
    page = await world.rules.subtrees.list_columns(ALICE, ref(), SubtreeQuery(), 1000, ())
    assert page.paths == [f"d{at:02}/x" for at in range(100)]
    assert len(reads) < 10
