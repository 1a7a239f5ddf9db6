"""Reads through data ports that remember are linear: each sees a state that was current while it ran.

A writer changes files, modes and names, one change after the other; readers read all the while through
several data ports whose links are slow, stop, and lose messages. What a read brings must be true of the
state confirmed before it began, or of a later one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from runtime.errors import AccessDenied, IsthmusError, NoSuchFile
from runtime.identity import Identity
from tests.support.leases import Port, RealTime, make_trouble, shorten_leases
from tests.support.metadata import ALICE, BOB, World, fresh_id, ref

LEASE_S = 0.15
#: A change that waits so long waits for ever; a starved machine may make it wait for some seconds.
HANGS_S = 15.0
FILES, DIRECTORIES = ("one", "two"), ("here", "there")
Seen = int | str


@dataclass(frozen=True)
class State:
    """One directory with two files; names and modes change, and sizes tell contents apart."""

    directory: str = DIRECTORIES[0]
    directory_is_open: bool = True
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FILES, 1))
    closed: frozenset[str] = frozenset()

    def seen(self, who: Identity, directory: str, name: str) -> Seen:
        """What a read brings: a size, or why not."""
        if directory != self.directory:
            return NoSuchFile.reason
        if who is BOB and not self.directory_is_open:
            return AccessDenied.reason
        if name not in self.sizes:
            return NoSuchFile.reason
        if who is BOB and name in self.closed:
            return AccessDenied.reason
        return self.sizes[name]


class Writer:
    """Changes the world, and knows which states may be seen."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self.states = [State()]
        self.confirmed = 0
        self.slowest_s = 0.0
        others = (self.chmod_file, self.chmod_directory, self.rename, self.remove)
        self._changes = (*[self.overwrite] * 4, *others)

    async def change(self) -> None:
        """One change at random; the state it leads to may be seen from its beginning on."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        await self._chance.choice(self._changes)(self.states[-1], self._chance.choice(FILES))
        self.slowest_s = max(self.slowest_s, loop.time() - begun_s)
        self.confirmed = len(self.states) - 1

    async def overwrite(self, now: State, name: str) -> None:
        size = len(self.states) + 1
        self.states.append(replace(now, sizes={**now.sizes, name: size}))
        await self._world.put(now.directory, name, size_bytes=size)

    async def chmod_file(self, now: State, name: str) -> None:
        if name not in now.sizes:
            return
        self.states.append(replace(now, closed=now.closed ^ {name}))
        mode = 0o660 if name in now.closed else 0o600
        await self._world.rules.files.set_mode(ALICE, fresh_id(), ref(now.directory, name), mode)

    async def chmod_directory(self, now: State, _: str) -> None:
        self.states.append(replace(now, directory_is_open=not now.directory_is_open))
        mode = 0o700 if now.directory_is_open else 0o770
        await self._world.rules.files.set_mode(ALICE, fresh_id(), ref(now.directory), mode)

    async def rename(self, now: State, _: str) -> None:
        other = DIRECTORIES[now.directory == DIRECTORIES[0]]
        self.states.append(replace(now, directory=other))
        await self._world.rules.renames.rename(ALICE, fresh_id(), ref(now.directory), ref(), other)

    async def remove(self, now: State, name: str) -> None:
        if name not in now.sizes:
            return
        sizes = {each: size for each, size in now.sizes.items() if each != name}
        self.states.append(replace(now, sizes=sizes, closed=now.closed - {name}))
        await self._world.rules.files.delete(ALICE, fresh_id(), ref(now.directory, name))


async def read_on(port: Port, writer: Writer, chance: random.Random, stop: asyncio.Event) -> int:
    """Reads until told to stop; how often. AssertionError when it sees what was not to be seen."""
    reads = 0
    while not stop.is_set():
        # Refusals and absence are asked about each time: mostly what is there is read.
        directory = chance.choice((*[writer.states[-1].directory] * 8, *DIRECTORIES))
        who, name = chance.choice((ALICE, ALICE, BOB)), chance.choice(FILES)
        first = writer.confirmed
        try:
            seen: Seen = (await port.locate(who, directory, name)).location.size_bytes
        except IsthmusError as error:
            seen = error.reason
        possible = [state.seen(who, directory, name) for state in writer.states[first:]]
        assert seen in possible, (who.subject_id, directory, name, seen, possible)
        reads += 1
        await asyncio.sleep(0)
    return reads


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_leases(monkeypatch, LEASE_S)


@asynccontextmanager
async def reading(ports: int, seed: int) -> AsyncIterator[tuple[Writer, list[Port], random.Random]]:
    """Readers at work on every port; afterwards all of them were right, and made use of their memory."""
    chance = random.Random(seed)
    world = await World(clock=RealTime()).open()
    await world.mkdir(DIRECTORIES[0], mode=0o770)
    for name in FILES:
        await world.put(DIRECTORIES[0], name, size_bytes=1)
    writer = Writer(world, chance)
    all_ports = [Port(world, chance) for _ in range(ports)]
    stop = asyncio.Event()
    readers = [asyncio.create_task(read_on(port, writer, chance, stop)) for port in all_ports * 2]
    try:
        yield writer, all_ports, chance
        stop.set()
        for port in all_ports:
            port.link.passes.set()
        reads = await asyncio.wait_for(asyncio.gather(*readers), 10)
        assert sum(reads) > sum(port.link.asked for port in all_ports), "the memory was of no use"
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for port in all_ports:
            await port.memory.stop()


@pytest.mark.parametrize("seed", range(4))
async def test_reads_are_linear_while_links_fail(seed: int):
    async with reading(3, seed) as (writer, ports, chance):
        for _ in range(60):
            make_trouble(chance.choice(ports).link, chance)
            await writer.change()
            await asyncio.sleep(chance.choice((0, 0.01, 0.03)))
        # Each port may hold a change up for the rest of one lease, no longer.
        assert writer.slowest_s < HANGS_S


async def test_reads_are_linear_and_remembered_when_all_is_well():
    async with reading(2, 7) as (writer, _, _):
        for _ in range(40):
            await writer.change()
            await asyncio.sleep(0.01)
        assert writer.slowest_s < HANGS_S
