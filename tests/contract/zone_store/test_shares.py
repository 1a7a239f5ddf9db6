from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.zone.domain.entities import Share
from services.zone.domain.stores import Stores, Taken

SHARE = Share("sh1", "s1", "results", "f1", "dir", "# text", "u1", 5)


async def test_share_comes_back_whole(stores: Stores) -> None:
    await stores.shares.create(SHARE)
    assert await stores.shares.find("sh1") == SHARE
    assert await stores.shares.find("sh9") is None


async def test_share_id_is_taken_once(stores: Stores) -> None:
    others = [replace(SHARE, name=f"name {number}") for number in range(6)]
    made = await asyncio.gather(*map(stores.shares.create, others), return_exceptions=True)
    assert made.count(None) == 1
    assert sum(isinstance(each, Taken) for each in made) == 5


async def test_shares_are_listed_by_their_space(stores: Stores) -> None:
    for share_id, space_id in (("b", "s1"), ("a", "s1"), ("c", "s2")):
        await stores.shares.create(replace(SHARE, id=share_id, space_id=space_id))
    assert await stores.shares.list_ids("s1") == ["a", "b"]


async def test_update_leaves_the_rest(stores: Stores) -> None:
    await stores.shares.create(SHARE)
    assert await stores.shares.update("sh1", {"description": "new"})
    assert await stores.shares.find("sh1") == replace(SHARE, description="new")
    assert not await stores.shares.update("sh9", {"name": "x"})


async def test_deleted_share_is_gone(stores: Stores) -> None:
    await stores.shares.create(SHARE)
    assert await stores.shares.delete("sh1")
    assert not await stores.shares.delete("sh1")
    assert await stores.shares.find("sh1") is None


async def test_shares_of_a_space_go_together(stores: Stores) -> None:
    for share_id, space_id in (("a", "s1"), ("b", "s1"), ("c", "s2")):
        await stores.shares.create(replace(SHARE, id=share_id, space_id=space_id))
    await stores.shares.delete_all("s1")
    assert (await stores.shares.list_ids("s1"), await stores.shares.list_ids("s2")) == ([], ["c"])


@pytest.mark.parametrize("root_type", ["file", "dir"])
async def test_root_types_are_kept(stores: Stores, root_type: str) -> None:
    await stores.shares.create(replace(SHARE, root_type=root_type))
    found = await stores.shares.find("sh1")
    assert found is not None
    assert found.root_type == root_type
