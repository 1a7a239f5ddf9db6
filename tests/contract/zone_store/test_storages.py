from __future__ import annotations

from dataclasses import replace

import pytest

from services.zone.domain.entities import Storage
from services.zone.domain.stores import Stores, Taken

DISK = Storage("st1", "p1", "disk", {"geo.place$": "PL", "speed": 2.5}, imported=True, created_at_ms=5)


async def test_storage_comes_back_whole(stores: Stores) -> None:
    await stores.storages.create(DISK)
    assert await stores.storages.find("st1") == DISK
    assert await stores.storages.find("st9") is None
    assert await stores.storages.find_many(["st1", "st9"]) == [DISK]


async def test_ids_are_unique(stores: Stores) -> None:
    await stores.storages.create(DISK)
    with pytest.raises(Taken, match="id"):
        await stores.storages.create(replace(DISK, provider_id="p2"))


async def test_storages_of_a_provider_are_in_order_and_go_with_it(stores: Stores) -> None:
    for storage_id, provider_id in (("b", "p1"), ("a", "p1"), ("c", "p2")):
        await stores.storages.create(replace(DISK, id=storage_id, provider_id=provider_id))
    assert [each.id for each in await stores.storages.of_provider("p1")] == ["a", "b"]
    await stores.storages.delete_all("p1")
    assert await stores.storages.of_provider("p1") == []
    assert await stores.storages.find("c") is not None


async def test_changes_make_a_new_revision(stores: Stores) -> None:
    await stores.storages.create(DISK)
    assert await stores.storages.update("st1", {"name": "other", "qos_parameters": {"x": "y"}})
    assert not await stores.storages.update("st9", {"name": "other"})
    changed = await stores.storages.find("st1")
    assert changed == replace(DISK, name="other", qos_parameters={"x": "y"})
    assert changed is not None
    assert changed.revision > DISK.created_at_ms
    assert await stores.storages.delete("st1")
    assert not await stores.storages.delete("st1")
