"""Quotas by lease: cheap, exact, and whole again after a crash."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from runtime.clock import ManualClock
from runtime.errors import NoSpace
from services.metadata.domain.quotas import IDLE_AFTER_S, LAPSE_AFTER_S, MAX_SPARE_BYTES, VALID_FOR_S, Quotas
from services.metadata.domain.stores import Stores, Usage
from services.metadata.store.memory import memory_stores
from services.metadata.store.memory_contents import MemoryQuotaStore
from services.metadata.workers.quota_recounter import QuotaRecounter
from tests.support.metadata import SERVICE, SPACE, World, ref

MIB = 1 << 20
LARGE = 10_000 * MIB


class CountingQuotaStore(MemoryQuotaStore):
    """Counts what costs a round trip, and lets others run during it."""

    leases = 0

    async def lease(
        self, space_id: str, holder: str, *, spent_bytes: int, needed_bytes: int, spare_bytes: int
    ) -> tuple[Usage, int]:
        self.leases += 1
        outcome = await super().lease(
            space_id, holder, spent_bytes=spent_bytes, needed_bytes=needed_bytes, spare_bytes=spare_bytes
        )
        await asyncio.sleep(0)
        return outcome


async def opened(quota_bytes: int, clock: ManualClock) -> tuple[CountingQuotaStore, Quotas]:
    store = CountingQuotaStore(clock.monotonic_s)
    await store.ensure(SPACE, quota_bytes)
    return store, Quotas(store, clock)


async def test_many_charges_cost_the_store_little() -> None:
    store, quotas = await opened(LARGE, ManualClock())
    await quotas.charge(SPACE, 4096)
    for _ in range(1000):
        await quotas.charge(SPACE, 4096)
    assert store.leases == 2
    assert (await quotas.usage(SPACE)).used_bytes == 1001 * 4096


async def test_charges_that_wait_are_leased_together() -> None:
    store, quotas = await opened(1000, ManualClock())
    outcomes = await asyncio.gather(*(quotas.charge(SPACE, 7) for _ in range(200)), return_exceptions=True)
    assert outcomes.count(None) == 142
    assert sum(isinstance(outcome, NoSpace) for outcome in outcomes) == 58
    assert store.leases < 100
    assert (await quotas.usage(SPACE)).used_bytes == 994


async def test_instances_that_share_a_space_never_exceed_its_quota() -> None:
    stores = memory_stores()
    one = await World(stores=stores).open(quota_bytes=1000)
    two = World(stores=stores)
    uploads = (world.put(f"f{n}", size_bytes=70) for n in range(12) for world in (one, two))
    # Both take the same names: who is second replaces, and needs room for both until the old bytes are gone.
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 14
    assert await stores.locations.held_bytes(SPACE) == 980
    await one.rules.quotas.close()
    assert await two.used_bytes() == 980


async def test_nobody_holds_more_than_a_share_of_what_is_left() -> None:
    clock = ManualClock()
    store, one = await opened(1000 * MIB, clock)
    for _ in range(100):
        await one.charge(SPACE, 4096)
    usage = await store.find(SPACE)
    assert usage is not None
    assert usage.leased_bytes <= MAX_SPARE_BYTES
    await Quotas(store, clock).charge(SPACE, 900 * MIB)


async def test_an_idle_lease_goes_back() -> None:
    clock = ManualClock()
    store, quotas = await opened(LARGE, clock)
    await quotas.charge(SPACE, 10)
    await quotas.charge(SPACE, 10)
    clock.advance(IDLE_AFTER_S)
    await quotas.flush()
    assert await store.find(SPACE) == replace(await quotas.find(SPACE), used_bytes=20, leased_bytes=0)


async def test_what_is_released_can_be_used_again() -> None:
    _, quotas = await opened(100, ManualClock())
    await quotas.charge(SPACE, 100)
    await quotas.release(SPACE, 60)
    await quotas.charge(SPACE, 50)
    with pytest.raises(NoSpace):
        await quotas.charge(SPACE, 11)
    assert (await quotas.usage(SPACE)).used_bytes == 90


async def test_an_old_lease_is_not_trusted() -> None:
    clock = ManualClock()
    store, quotas = await opened(LARGE, clock)
    await quotas.charge(SPACE, 10)
    await quotas.charge(SPACE, 10)
    before = store.leases
    clock.advance(VALID_FOR_S + 1)
    await quotas.charge(SPACE, 10)
    assert store.leases == before + 1


async def test_what_a_dead_instance_held_is_counted_again() -> None:
    clock = ManualClock()
    stores = replace(memory_stores(), quotas=MemoryQuotaStore(clock.monotonic_s))
    dead = await World(stores=stores, clock=clock).open(quota_bytes=LARGE)
    await dead.put("a", size_bytes=10)
    await dead.put("b", size_bytes=20)
    world = World(stores=stores, clock=clock)
    assert (await world.rules.quotas.find(SPACE)).leased_bytes > MIB
    recounter = QuotaRecounter(world.rules.spaces, stores.quotas)
    for _ in range(4):
        clock.advance(LAPSE_AFTER_S + 1)
        await recounter.run_once()
    usage = await world.rules.quotas.find(SPACE)
    assert (usage.used_bytes, usage.leased_bytes) == (30, 0)


async def test_a_recount_leaves_the_leases_of_others_alone() -> None:
    stores: Stores = memory_stores()
    other = await World(stores=stores).open(quota_bytes=LARGE)
    await other.put("a", size_bytes=10)
    await other.put("b", size_bytes=10)
    await other.rules.quotas.settle(SPACE)
    world = World(stores=stores)
    recount = await world.rules.spaces.recount(SERVICE, SPACE)
    assert (recount.usage.used_bytes, recount.corrected_bytes) == (20, 0)
    assert recount.usage.leased_bytes > 0


async def test_a_refused_upload_leaves_nothing_counted() -> None:
    world = await World().open(quota_bytes=100)
    await world.put("a", size_bytes=90)
    with pytest.raises(NoSpace):
        await world.put("b", size_bytes=11)
    assert await world.used_bytes() == 90
    assert await world.names() == ["a"]
    assert (await world.rules.files.get(SERVICE, ref("a"))).file.size_bytes == 90
