"""Leases: no change is made before everybody has forgotten what was, and none waits for the dead for long."""

from __future__ import annotations

import asyncio

import pytest

from runtime.auth import as_caller
from runtime.clock import ManualClock
from runtime.leased_memory import Renewal
from services.metadata.domain import leases as module
from services.metadata.domain.leases import LEASE_END_S, LEASE_S, MAX_WATCHED, Leases
from tests.support.metadata import ALICE, SERVICE, SPACE
from tests.support.waiting import until

DIRECTORY, FILE, OTHER = "directory", "file", "other"


class Owner:
    """Owns, or does not, as a test says."""

    def __init__(self) -> None:
        self.is_owner = True
        self.since_s = 1000.0

    def owns(self, space_id: str) -> bool:
        return self.is_owner

    def owned_for_s(self, space_id: str) -> float:
        return self.since_s

    def alone_since(self, space_id: str) -> float | None:
        return None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def leases(clock: ManualClock, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Leases:
    monkeypatch.setattr(module, "HOLD_S", 0.01)
    return Leases(owner, clock)


async def taken(leases: Leases, holder: str = "port") -> Renewal:
    told = await leases.renew(SPACE, holder, "", 0)
    assert told is not None
    return told


@pytest.fixture
async def lease(leases: Leases) -> Renewal:
    told = await taken(leases)
    assert leases.grant(told.lease_id, SPACE, [DIRECTORY, FILE]) == 0
    return told


async def change(leases: Leases, *file_ids: str) -> None:
    async with leases.changing(SPACE, *file_ids):
        pass


async def test_a_change_waits_until_it_is_confirmed(leases: Leases, lease: Renewal):
    changing = asyncio.create_task(change(leases, FILE))
    told = await leases.renew(SPACE, "port", lease.lease_id, 0)
    assert told is not None
    assert (told.recalled, told.number, changing.done()) == ((FILE,), 1, False)
    await leases.renew(SPACE, "port", lease.lease_id, 1)
    await asyncio.wait_for(changing, 5)


async def test_a_change_of_what_nobody_remembers_waits_for_nobody(leases: Leases, lease: Renewal):
    await asyncio.wait_for(change(leases, OTHER), 5)


async def test_a_directory_is_taken_back_like_a_file(leases: Leases, lease: Renewal):
    changing = asyncio.create_task(change(leases, DIRECTORY))
    told = await leases.renew(SPACE, "port", lease.lease_id, 0)
    assert told is not None
    assert told.recalled == (DIRECTORY,)
    await leases.renew(SPACE, "port", lease.lease_id, told.number)
    await asyncio.wait_for(changing, 5)


async def test_what_is_told_is_told_again_until_it_is_confirmed(leases: Leases, lease: Renewal):
    changing = asyncio.create_task(change(leases, FILE))
    for _ in range(2):
        told = await leases.renew(SPACE, "port", lease.lease_id, 0)
        assert told is not None
        assert told.recalled == (FILE,)
    assert told.lease_s == 0, "who does not confirm gets no longer lease"
    await leases.renew(SPACE, "port", lease.lease_id, told.number)
    await asyncio.wait_for(changing, 5)


async def test_the_dead_hold_a_change_up_once_and_not_past_their_lease(
    leases: Leases, lease: Renewal, clock: ManualClock
):
    changing = asyncio.create_task(change(leases, FILE))
    await asyncio.sleep(0.1)
    assert not changing.done()
    clock.advance(LEASE_END_S)
    await asyncio.wait_for(changing, 5)
    await asyncio.wait_for(change(leases, FILE, DIRECTORY), 5)
    assert len(leases) == 0


async def test_one_that_asks_but_never_confirms_holds_nobody_up_for_ever(
    leases: Leases, lease: Renewal, clock: ManualClock
):
    changing = asyncio.create_task(change(leases, FILE))
    for _ in range(20):
        await leases.renew(SPACE, "port", lease.lease_id, 0)
        clock.advance(LEASE_END_S / 10)
    await asyncio.wait_for(changing, 5)


async def test_all_who_remember_are_waited_for(leases: Leases, lease: Renewal):
    second = await taken(leases, "second port")
    leases.grant(second.lease_id, SPACE, [FILE])
    changing = asyncio.create_task(change(leases, FILE))
    await asyncio.sleep(0)
    await leases.renew(SPACE, "port", lease.lease_id, 1)
    await asyncio.sleep(0.1)
    assert not changing.done()
    await leases.renew(SPACE, "second port", second.lease_id, 1)
    await asyncio.wait_for(changing, 5)


async def test_nothing_is_granted_while_it_changes(leases: Leases, lease: Renewal):
    async with leases.changing(SPACE, OTHER):
        assert leases.grant(lease.lease_id, SPACE, [DIRECTORY, OTHER]) is None
        assert leases.grant(lease.lease_id, SPACE, [DIRECTORY]) == 0
    assert leases.grant(lease.lease_id, SPACE, [DIRECTORY, OTHER]) == 0


async def test_a_failed_change_leaves_nothing_locked(leases: Leases, lease: Renewal):
    with pytest.raises(RuntimeError):
        async with leases.changing(SPACE, OTHER):
            raise RuntimeError
    assert leases.grant(lease.lease_id, SPACE, [OTHER]) == 0


async def test_an_ended_lease_grants_nothing(leases: Leases, lease: Renewal, clock: ManualClock):
    clock.advance(LEASE_END_S)
    assert leases.grant(lease.lease_id, SPACE, [OTHER]) is None
    again = await leases.renew(SPACE, "port", lease.lease_id, 0)
    assert again is not None
    assert again.lease_id != lease.lease_id


async def test_a_renewal_makes_it_hold_longer(leases: Leases, lease: Renewal, clock: ManualClock):
    for _ in range(3):
        clock.advance(LEASE_S * 0.9)
        told = await leases.renew(SPACE, "port", lease.lease_id, 0)
        assert told is not None
        assert (told.lease_id, told.lease_s) == (lease.lease_id, LEASE_S)


async def test_who_does_not_own_a_space_gives_no_lease_on_it(leases: Leases, lease: Renewal, owner: Owner):
    owner.is_owner = False
    assert leases.grant(lease.lease_id, SPACE, [OTHER]) is None
    assert await leases.renew(SPACE, "port", lease.lease_id, 0) is None
    # It has told of the file, and has to take it back all the same.
    changing = asyncio.create_task(change(leases, FILE))
    await asyncio.sleep(0.1)
    assert not changing.done()
    changing.cancel()


async def test_a_new_owner_waits_for_the_leases_of_the_last_one(
    leases: Leases, owner: Owner, monkeypatch: pytest.MonkeyPatch
):
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    for owned_for_s in (0.0, 1.0, LEASE_END_S, 100.0):
        owner.since_s = owned_for_s
        with as_caller(ALICE, b""):
            await change(leases, FILE)
    with as_caller(SERVICE, b""):
        owner.since_s = 0.0
        await change(leases, FILE)
    assert waited == [LEASE_END_S, pytest.approx(LEASE_END_S - 1.0)]


async def test_changes_of_others_are_told_and_not_waited_for(leases: Leases, lease: Renewal):
    leases.changed_elsewhere([FILE, OTHER])
    told = await leases.renew(SPACE, "port", lease.lease_id, 0)
    assert told is not None
    assert told.recalled == (FILE,)


async def test_after_a_gap_everything_is_forgotten(leases: Leases, lease: Renewal):
    leases.forget_everything()
    told = await leases.renew(SPACE, "port", lease.lease_id, 0)
    assert told is not None
    assert told.everything
    after = await leases.renew(SPACE, "port", lease.lease_id, told.number)
    assert after is not None
    assert not after.everything


async def test_one_that_remembers_too_much_forgets_all(leases: Leases, lease: Renewal):
    many = [f"file-{number}" for number in range(MAX_WATCHED)]
    assert leases.grant(lease.lease_id, SPACE, many) is None
    told = await leases.renew(SPACE, "port", lease.lease_id, 0)
    assert told is not None
    assert told.everything


async def test_leases_are_bounded(leases: Leases, monkeypatch: pytest.MonkeyPatch, clock: ManualClock):
    monkeypatch.setattr(module, "MAX_LEASES", 2)
    for holder in ("a", "b"):
        assert await leases.renew(SPACE, holder, "", 0) is not None
    assert await leases.renew(SPACE, "c", "", 0) is None
    clock.advance(LEASE_END_S)
    assert await leases.renew(SPACE, "c", "", 0) is not None


async def test_news_ends_the_wait(leases: Leases, lease: Renewal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "HOLD_S", 30.0)
    renewing = asyncio.create_task(leases.renew(SPACE, "port", lease.lease_id, 0))
    await until(lambda: renewing.get_stack() != [])
    changing = asyncio.create_task(change(leases, FILE))
    told = await asyncio.wait_for(renewing, 5)
    assert told is not None
    assert told.recalled == (FILE,)
    assert told.lease_s == LEASE_S, "the lease was renewed before the news came"
    changing.cancel()
