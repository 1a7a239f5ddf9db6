"""Guesses of a password at two instances of one zone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from services.zone.domain.guesses import LONGEST_WAIT_MS
from tests.support.zone import RunningZone, running_zone, zone_settings

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"
Zones = list[RunningZone]


@pytest.fixture
async def zones(tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str) -> AsyncIterator[Zones]:
    async with contextlib.AsyncExitStack() as stack:
        settings = (
            zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id=f"zone-{number}")
            for number in range(2)
        )
        yield [await stack.enter_async_context(running_zone(each)) for each in settings]


async def _log_in(zone: RunningZone, password: str, peer_ip: str) -> int:
    async with zone.client(basic=("admin", password)) as client:
        return (await client.get("/user", headers={"x-forwarded-for": peer_ip})).status_code


def _lanes(mongo_url: str, database: str) -> list[dict[str, Any]]:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url)
    with client:
        return list(client[database].password_lanes.find().sort("turns", -1))


async def test_guesses_are_counted_together(zones: Zones, mongo_url: str, mongo_database: str) -> None:
    for number, zone in zip(range(4), itertools.cycle(zones)):
        assert await _log_in(zone, f"guess{number}", ELSEWHERE) == 401
    lane = _lanes(mongo_url, mongo_database)[0]
    assert (lane["turns"], lane["count"]) == (4, 4)
    assert "admin" not in str(lane)


async def test_flood_at_both_does_not_keep_out_who_is_known(zones: Zones) -> None:
    right = zones[0].admin_password
    assert await _log_in(zones[0], right, HOME) == 200
    guesses = [
        asyncio.create_task(_log_in(zone, f"guess{number}", ELSEWHERE))
        for number in range(20)
        for zone in zones
    ]
    async with asyncio.timeout(LONGEST_WAIT_MS / 1000):
        # Those who are refused at once show that the lane of strangers is full.
        await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        # Only the first instance remembers the password; the second one has to check it.
        assert await _log_in(zones[1], right, HOME) == 200
    for guess in guesses:
        guess.cancel()
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(each == 401 or isinstance(each, asyncio.CancelledError) for each in results)
