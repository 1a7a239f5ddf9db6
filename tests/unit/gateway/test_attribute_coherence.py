"""Attributes told by gateways that remember are linear: each answer was true while it was made.

As `storage_router/test_coherence.py`, for all that a record tells, and for the times of a directory, which
change with every file made in it and gather in memory meanwhile.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from runtime.errors import AccessDenied, IsthmusError
from runtime.identity import Identity
from services.metadata.domain import grants
from services.metadata.domain.custom_metadata import Update
from tests.support.leases import LinkedGateway, RealTime, make_trouble, shorten_leases
from tests.support.metadata import ALICE, BOB, World, fresh_id, ref

LEASE_S = 0.15
#: A change that waits so long waits for ever; a starved machine may make it wait for some seconds.
HANGS_S = 15.0
DIRECTORY, FILES, NAMES = "directory", ("one", "two"), ("here", "there")
OF_FILES = ("path", "posixPermissions", "size", "mtime", "hasCustomMetadata", "hardlinkCount")
OF_DIRECTORIES = ("path", "posixPermissions", "mtime")
Seen = dict[str, Any] | str


@dataclass(frozen=True)
class State:
    """One directory with two files, and what is told of each."""

    name: str = NAMES[0]
    told: dict[str, dict[str, Any]] = field(default_factory=dict)

    def seen(self, who: Identity, thing: str, names: Collection[str]) -> Seen:
        """What a look brings: attributes, or why not."""
        if who is BOB and thing != DIRECTORY and self.told[DIRECTORY]["posixPermissions"] == "700":
            return AccessDenied.reason
        path = f"/Space/{self.name}" + ("" if thing == DIRECTORY else f"/{thing}")
        told = {"path": path, **self.told[thing]}
        return {name: told[name] for name in names}

    def after(self, thing: str, **changes: Any) -> State:
        """With other attributes of one thing."""
        return replace(self, told={**self.told, thing: {**self.told[thing], **changes}})


class Writer:
    """Changes the world, and knows which states may be seen."""

    def __init__(self, world: World, first: State, chance: random.Random) -> None:
        self._world = world
        self._rules = world.rules
        self._chance = chance
        self.states = [first]
        self.confirmed = 0
        self.slowest_s = 0.0
        self._changes = (
            *[self.make_child] * 4, self.remove_child, self.overwrite, self.chmod_file, self.chmod_directory,
            self.rename, self.set_xattr, self.link,
        )  # fmt: skip

    async def change(self) -> None:
        """One change at random; the state it leads to may be seen from its beginning on."""
        self._world.clock.advance(1.0)  # so that no two have the same time
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        await self._chance.choice(self._changes)(self.states[-1], self._chance.choice(FILES))
        self.slowest_s = max(self.slowest_s, loop.time() - begun_s)
        self.confirmed = len(self.states) - 1

    async def make_child(self, now: State, _: str) -> None:
        self.states.append(now.after(DIRECTORY, mtime=self._now_s()))
        await self._world.make(now.name, fresh_id("child"))

    async def remove_child(self, now: State, _: str) -> None:
        child = next((name for name in await self._world.names(now.name) if name.startswith("child")), None)
        if child is not None:
            self.states.append(now.after(DIRECTORY, mtime=self._now_s()))
            await self._rules.files.delete(ALICE, fresh_id(), ref(now.name, child))

    async def overwrite(self, now: State, name: str) -> None:
        size = len(self.states) + 1
        self.states.append(now.after(name, size=size, mtime=self._now_s()))
        await self._world.put(now.name, name, size_bytes=size)

    async def chmod_file(self, now: State, name: str) -> None:
        mode = "600" if now.told[name]["posixPermissions"] == "664" else "664"
        self.states.append(now.after(name, posixPermissions=mode))
        await self._rules.files.set_mode(ALICE, fresh_id(), ref(now.name, name), int(mode, 8))

    async def chmod_directory(self, now: State, _: str) -> None:
        mode = "700" if now.told[DIRECTORY]["posixPermissions"] == "770" else "770"
        self.states.append(now.after(DIRECTORY, posixPermissions=mode))
        await self._rules.files.set_mode(ALICE, fresh_id(), ref(now.name), int(mode, 8))

    async def rename(self, now: State, _: str) -> None:
        other = NAMES[now.name == NAMES[0]]
        self.states.append(replace(now, name=other))
        await self._rules.renames.rename(ALICE, fresh_id(), ref(now.name), ref(), other)

    async def set_xattr(self, now: State, name: str) -> None:
        has = not now.told[name]["hasCustomMetadata"]
        self.states.append(now.after(name, hasCustomMetadata=has))
        update = Update(set={"key": b'"value"'}) if has else Update(remove=("key",))
        await self._rules.xattrs.update(ALICE, fresh_id(), ref(now.name, name), update)

    async def link(self, now: State, name: str) -> None:
        count = now.told[name]["hardlinkCount"] + 1
        self.states.append(now.after(name, hardlinkCount=count))
        target = await self._world.get(now.name, name)
        await self._world.link(target, fresh_id("link"))

    def _now_s(self) -> int:
        return self._world.clock.now_ms() // 1000


async def look_on(
    gateway: LinkedGateway, writer: Writer, ids: dict[str, str], chance: random.Random, stop: asyncio.Event
) -> int:
    """Looks until told to stop; how often. AssertionError when it sees what was not to be seen."""
    looks = 0
    while not stop.is_set():
        who, thing = chance.choice((ALICE, ALICE, BOB)), chance.choice((DIRECTORY, *FILES))
        names = OF_DIRECTORIES if thing == DIRECTORY else OF_FILES
        if chance.random() < 0.5:
            names = tuple(name for name in names if name != "mtime")
        first = writer.confirmed
        try:
            seen: Seen = await gateway.attributes(who, ids[thing], *names)
        except IsthmusError as error:
            seen = error.reason
        possible = [state.seen(who, thing, names) for state in writer.states[first:]]
        assert seen in possible, (who.subject_id, thing, seen, possible)
        looks += 1
        await asyncio.sleep(0)
    return looks


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what has just changed may be remembered."""
    shorten_leases(monkeypatch, LEASE_S)
    monkeypatch.setattr(grants, "QUIET_MS", 0)


async def made(world: World) -> tuple[State, dict[str, str]]:
    """What there is at first, and the ids of all."""
    directory = await world.mkdir(NAMES[0], mode=0o770)
    ids, told = {DIRECTORY: directory.file_id}, {}
    for name in FILES:
        ids[name] = (await world.put(NAMES[0], name, size_bytes=1)).file_id
        told[name] = {
            "posixPermissions": "664", "size": 1, "mtime": world.clock.now_ms() // 1000,
            "hasCustomMetadata": False, "hardlinkCount": 1,
        }  # fmt: skip
    told[DIRECTORY] = {"posixPermissions": "770", "mtime": world.clock.now_ms() // 1000}
    return State(told=told), ids


@asynccontextmanager
async def looking(count: int, seed: int) -> AsyncIterator[tuple[Writer, list[LinkedGateway], random.Random]]:
    """Lookers at work at every gateway; afterwards all of them were right, and made use of their memory."""
    chance = random.Random(seed)
    world = await World(clock=RealTime()).open()
    first, ids = await made(world)
    writer = Writer(world, first, chance)
    gateways = [LinkedGateway(world, chance) for _ in range(count)]
    stop = asyncio.Event()

    async def flush_on() -> int:
        while not stop.is_set():
            await asyncio.sleep(0.02)
            await world.rules.touches.flush()
        return 0

    lookers = [asyncio.create_task(look_on(each, writer, ids, chance, stop)) for each in gateways * 2]
    flusher = asyncio.create_task(flush_on())
    try:
        yield writer, gateways, chance
        stop.set()
        for gateway in gateways:
            gateway.link.passes.set()
        looks = await asyncio.wait_for(asyncio.gather(*lookers), 10)
        assert sum(looks) > sum(gateway.link.asked for gateway in gateways), "the memory was of no use"
    finally:
        stop.set()
        for looker in lookers:
            looker.cancel()
        await asyncio.gather(*lookers, flusher, return_exceptions=True)
        for gateway in gateways:
            await gateway.memory.stop()


@pytest.mark.parametrize("seed", range(4))
async def test_attributes_are_linear_while_links_fail(seed: int):
    async with looking(3, seed) as (writer, gateways, chance):
        for _ in range(60):
            make_trouble(chance.choice(gateways).link, chance)
            await writer.change()
            await asyncio.sleep(chance.choice((0, 0.01, 0.03)))
        # Each gateway may hold a change up for the rest of one lease, no longer.
        assert writer.slowest_s < HANGS_S


async def test_attributes_are_linear_and_remembered_when_all_is_well():
    async with looking(2, 7) as (writer, _, _):
        for _ in range(60):
            await writer.change()
            await asyncio.sleep(0.01)
        assert writer.slowest_s < HANGS_S
