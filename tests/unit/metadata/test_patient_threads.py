"""While the database is away one caller waits for it, now and then, and all others are told at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import ConnectionFailure

from runtime.mongo import StoreUnavailable
from services.metadata.store import threads as rules
from services.metadata.store.threads import PatientThreads


class Away:
    """A client that knows of no server until it is told of one."""

    def __init__(self) -> None:
        self.has_server = False
        self.looks = 0
        self.topology_description = SimpleNamespace(has_writable_server=lambda: self.has_server)

    def write(self) -> str:
        self.looks += 1
        if not self.has_server:
            raise ConnectionFailure("no server")
        return "written"


@pytest.fixture
def away() -> Away:
    return Away()


@pytest.fixture
async def threads(away: Away) -> AsyncIterator[PatientThreads]:
    client: Any = away
    made = PatientThreads(client)
    yield made
    await made.stop()


async def test_after_a_look_in_vain_nobody_waits(away: Away, threads: PatientThreads) -> None:
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await threads.write(away.write)
    assert away.looks == 1


async def test_a_moment_later_somebody_looks_again(
    away: Away, threads: PatientThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LOOK_AGAIN_S", 0.0)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await threads.write(away.write)
    assert away.looks == 3


async def test_a_server_that_is_known_to_be_back_is_used_at_once(away: Away, threads: PatientThreads) -> None:
    with pytest.raises(StoreUnavailable):
        await threads.write(away.write)
    away.has_server = True
    assert await threads.write(away.write) == "written"
