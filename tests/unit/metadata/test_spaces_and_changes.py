"""Spaces, recounts, the change log as its readers see it."""

from __future__ import annotations

import pytest

from runtime.errors import InvalidArgument, SpaceNotSupported
from runtime.identity import Identity, Kind
from services.metadata.domain.change_books import Change
from services.metadata.domain.errors import ChangesExpired, Forbidden
from services.metadata.domain.quotas import agreed_drift
from services.metadata.domain.stores import Usage
from services.metadata.domain.uploads import UploadRequest
from services.metadata.store.memory_contents import MemoryChangeLog
from services.metadata.workers.intent_expirer import IntentExpirer
from services.metadata.workers.quota_recounter import QuotaRecounter
from tests.support.metadata import ALICE, OWNER, SERVICE, SPACE, STORAGE, World, ref

OPERATOR = Identity(Kind.OPERATOR, "op")


async def test_a_space_can_be_ensured_again() -> None:
    world = await World().open(quota_bytes=10)
    await world.put("a", size_bytes=10)
    usage = await world.rules.spaces.ensure(OPERATOR, SPACE, 30)
    assert (usage.quota_bytes, usage.used_bytes) == (30, 10)
    await world.put("b", size_bytes=20)


async def test_spaces_are_for_services_and_operators() -> None:
    world = await World().open()
    with pytest.raises(Forbidden):
        await world.rules.spaces.ensure(OWNER, SPACE, 10**12)
    with pytest.raises(Forbidden):
        await world.rules.spaces.recount(OWNER, SPACE)
    assert (await world.rules.spaces.usage(ALICE, SPACE)).used_bytes == 0
    with pytest.raises(SpaceNotSupported):
        await world.rules.spaces.usage(SERVICE, "other")


@pytest.mark.parametrize(("space_id", "quota"), [("", 1), ("a/b", 1), ("a", -1)])
async def test_impossible_spaces_are_refused(space_id: str, quota: int) -> None:
    with pytest.raises(InvalidArgument):
        await World().rules.spaces.ensure(SERVICE, space_id, quota)


async def use(world: World, size_bytes: int) -> None:
    """Counts bytes that nothing holds."""
    await world.stores.quotas.lease(SPACE, "somebody", spent_bytes=size_bytes, needed_bytes=0, spare_bytes=0)


async def test_a_recount_mends_the_counter() -> None:
    world = await World().open()
    await world.put("a", size_bytes=10)
    await use(world, 5)
    recount = await world.rules.spaces.recount(SERVICE, SPACE, pause_s=0)
    assert (recount.usage.used_bytes, recount.corrected_bytes, recount.unsettled_bytes) == (10, -5, 0)
    assert await world.used_bytes() == 10


async def test_a_recount_takes_an_upload_under_way_for_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World().open()
    await world.put("a", size_bytes=10)
    await use(world, 5)
    counted = world.rules.spaces.drift

    async def counted_while_an_upload_is_charged(space_id: str) -> tuple[Usage, int]:
        monkeypatch.setattr(world.rules.spaces, "drift", counted)
        await world.rules.quotas.charge(space_id, 100)
        await world.rules.quotas.give_back(space_id)
        try:
            return await counted(space_id)
        finally:
            await world.rules.quotas.release(space_id, 100)

    monkeypatch.setattr(world.rules.spaces, "drift", counted_while_an_upload_is_charged)
    recount = await world.rules.spaces.recount(SERVICE, SPACE, pause_s=0)
    assert (recount.usage.used_bytes, recount.corrected_bytes, recount.unsettled_bytes) == (10, -5, 0)


@pytest.mark.parametrize(
    ("one", "other", "agreed"), [(0, 5, 0), (5, 3, 3), (-5, -3, -3), (-5, 3, 0), (-2, -9, -2), (7, 7, 7)]
)
def test_drifts_agree_as_far_as_the_smaller_one(one: int, other: int, agreed: int) -> None:
    assert agreed_drift(one, other) == agreed_drift(other, one) == agreed


async def test_the_recounter_mends_as_far_as_two_rounds_agree() -> None:
    world = await World().open()
    recounter = QuotaRecounter(world.rules.spaces, world.stores.quotas)
    await use(world, 5)
    await recounter.run_once()
    assert await world.used_bytes() == 5
    await use(world, 1)
    await recounter.run_once()
    assert await world.used_bytes() == 1
    await recounter.run_once()
    assert await world.used_bytes() == 0


async def test_what_is_used_of_a_lease_is_no_drift() -> None:
    world = await World().open()
    await world.put("a", size_bytes=10)
    await world.rules.quotas.settle(SPACE)
    await world.put("b", size_bytes=20)
    recounter = QuotaRecounter(world.rules.spaces, world.stores.quotas)
    for _ in range(3):
        await recounter.run_once()
    await world.rules.quotas.close()
    usage = await world.stores.quotas.find(SPACE)
    assert usage is not None
    assert (usage.used_bytes, usage.leased_bytes) == (30, 0)


async def test_old_uploads_are_forgotten() -> None:
    world = await World().open()
    request = UploadRequest(
        "r", ref("a"), True, create=True, record_intent=True, storage_id=STORAGE, storage_file_id="/1"
    )
    await world.rules.uploads.begin(ALICE, request)
    expirer = IntentExpirer(world.stores.intents, world.clock, expiry_s=3600)
    assert await expirer.run_once() == 0
    world.clock.advance(3601)
    assert await expirer.run_once() == 1
    assert await world.rules.removals.find_references(SERVICE, STORAGE, ["/1"]) == set()


def a_change(sequence: int) -> Change:
    return Change(SPACE, sequence, "files", f"f{sequence}", f"f{sequence}", 1, False, 0)


async def test_changes_are_read_by_pages() -> None:
    world = await World().open()
    assert isinstance(world.stores.changes, MemoryChangeLog)
    assert await world.rules.changes.list(OWNER, SPACE, after_sequence=0, page_size=10) == ([], 0)
    world.stores.changes.changes[SPACE] = [a_change(number) for number in range(4, 9)]
    changes, last = await world.rules.changes.list(SERVICE, SPACE, after_sequence=5, page_size=2)
    assert ([change.sequence for change in changes], last) == ([6, 7], 8)
    assert await world.rules.changes.list(OWNER, SPACE, after_sequence=8, page_size=2) == ([], 8)


async def test_who_was_away_too_long_is_told() -> None:
    world = await World().open()
    assert isinstance(world.stores.changes, MemoryChangeLog)
    world.stores.changes.changes[SPACE] = [a_change(number) for number in range(4, 9)]
    with pytest.raises(ChangesExpired):
        await world.rules.changes.list(SERVICE, SPACE, after_sequence=2, page_size=2)
    assert (await world.rules.changes.list(SERVICE, SPACE, after_sequence=3, page_size=1))[0]


async def test_changes_need_the_privilege() -> None:
    world = await World().open()
    with pytest.raises(Forbidden):
        await world.rules.changes.list(ALICE, SPACE, after_sequence=0, page_size=1)
