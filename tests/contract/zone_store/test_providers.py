from __future__ import annotations

from dataclasses import replace

import pytest

from services.zone.domain.entities import Provider
from services.zone.domain.stores import Stores, Taken

KRAKOW = Provider("p1", "krakow", "op.example.org", "a@example.org", "u1", 50.1, 19.9, "21.02.8", 9, 4, "b1")


async def test_provider_comes_back_whole(stores: Stores) -> None:
    await stores.providers.create(KRAKOW)
    assert await stores.providers.find("p1") == KRAKOW
    assert await stores.providers.find("p9") is None
    assert await stores.providers.find_many(["p1", "p9"]) == [KRAKOW]
    assert await stores.providers.find_many([]) == []
    assert await stores.providers.list_ids() == ["p1"]


async def test_domain_is_unique(stores: Stores) -> None:
    await stores.providers.create(KRAKOW)
    with pytest.raises(Taken, match="domain"):
        await stores.providers.create(replace(KRAKOW, id="p2"))


async def test_update_sets_fields(stores: Stores) -> None:
    await stores.providers.create(KRAKOW)
    assert await stores.providers.update("p1", {"last_seen_ms": 10, "name": "other"})
    assert await stores.providers.find("p1") == replace(KRAKOW, last_seen_ms=10, name="other")
    assert not await stores.providers.update("p9", {"name": "other"})


async def test_only_what_is_told_makes_a_new_revision(stores: Stores) -> None:
    await stores.providers.create(KRAKOW)
    await stores.providers.touch("p1", 20)
    touched = await stores.providers.find("p1")
    assert touched is not None
    assert (touched.last_seen_ms, touched.revision) == (20, KRAKOW.created_at_ms)
    await stores.providers.update("p1", {"name": "other"})
    changed = await stores.providers.find("p1")
    assert changed is not None
    assert changed.revision > touched.revision


async def test_deleted_provider_is_gone(stores: Stores) -> None:
    await stores.providers.create(KRAKOW)
    assert await stores.providers.delete("p1")
    assert not await stores.providers.delete("p1")
