"""Leases: what data ports and gateways may remember of what they were told, until they are told otherwise.

Who holds a lease on a space answers from memory. So a change of anything he was told is recalled from him
before the change is made: either he confirms that he has forgotten, or his lease ends. Both happen in bounded
time, whatever became of him. Only the instance that owns a space gives leases on it; docs/decisions/0019 has
the whole protocol and what it rests on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from runtime.clock import Clock
from runtime.identity import Kind
from runtime.leased_memory import Renewal
from runtime.request import current_call

from .tree import Ownership

#: How long a holder may believe in a lease, since it asked for it.
LEASE_S = 1.5
#: When a lease has ended for sure: its holder counts from an earlier moment, by a clock of its own.
LEASE_END_S = LEASE_S + 0.1
#: How long a renewal waits for something to tell. Below what counts as a slow call.
HOLD_S = 0.3
#: Leases at a time; who comes when all are taken reads without one.
MAX_LEASES = 4096
#: Records one holder is known to remember; beyond that it is told to forget everything.
MAX_WATCHED = 50_000
#: How often a change that waits looks whether a lease has ended.
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to remember an answer that came from these records, told after this recall.

    `max_age_s`: longest it may be remembered; 0 for no limit of its own.
    """

    number: int
    records: tuple[str, ...]
    max_age_s: float = 0.0


@dataclass(slots=True, eq=False)
class _Lease:
    """The lease of one holder on one space. `recalled`: records told, not confirmed; with the number."""

    space_id: str
    holder: str
    ends_s: float
    lease_id: str = field(default_factory=lambda: secrets.token_hex(8))
    number: int = 0
    confirmed: int = 0
    emptied: int = 0
    watched: set[str] = field(default_factory=set)
    recalled: dict[str, int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_news(self) -> bool:
        """Whether the holder has something to confirm."""
        return self.number > self.confirmed

    def recall(self, records: Iterable[str]) -> None:
        """Begins to take these records back, as far as the holder may have them."""
        known = [record for record in records if record in self.watched]
        if known:
            self.number += 1
            for record in known:
                self.watched.discard(record)
                self.recalled[record] = self.number
            self.news.set()

    def recall_everything(self) -> None:
        """Begins to take all back."""
        self.number += 1
        self.emptied = self.number
        self.watched.clear()
        self.recalled.clear()
        self.news.set()

    def confirm(self, number: int) -> None:
        """The holder has forgotten what it was told up to this number."""
        self.confirmed = max(self.confirmed, min(number, self.number))
        self.recalled = {id_: told for id_, told in self.recalled.items() if told > self.confirmed}
        self.progress.set()

    def owes(self, record: str) -> bool:
        """Whether the holder may still have this record."""
        return record in self.watched or record in self.recalled or self.emptied > self.confirmed


class Leases:
    """All leases this instance gave. They last no longer than it: a successor gives its own."""

    def __init__(self, ownership: Ownership, clock: Clock) -> None:
        self._ownership = ownership
        self._clock = clock
        self._spaces: dict[str, dict[str, _Lease]] = {}
        self._by_id: dict[str, _Lease] = {}
        self._changing: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_id)

    async def renew(self, space_id: str, holder: str, lease_id: str, confirmed: int) -> Renewal | None:
        """Confirms, renews, and waits a moment for news. Another `lease_id` than before: all is forgotten.

        None when this instance gives no lease on the space.
        """
        lease = self._valid(lease_id)
        if lease is not None:
            lease.confirm(confirmed)
        if not self._ownership.owns(space_id):
            return None
        if lease is None or (lease.space_id, lease.holder) != (space_id, holder):
            return self._begin(space_id, holder)
        lease_s = 0.0 if lease.has_news else self._extend(lease)
        if not lease.has_news:
            lease.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HOLD_S):
                    await lease.news.wait()
        return _told(lease, lease_s)

    def grant(self, lease_id: str, space_id: str, records: Sequence[str]) -> int | None:
        """Notes that the holder will remember what it is told now of these records.

        The number of the last recall the answer is newer than; None when it must not be remembered. Call it
        in the same step of the event loop in which the records were seen to be current.
        """
        lease = self._valid(lease_id)
        if lease is None or lease.space_id != space_id or not self._ownership.owns(space_id):
            return None
        if any(record in self._changing for record in records):
            return None
        lease.watched.update(records)
        if len(lease.watched) > MAX_WATCHED:
            lease.recall_everything()
            return None
        return lease.number

    def is_watched(self, space_id: str, record: str) -> bool:
        """Whether anybody may remember what he was told of a record."""
        return any(lease.owes(record) for lease in self._spaces.get(space_id, {}).values())

    @contextlib.asynccontextmanager
    async def changing(self, space_id: str, *records: str) -> AsyncIterator[None]:
        """The block in which records are changed: nobody remembers them when it begins, or learns them in it.

        A user's change is not over before every lease that another instance may have given has ended.
        """
        self._changing.update(records)
        try:
            await self._taken_back(space_id, records)
            yield
        finally:
            for record in records:
                self._changing[record] -= 1
                if not self._changing[record]:
                    del self._changing[record]
        await self._others_ended(space_id)

    def recall(self, space_id: str, *records: str) -> None:
        """Takes records back, and waits for nobody."""
        for lease in self._spaces.get(space_id, {}).values():
            lease.recall(records)

    def changed_elsewhere(self, records: Iterable[str]) -> None:
        """Another instance changed these records: the holders are told, and nobody waits for it."""
        known = list(records)
        for lease in list(self._by_id.values()):
            lease.recall(known)

    def forget_everything(self) -> None:
        """Changes of other instances may have been missed."""
        for lease in list(self._by_id.values()):
            lease.recall_everything()

    def _begin(self, space_id: str, holder: str) -> Renewal | None:
        self._end_expired()
        if len(self._by_id) >= MAX_LEASES:
            return None
        known = self._spaces.get(space_id, {}).get(holder)
        if known is not None:
            self._end(known)  # the holder asks under another id, so it believes in this one no more
        lease = _Lease(space_id, holder, self._clock.monotonic_s() + LEASE_END_S)
        self._spaces.setdefault(space_id, {})[holder] = lease
        self._by_id[lease.lease_id] = lease
        return _told(lease, LEASE_S)

    def _extend(self, lease: _Lease) -> float:
        lease.ends_s = self._clock.monotonic_s() + LEASE_END_S
        return LEASE_S

    def _valid(self, lease_id: str) -> _Lease | None:
        lease = self._by_id.get(lease_id)
        return None if lease is None or lease.ends_s <= self._clock.monotonic_s() else lease

    async def _taken_back(self, space_id: str, records: Sequence[str]) -> None:
        leases = list(self._spaces.get(space_id, {}).values())
        for lease in leases:
            lease.recall(records)
        for lease, number in [(lease, lease.number) for lease in leases if any(map(lease.owes, records))]:
            await self._confirmed(lease, number)

    async def _confirmed(self, lease: _Lease, number: int) -> None:
        while lease.confirmed < number and lease.lease_id in self._by_id:
            if lease.ends_s <= self._clock.monotonic_s():
                self._end(lease)
                return
            lease.progress.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await lease.progress.wait()

    async def _others_ended(self, space_id: str) -> None:
        caller = current_call.get().identity
        if caller is None or caller.kind is not Kind.USER:
            return  # nobody is told that it is done
        left_s = LEASE_END_S - self._ownership.owned_for_s(space_id)
        if left_s > 0:
            await asyncio.sleep(left_s)

    def _end_expired(self) -> None:
        now_s = self._clock.monotonic_s()
        for lease in list(self._by_id.values()):
            if lease.ends_s <= now_s:
                self._end(lease)

    def _end(self, lease: _Lease) -> None:
        self._by_id.pop(lease.lease_id, None)
        holders = self._spaces.get(lease.space_id, {})
        if holders.get(lease.holder) is lease:
            del holders[lease.holder]
            if not holders:
                del self._spaces[lease.space_id]
        lease.progress.set()


def _told(lease: _Lease, lease_s: float) -> Renewal:
    return Renewal(
        lease.lease_id,
        lease.number,
        lease_s,
        tuple(lease.recalled),
        everything=lease.emptied > lease.confirmed,
    )
