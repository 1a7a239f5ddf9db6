"""Turns of password guesses, at two instances that share a store."""

from __future__ import annotations

import itertools

import pytest

from runtime.clock import ManualClock
from services.zone.domain.guesses import (
    FIRST_DELAY_MS,
    KNOWN_MS,
    LONGEST_DELAY_MS,
    LONGEST_WAIT_MS,
    QUIET_MS,
    Guesses,
)
from services.zone.domain.token_errors import BadBasicCredentials
from services.zone.store.memory_guesses import MemoryGuessStore

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def zones(clock: ManualClock) -> tuple[Guesses, Guesses]:
    store = MemoryGuessStore()
    return Guesses(store, clock), Guesses(store, clock)


Zones = tuple[Guesses, Guesses]


async def _flood(guesses: Guesses, peer_ip: str) -> int:
    """Guesses until one is refused; how many were let in."""
    for taken in itertools.count():
        try:
            await guesses.take_turn("admin", peer_ip)
        except BadBasicCredentials:
            return taken
    raise AssertionError


async def test_guesses_wait_longer_and_longer_at_whichever_instance(zones: Zones) -> None:
    waits = [await zones[number % 2].take_turn("joe", HOME) for number in range(5)]
    steps = [after - before for before, after in itertools.pairwise(waits)]
    assert waits[0] == 0
    assert steps == pytest.approx([FIRST_DELAY_MS * 2**number / 1000 for number in range(4)])


async def test_no_wait_is_longer_than_the_bound(zones: Zones, clock: ManualClock) -> None:
    assert 3 < await _flood(zones[0], ELSEWHERE) < 10
    for _ in range(20):
        clock.advance(LONGEST_WAIT_MS / 1000)
        assert await zones[1].take_turn("admin", ELSEWHERE) <= LONGEST_WAIT_MS / 1000
    clock.advance(LONGEST_DELAY_MS / 1000)
    assert await zones[1].take_turn("admin", ELSEWHERE) <= LONGEST_DELAY_MS / 1000


async def test_who_is_known_at_an_address_does_not_wait_for_those_who_guess_elsewhere(zones: Zones) -> None:
    await zones[0].was_right("admin", HOME)
    await _flood(zones[0], ELSEWHERE)
    assert await zones[1].take_turn("admin", HOME) == 0


async def test_guesses_at_a_known_address_wait_as_well(zones: Zones) -> None:
    await zones[0].was_right("admin", HOME)
    assert 3 < await _flood(zones[1], HOME) < 10


async def test_right_password_ends_the_waiting_there(zones: Zones) -> None:
    for _ in range(3):
        await zones[0].take_turn("joe", HOME)
    await zones[1].was_right("joe", HOME)
    assert await zones[0].take_turn("joe", HOME) == 0


async def test_lane_that_was_quiet_begins_anew(zones: Zones, clock: ManualClock) -> None:
    await _flood(zones[0], ELSEWHERE)
    clock.advance((LONGEST_WAIT_MS + LONGEST_DELAY_MS + QUIET_MS) / 1000 + 1)
    assert await zones[0].take_turn("admin", ELSEWHERE) == 0
    assert await zones[0].take_turn("admin", ELSEWHERE) == FIRST_DELAY_MS / 1000


async def test_names_do_not_wait_for_each_other(zones: Zones) -> None:
    await _flood(zones[0], ELSEWHERE)
    assert await zones[0].take_turn("joe", ELSEWHERE) == 0


async def test_what_is_kept_has_an_end_and_tells_no_name() -> None:
    clock, store = ManualClock(), MemoryGuessStore()
    guesses = Guesses(store, clock)
    await guesses.take_turn("a password in the wrong field", HOME)
    await guesses.was_right("joe", HOME)
    lanes = list(store._lanes.values())
    assert [lane.ends_at_ms - clock.now_ms() for lane in lanes] == [FIRST_DELAY_MS + QUIET_MS, KNOWN_MS]
    assert all(len(lane.key) == 64 for lane in lanes)
