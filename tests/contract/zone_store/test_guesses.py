from __future__ import annotations

import asyncio
from dataclasses import replace

from services.zone.domain.entities import Lane
from services.zone.domain.stores import Stores

#: Far enough ahead that no database takes them away meanwhile.
ENDS_AT_MS = 4_000_000_000_000
LANE = Lane("a", turns=1, count=1, next_at_ms=5, ends_at_ms=ENDS_AT_MS)


async def test_first_turn_of_a_lane_is_taken_once(stores: Stores) -> None:
    assert await stores.guesses.find(["a", "b"]) == {}
    assert await stores.guesses.replace(Lane("a"), LANE)
    assert not await stores.guesses.replace(Lane("a"), LANE)
    assert await stores.guesses.find(["a", "b"]) == {"a": LANE}


async def test_later_turn_is_taken_only_after_the_one_that_was_read(stores: Stores) -> None:
    await stores.guesses.replace(Lane("a"), LANE)
    second = replace(LANE, turns=2, count=2, next_at_ms=9)
    assert await stores.guesses.replace(LANE, second)
    assert not await stores.guesses.replace(LANE, replace(second, next_at_ms=7))
    assert (await stores.guesses.find(["a"]))["a"] == second


async def test_lane_that_is_put_may_be_taken_from(stores: Stores) -> None:
    await stores.guesses.put(LANE)
    rested = Lane("a", ends_at_ms=ENDS_AT_MS)
    await stores.guesses.put(rested)
    assert await stores.guesses.find(["a"]) == {"a": rested}
    assert await stores.guesses.replace(rested, LANE)


async def test_of_turns_taken_at_once_one_is_given(stores: Stores) -> None:
    taken = await asyncio.gather(*(stores.guesses.replace(Lane("a"), LANE) for _ in range(8)))
    assert sum(taken) == 1
