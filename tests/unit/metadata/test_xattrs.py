"""Extended attributes."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import AccessDenied, InvalidName, NameTooLong, NotPermitted
from services.metadata.domain import xattrs as module
from tests.support.metadata import ALICE, BOB, World, ref


@pytest.fixture
async def world() -> World:
    world = await World().open()
    await world.make("a", mode=0o640)
    return world


async def update(world: World, who=ALICE, request_id: str = "", **what: object) -> None:  # type: ignore[no-untyped-def]
    values = {"set_": {}, **what}
    await world.rules.xattrs.update(who, request_id, ref("a"), **values)


async def listed(world: World, prefix: str = "") -> dict[str, bytes]:
    return dict(await world.rules.xattrs.list(ALICE, ref("a"), prefix))


async def test_attributes_are_set_listed_and_removed(world: World) -> None:
    assert await listed(world) == {}
    await update(world, set_={"b": b"1", "a.x": b'{"k":[1]}', "a.y": b"null"})
    assert await listed(world, "a.") == {"a.x": b'{"k":[1]}', "a.y": b"null"}
    assert (await world.get("a")).has_custom_metadata
    await update(world, set_={"b": b"2"}, remove=["a.x", "none"])
    assert await listed(world) == {"a.y": b"null", "b": b"2"}
    await update(world, set_={"c": b"3"}, replace_all=True)
    assert await listed(world) == {"c": b"3"}
    await update(world, remove=["c"])
    assert not (await world.get("a")).has_custom_metadata


async def test_fields_of_the_file_change_with_them(world: World) -> None:
    before = await world.get("a")
    world.clock.advance(1)
    await update(world, set_={"a": b"1"}, fields={"mimetype": "text/plain"})
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
        await update(world, set_={"good": b"1", name: value})
    assert await listed(world) == {}


async def test_attributes_have_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 10)
    await update(world, set_={"a": b'"12345"'})
    with pytest.raises(InvalidName):
        await update(world, set_={"b": b"123"})


async def test_rights_are_asked(world: World) -> None:
    await world.rules.xattrs.list(BOB, ref("a"), "")
    with pytest.raises(AccessDenied):
        await update(world, who=BOB, set_={"a": b"1"})
    await world.rules.files.set_mode(ALICE, "", ref("a"), 0o600)
    with pytest.raises(AccessDenied):
        await world.rules.xattrs.list(BOB, ref("a"), "")


async def test_concurrent_updates_all_count(world: World) -> None:
    await asyncio.gather(*(update(world, set_={f"a{n}": b"1"}) for n in range(10)))
    assert len(await listed(world)) == 10


async def test_attributes_go_with_their_file(world: World) -> None:
    await update(world, set_={"a": b"1"})
    file = await world.get("a")
    await world.rules.files.delete(ALICE, "", ref("a"))
    await world.clean_up()
    assert await world.stores.custom_metadata.find(file.file_id) is None
