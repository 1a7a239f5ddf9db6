"""Answers of another service as they were a moment ago, remembered on leases that it gives.

What is remembered is true, not only recent: whoever gives a lease on a space takes back what was told of
it before anything of that may change (docs/decisions/0019). Here the leases are kept, what is taken back is
forgotten, and nothing is believed a moment longer than its lease holds.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from runtime.clock import Clock
from runtime.errors import IsthmusError

log = structlog.get_logger(__name__)

#: Answers remembered, of all spaces together.
MAX_REMEMBERED = 20_000
#: Spaces with a lease at a time; what is told of others is not remembered.
MAX_SPACES = 64
#: No value takes a larger part of the memory than this.
_LARGEST_PART = 4
#: However long a lease is renewed, an answer is asked for anew after this.
MAX_AGE_S = 60.0
#: A space nobody asks about for so long is given up.
IDLE_S = 10.0
#: Which answer was used last is kept this exactly: exact order would cost each use as much as its look-up.
USED_STEP_S = 1.0
#: Pauses after a renewal that failed, and after one that brought no lease.
RETRY_S, REFUSED_S = 0.2, 1.0

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to remember an answer, under a lease.

    `number`: the last recall the answer is newer than. `depends_on`: what ends it when taken back.
    """

    lease_id: str
    number: int
    depends_on: tuple[str, ...]
    max_age_s: float = MAX_AGE_S


@dataclass(frozen=True, slots=True)
class Renewal:
    """A lease, and what is to be forgotten: all that depends on what was `recalled`, or everything.

    `number` counts what was told, and is confirmed by asking again with it. `lease_s`: how long the lease
    holds since it was asked for; 0 while something has yet to be confirmed.
    """

    lease_id: str
    number: int
    lease_s: float
    recalled: tuple[str, ...] = ()
    everything: bool = False


class Lessor(Protocol):
    """Who gives leases."""

    async def renew_lease(self, space_id: str, lease_id: str, confirmed: int) -> Renewal | None:
        """Keeps a lease, begins one (no `lease_id`), and waits a moment for what is to be forgotten.

        `confirmed`: the number up to which everything told was forgotten. None: there is none to be had.
        """
        ...


@dataclass(slots=True, eq=False)
class _Space(Generic[K]):
    """The lease on one space, and which answers depend on what. Times on the monotonic clock."""

    lease_id: str = ""
    number: int = 0
    valid_until_s: float = 0.0
    used_s: float = 0.0
    keys: dict[str, set[K]] = field(default_factory=dict)
    keeper: asyncio.Task[None] | None = None


@dataclass(slots=True, eq=False)
class _Entry(Generic[K, V]):
    value: V
    space: _Space[K]
    depends_on: tuple[str, ...]
    until_s: float
    used_s: float
    size_bytes: int


class LeasedMemory(Generic[K, V]):
    """Values by keys that say who asked, and for what: all they depend on beside what can be recalled."""

    def __init__(self, lessor: Lessor, clock: Clock, *, max_bytes: int | None = None) -> None:
        """`max_bytes`: of all values together, as they are put."""
        self._lessor = lessor
        self._clock = clock
        self._max_bytes = max_bytes
        self._entries: OrderedDict[K, _Entry[K, V]] = OrderedDict()
        self._spaces: dict[str, _Space[K]] = {}
        #: What all values take.
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def start(self) -> None:
        """Nothing to begin: leases are asked for when they are of use."""

    async def stop(self) -> None:
        """Gives all leases up."""
        keepers = [space.keeper for space in self._spaces.values() if space.keeper is not None]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    def get(self, key: K) -> V | None:
        """What is remembered, while it is true."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now_s = entry.space.used_s = self._clock.monotonic_s()
        if now_s >= entry.until_s or now_s >= entry.space.valid_until_s:
            return None
        if now_s - entry.used_s > USED_STEP_S:
            entry.used_s = now_s
            self._entries.move_to_end(key)
        return entry.value

    def lease_on(self, space_id: str) -> str:
        """The lease under which an answer about the space would be remembered; empty: it would not.

        From now on there is one, if one can be had, as long as anybody asks about the space.
        """
        space = self._spaces.get(space_id)
        if space is None:
            if len(self._spaces) >= MAX_SPACES:
                return ""
            space = self._spaces[space_id] = _Space()
            # Outside of the request that happened to be first: its caller and its deadline are its own.
            loop = asyncio.get_running_loop()
            space.keeper = loop.create_task(self._keep(space_id, space), context=Context())
        space.used_s = self._clock.monotonic_s()
        return space.lease_id

    def put(self, space_id: str, key: K, value: V, grant: Grant, *, size_bytes: int = 0) -> None:
        """Remembers an answer, unless it may be older than what was taken back meanwhile."""
        space = self._spaces.get(space_id)
        if space is None or grant.lease_id != space.lease_id or grant.number < space.number:
            return
        self._forget(key)
        if self._max_bytes is not None and size_bytes * _LARGEST_PART > self._max_bytes:
            return
        now_s = self._clock.monotonic_s()
        until_s = now_s + min(grant.max_age_s, MAX_AGE_S)
        self._entries[key] = _Entry(value, space, grant.depends_on, until_s, now_s, size_bytes)
        self.size_bytes += size_bytes
        for record in grant.depends_on:
            space.keys.setdefault(record, set()).add(key)
        while self._is_too_large():
            self._forget(next(iter(self._entries)))

    def _is_too_large(self) -> bool:
        if len(self._entries) > MAX_REMEMBERED:
            return True
        return self._max_bytes is not None and self.size_bytes > self._max_bytes

    def _forget(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.size_bytes -= entry.size_bytes
        keys = entry.space.keys
        for record in entry.depends_on:
            dependent = keys[record]
            dependent.discard(key)
            if not dependent:
                del keys[record]

    def _forget_space(self, space: _Space[K]) -> None:
        for dependent in list(space.keys.values()):
            for key in list(dependent):
                self._forget(key)

    async def _keep(self, space_id: str, space: _Space[K]) -> None:
        """Renews the lease as long as anybody asks about the space."""
        try:
            while self._clock.monotonic_s() - space.used_s < IDLE_S:
                await asyncio.sleep(await self._renew(space_id, space))
        except Exception:
            log.exception("lease_failed", space_id=space_id)
        finally:
            space.valid_until_s = 0.0
            self._forget_space(space)
            del self._spaces[space_id]

    async def _renew(self, space_id: str, space: _Space[K]) -> float:
        """Seconds until the next renewal."""
        asked_s = self._clock.monotonic_s()
        try:
            told = await self._lessor.renew_lease(space_id, space.lease_id, space.number)
        except IsthmusError:
            return RETRY_S  # until somebody answers, what we have is good as long as the lease
        if told is None:
            space.valid_until_s, space.lease_id = 0.0, ""
            self._forget_space(space)
            return REFUSED_S
        self._apply(space, told)
        if told.lease_s:
            space.valid_until_s = asked_s + told.lease_s
        return 0.0

    def _apply(self, space: _Space[K], told: Renewal) -> None:
        if told.everything or told.lease_id != space.lease_id:
            self._forget_space(space)
        for record in told.recalled:
            for key in list(space.keys.get(record, ())):
                self._forget(key)
        space.lease_id, space.number = told.lease_id, told.number
