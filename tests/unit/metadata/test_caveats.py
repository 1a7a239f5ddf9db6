"""Tokens confined to places."""

from __future__ import annotations

import pytest

from runtime.errors import AccessDenied
from runtime.http.file_ids import encode
from runtime.identity import DataCaveats, Identity
from tests.support.metadata import ALICE, SPACE, World, member, ref


def confined(*paths: tuple[str, ...], readonly: bool = False) -> Identity:
    return member("alice", caveats=DataCaveats(readonly=readonly, paths=paths))


@pytest.fixture
async def world() -> World:
    world = await World().open()
    for path in (("a",), ("a", "b"), ("a", "b", "c"), ("d",)):
        await world.mkdir(*path)
    await world.put("a", "b", "f", size_bytes=5)
    await world.put("a", "other", size_bytes=5)
    return world


async def test_inside_its_place_a_token_does_all(world: World) -> None:
    token = confined((f"/{SPACE}/a/b",))
    assert (await world.get("a", "b", "f", who=token)).size_bytes == 5
    await world.put("a", "b", "new", size_bytes=1, who=token)
    assert await world.names("a", "b", who=token) == ["c", "f", "new"]


async def test_above_its_place_a_token_sees_only_the_way(world: World) -> None:
    token = confined((f"/{SPACE}/a/b/f",))
    assert await world.names(who=token) == ["a"]
    assert await world.names("a", who=token) == ["b"]
    assert await world.names("a", "b", who=token) == ["f"]
    assert (await world.get("a", who=token)).name == "a"


async def test_outside_its_place_a_token_has_nothing(world: World) -> None:
    token = confined((f"/{SPACE}/a/b",))
    for path in (("d",), ("a", "other"), ("d", "none")):
        with pytest.raises(AccessDenied):
            await world.get(*path, who=token)
    with pytest.raises(AccessDenied):
        await world.put("a", "new", size_bytes=1, who=token)


async def test_a_token_may_delete_just_its_own_place(world: World) -> None:
    token = confined((f"/{SPACE}/a/b/f",))
    await world.rules.files.delete(token, "r", ref("a", "b", "f"))
    assert await world.names("a", "b") == ["c"]


async def test_all_caveats_must_hold(world: World) -> None:
    token = confined((f"/{SPACE}/a", f"/{SPACE}/d"), (f"/{SPACE}/a/b", "/other"))
    assert await world.names(who=token) == ["a"]
    assert await world.names("a", who=token) == ["b"]
    with pytest.raises(AccessDenied):
        await world.get("d", who=token)


async def test_object_ids_confine_like_paths(world: World) -> None:
    file = await world.get("a", "b")
    caveats = DataCaveats(object_ids=((encode(SPACE, file.file_id), "00gibberish"),))
    token = member("alice", caveats=caveats)
    assert await world.names("a", who=token) == ["b"]
    assert (await world.get("a", "b", "f", who=token)).name == "f"
    with pytest.raises(AccessDenied):
        await world.get("a", "other", who=token)


async def test_a_place_that_is_gone_leaves_nothing(world: World) -> None:
    file = await world.get("a", "b")
    token = member("alice", caveats=DataCaveats(object_ids=((encode(SPACE, file.file_id),),)))
    await world.rules.files.delete(ALICE, "r", ref("a", "b"))
    with pytest.raises(AccessDenied):
        await world.names("a", who=token)


async def test_pages_of_a_confined_token_go_on(world: World) -> None:
    token = confined(tuple(f"/{SPACE}/{name}" for name in ("a", "d", "none")))
    assert await world.names(who=token, page_size=1) == ["a", "d"]
