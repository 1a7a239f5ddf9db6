"""Extended attributes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from runtime.errors import AccessDenied, InvalidName, NameTooLong, NoData, NotPermitted, TooMuchData
from runtime.identity import Identity
from services.metadata.domain import custom_metadata as module
from services.metadata.domain import extras, permissions
from services.metadata.domain import xattrs as xattrs_module
from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.extras import Wanted
from services.metadata.domain.listing import PageStart
from services.metadata.domain.records import AclEntry
from services.metadata.domain.stores import CustomMetadata
from services.metadata.domain.tree import OwnsNothing
from services.metadata.domain.xattrs import Asked
from tests.support.metadata import ALICE, BOB, OWNER, World, ref


@pytest.fixture
async def world() -> World:
    world = await World().open()
    await world.make("a", mode=0o640)
    return world


async def update(world: World, *path: str, who: Identity = ALICE, request_id: str = "", **what: Any) -> None:
    await world.rules.xattrs.update(who, request_id, ref(*path or ("a",)), Update(**what))


async def listed(world: World, *path: str, who: Identity = ALICE, **asked: Any) -> dict[str, bytes]:
    told = await world.rules.xattrs.list(who, ref(*path or ("a",)), Asked(**asked))
    return dict(told.xattrs)


async def test_attributes_are_set_listed_and_removed(world: World) -> None:
    assert await listed(world) == {}
    await update(world, set={"b": b"1", "a.x": b'{"k":[1]}', "a.y": b"null"})
    assert await listed(world, prefix="a.") == {"a.x": b'{"k":[1]}', "a.y": b"null"}
    assert (await world.get("a")).has_custom_metadata
    await update(world, set={"b": b"2"}, remove=["a.x", "none"])
    assert await listed(world) == {"a.y": b"null", "b": b"2"}
    await update(world, set={"c": b"3"}, replace_all=True)
    assert await listed(world) == {"c": b"3"}
    await update(world, remove=["c"])
    assert not (await world.get("a")).has_custom_metadata


async def test_fields_of_the_file_change_with_them(world: World) -> None:
    before = await world.get("a")
    world.clock.advance(1)
    await update(world, set={"a": b"1"}, fields={"mimetype": "text/plain"})
    after = await world.get("a")
    assert (after.mimetype, after.ctime_ms) == ("text/plain", before.ctime_ms + 1000)
    assert after.mtime_ms == before.mtime_ms


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("", b"1", InvalidName),
        ("a\0", b"1", InvalidName),
        ("x" * 256, b"1", NameTooLong),
        ("cdmi_acl", b"1", NotPermitted),
        ("onedata_json", b"1", NotPermitted),
        ("a", b"{", InvalidName),
        ("a", b"\xff", InvalidName),
    ],
)
async def test_impossible_attributes_change_nothing(
    world: World, name: str, value: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await update(world, set={"good": b"1", name: value})
    assert await listed(world) == {}


async def test_attributes_have_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 10)
    await update(world, set={"a": b'"12345"'})
    with pytest.raises(TooMuchData):
        await update(world, set={"b": b"123"})


async def test_rights_are_asked(world: World) -> None:
    await listed(world, who=BOB)
    with pytest.raises(AccessDenied):
        await update(world, who=BOB, set={"a": b"1"})
    await world.rules.files.set_mode(ALICE, "", ref("a"), 0o600)
    with pytest.raises(AccessDenied):
        await listed(world, who=BOB)


async def test_concurrent_updates_all_count(world: World) -> None:
    await asyncio.gather(*(update(world, set={f"a{n}": b"1"}) for n in range(10)))
    assert len(await listed(world)) == 10


async def test_concurrent_updates_of_places_in_one_document_all_count(world: World) -> None:
    await asyncio.gather(*(update(world, json=JsonUpdate(b"%d" % n, f"k.[{n}]")) for n in range(40)))
    assert json.loads(await world.rules.xattrs.get_json(ALICE, ref("a"), "k")) == list(range(40))


async def test_a_change_between_reading_and_writing_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.stores.custom_metadata
    find = store.find

    async def find_and_be_overtaken(file_id: str) -> CustomMetadata | None:
        found = await find(file_id)
        monkeypatch.setattr(store, "find", find)
        await World(stores=world.stores, ownership=OwnsNothing()).rules.xattrs.update(
            ALICE, "", ref("a"), Update(set={"theirs": b"1"})
        )
        return found

    monkeypatch.setattr(store, "find", find_and_be_overtaken)
    await update(world, set={"ours": b"1"})
    assert await listed(world) == {"ours": b"1", "theirs": b"1"}


async def test_everything_changes_together_or_nothing_does(world: World) -> None:
    acl = [AclEntry(True, "bob", permissions.READ_METADATA)]
    with pytest.raises(InvalidName):
        await update(world, set={"a": b"1"}, acl=[AclEntry(True, "bob", permissions.TRAVERSE)])
    await update(world, json=JsonUpdate(b"1"))
    with pytest.raises(NoData):
        await update(world, acl=acl, json=JsonUpdate(b"1", "a"), set={"a": b"1"})
    assert (await world.get("a")).acl is None
    await update(world, acl=acl, rdf=b"", set={"a": b"1"})
    assert (await world.get("a")).acl == tuple(acl)
    assert await listed(world, who=BOB) == {"a": b"1"}


async def test_what_changes_nothing_is_not_written(world: World) -> None:
    await update(world, set={"a": b"1"}, acl=[AclEntry(True, "OWNER@", permissions.FILE_BITS)])
    before = await world.get("a")
    await update(world, set={"a": b"1"}, acl=[AclEntry(True, "OWNER@", permissions.FILE_BITS)])
    await update(world, remove=["none", "onedata_rdf"])
    assert await world.get("a") == before


async def test_replacing_all_takes_the_documents_and_leaves_the_acl(world: World) -> None:
    acl = [AclEntry(True, "OWNER@", permissions.FILE_BITS)]
    await update(world, set={"a": b"1"}, json=JsonUpdate(b"1"), rdf=b"<x/>", acl=acl)
    await update(world, set={"b": b"2"}, replace_all=True)
    assert await listed(world, internal=True) == {"b": b"2"}
    assert (await world.get("a")).acl == tuple(acl)
    await update(world, replace_all=True)
    assert not (await world.get("a")).has_custom_metadata


ALL = permissions.FILE_BITS


@pytest.mark.parametrize(
    ("what", "bit"),
    [
        ({"set": {"a": b"1"}}, permissions.WRITE_METADATA),
        ({"remove": ["a"]}, permissions.WRITE_METADATA),
        ({"replace_all": True}, permissions.WRITE_METADATA),
        ({"json": JsonUpdate(b"1")}, permissions.WRITE_METADATA),
        ({"rdf": b""}, permissions.WRITE_METADATA),
        ({"remove": ["onedata_rdf"]}, permissions.WRITE_METADATA),
        ({"acl": []}, permissions.WRITE_ACL),
        ({"remove": ["cdmi_acl"]}, permissions.WRITE_ACL),
        ({"fields": {"mimetype": "a/b"}}, permissions.WRITE_ATTRIBUTES),
    ],
)
async def test_each_kind_of_change_has_a_right_of_its_own(
    world: World, what: dict[str, Any], bit: int
) -> None:
    await update(world, acl=[AclEntry(True, "bob", ALL & ~bit)], who=OWNER)
    with pytest.raises(AccessDenied):
        await update(world, who=BOB, **what)
    await update(world, acl=[AclEntry(True, "bob", bit)], who=OWNER)
    await update(world, who=BOB, **what)


@pytest.mark.parametrize(
    ("asked", "bit"),
    [
        ({}, permissions.READ_METADATA),
        ({"names": ["a"]}, permissions.READ_METADATA),
        ({"names": ["onedata_json"]}, permissions.READ_METADATA),
        ({"names": ["cdmi_acl"]}, permissions.READ_ACL),
        ({"names": ["cdmi_mimetype"]}, permissions.READ_ATTRIBUTES),
    ],
)
async def test_each_kind_of_attribute_has_a_right_of_its_own(
    world: World, asked: dict[str, Any], bit: int
) -> None:
    await update(world, acl=[AclEntry(True, "bob", ALL & ~bit)], who=OWNER)
    with pytest.raises(AccessDenied):
        await listed(world, who=BOB, **asked)
    await update(world, acl=[AclEntry(True, "bob", bit)], who=OWNER)
    await listed(world, who=BOB, **asked)


async def test_what_is_inherited_must_be_readable_all_the_way(world: World) -> None:
    await world.mkdir("d", mode=0o711)
    await world.make("d", "b")
    await listed(world, "d", "b", who=BOB)
    for read in (
        listed(world, "d", "b", who=BOB, inherited=True),
        world.rules.xattrs.get_json(BOB, ref("d", "b"), "", inherited=True),
    ):
        with pytest.raises(AccessDenied):
            await read
    assert await listed(world, "d", "b", inherited=True) == {}


async def test_too_much_to_inherit_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xattrs_module, "MAX_READ_BYTES", 10)
    await world.mkdir("d")
    await world.make("d", "b")
    for path in (("d",), ("d", "b")):
        await update(world, *path, json=JsonUpdate(b"[1,2,3]"))
    with pytest.raises(TooMuchData):
        await world.rules.xattrs.get_json(ALICE, ref("d", "b"), "", inherited=True)


async def test_documents_have_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", 10)
    monkeypatch.setattr(module, "MAX_RDF_BYTES", 10)
    await update(world, json=JsonUpdate(b'{"a":1234}'), rdf=b"x" * 10)
    for what in ({"json": JsonUpdate(b"1", "b")}, {"rdf": b"x" * 11}, {"json": JsonUpdate(b" " * 10 + b"1")}):
        with pytest.raises(TooMuchData):
            await update(world, **what)
    assert await world.rules.xattrs.get_json(ALICE, ref("a"), "") == b'{"a":1234}'


async def test_a_page_with_much_to_tell_ends_early_and_none_is_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "MAX_PAGE_BYTES", 25)
    await world.mkdir("d")
    for name in "abcde":
        await world.make("d", name)
        await update(world, "d", name, set={"k": b'"0123456789"', "other": b"0"})
    told: list[tuple[str, bytes]] = []
    start, pages = PageStart(), 0
    while True:
        wanted = Wanted(xattrs=frozenset({"k"}))
        page = await world.rules.listing.list(ALICE, ref("d"), start, 100, wanted=wanted)
        values = [extra.xattrs["k"] for extra in page.extras]
        told += zip(page.columns["name"], values, strict=True)
        pages += 1
        if page.is_last:
            break
        start = PageStart(token=page.next_token)
    assert told == [(name, b'"0123456789"') for name in "abcde"]
    assert pages > 1


async def test_attributes_go_with_their_file(world: World) -> None:
    await update(world, set={"a": b"1"})
    file = await world.get("a")
    await world.rules.files.delete(ALICE, "", ref("a"))
    await world.clean_up()
    assert await world.stores.custom_metadata.find(file.file_id) is None


@pytest.mark.parametrize(
    ("who", "what", "refusal"),
    [
        (BOB, {"set": {"k": b"1"}}, AccessDenied),
        (ALICE, {"set": {"n" * 256: b"1"}}, NameTooLong),
        (ALICE, {"acl": [AclEntry(True, "EVERYONE@", 0x4)]}, InvalidName),
        (
            ALICE,
            {"set": {"k": b"1"}, "acl": [AclEntry(True, "EVERYONE@", 1)], "fields": {"mimetype": "a/b"}},
            None,
        ),
    ],
)
async def test_a_check_refuses_as_the_change_would_and_changes_nothing(
    world: World, who: Identity, what: dict[str, Any], refusal: type[Exception] | None
) -> None:
    before = await world.get("a")
    for check_only in (True, False):
        call = world.rules.xattrs.update(who, "r", ref("a"), Update(**what), check_only=check_only)
        if refusal is None:
            await call
        else:
            with pytest.raises(refusal):
                await call
        assert check_only is False or await world.get("a") == before
    assert (await world.get("a") == before) == (refusal is not None)
