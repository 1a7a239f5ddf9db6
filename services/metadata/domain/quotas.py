"""Spaces as far as they are kept here: the root directory, the quota, and what is used of it."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from runtime.clock import Clock
from runtime.errors import InvalidArgument, NoSpace, SpaceNotSupported
from runtime.identity import Identity, Kind

from .errors import Forbidden, IdTaken, LostRace
from .queue_books import QueueStore
from .records import new_root, new_tmp
from .retries import attempts
from .stores import LocationStore, QuotaStore, Usage
from .tree import Tree

#: How old what is known of a quota may be when an upload begins; its commit asks the store anyway.
KNOWN_FOR_S = 2.0
MAX_KNOWN = 10_000
#: What an instance leases beyond what it needs: so much, but no more than this share of what is left, and
#: nothing when that comes to little: the last bytes of a quota go to whoever asks first. What is not used
#: comes back from an instance that had no upload for `IDLE_AFTER_S`.
MAX_SPARE_BYTES, MIN_SPARE_BYTES = 64 * 1024 * 1024, 4 * 1024 * 1024
SPARE_SHARE = 16
IDLE_AFTER_S = 2.0
#: A lease that is not renewed for so long counts as used up; its holder trusts it for much less.
LAPSE_AFTER_S = 60.0
VALID_FOR_S = 20.0
#: When a recount that is asked for takes a holder for dead: it will not trust that lease itself any more.
DEAD_AFTER_S = 30.0


#: Between the two counts of a recount: longer than a commit takes.
RECOUNT_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Recount:
    """What came of counting again: the usage as it is now, what the counter was off by, and what only the
    last count found."""

    usage: Usage
    corrected_bytes: int
    unsettled_bytes: int


def agreed_drift(one: int, other: int) -> int:
    """How far two drifts found at different moments agree."""
    if one * other <= 0:
        return 0
    return min(one, other) if one > 0 else max(one, other)


def require_insider(identity: Identity) -> None:
    """Raises unless the caller is a service or an operator of this provider."""
    if identity.kind not in (Kind.SERVICE, Kind.OPERATOR):
        raise Forbidden("for services and operators only")


@dataclass(slots=True)
class _Lease:
    """Bytes of one space that this instance may still give out, and what it gave since it last told.

    `awaited_bytes` are asked for by callers that wait for a renewal.
    """

    left_bytes: int = 0
    spent_bytes: int = 0
    awaited_bytes: int = 0
    renewed_s: float = 0.0
    charged_s: float = 0.0
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Quotas:
    """Bytes of spaces. Used are those of all contents, of garbage still on a storage, of values of queues.

    An instance leases a piece of what is free and counts uploads against it in memory, so most of them cost
    the store nothing. All leases come out of the quota, so it is never exceeded, whoever believes to own the
    space. What a crash leaves leased counts as used until the bytes are counted again.
    """

    def __init__(self, store: QuotaStore, clock: Clock, *, holder: str = "") -> None:
        self._store = store
        self._clock = clock
        # Nobody else's, not even our successor's: what we spent of a lease, only we know.
        self._holder = holder or secrets.token_hex(8)
        self._leases: dict[str, _Lease] = {}
        self._known: OrderedDict[str, tuple[float, Usage]] = OrderedDict()

    async def charge(self, space_id: str, size_bytes: int) -> None:
        """Takes bytes of the quota for good. Raises `NoSpace` and takes nothing when they are not there."""
        if size_bytes <= 0:
            return
        lease = self._leases.get(space_id)
        if lease is None:
            lease = self._leases[space_id] = _Lease()
        if not self._take(lease, size_bytes):
            await self._charge_slowly(space_id, lease, size_bytes)

    async def release(self, space_id: str, size_bytes: int) -> None:
        """Gives bytes back."""
        if size_bytes > 0:
            lease = self._leases.setdefault(space_id, _Lease())
            lease.spent_bytes -= size_bytes

    async def usage(self, space_id: str) -> Usage:
        """Quota and usage, with what this instance has not told the store yet. Raises `SpaceNotSupported`."""
        lease = self._leases.get(space_id)
        if lease is None:
            return await self.find(space_id)
        async with lease.renewing:
            usage = await self.find(space_id)
            return replace(usage, used_bytes=usage.used_bytes + lease.spent_bytes)

    async def settle(self, space_id: str) -> None:
        """Tells the store what was used. Gives back what is not needed."""
        lease = self._leases.get(space_id)
        if lease is None:
            return
        async with lease.renewing:
            idle = self._clock.monotonic_s() - lease.charged_s >= IDLE_AFTER_S
            await self._renew(space_id, lease, 0, keep=not idle)
        if idle and not (lease.spent_bytes or lease.left_bytes or lease.awaited_bytes):
            del self._leases[space_id]

    async def give_back(self, space_id: str) -> None:
        """Settles, and leases nothing until the next charge."""
        lease = self._leases.get(space_id)
        if lease is not None:
            lease.charged_s = -math.inf
            await self.settle(space_id)

    async def flush(self) -> int:
        """Settles every lease that was used, or lies idle; answers how many."""
        now_s = self._clock.monotonic_s()
        due = [
            space_id
            for space_id, lease in self._leases.items()
            if lease.spent_bytes or now_s - lease.charged_s >= IDLE_AFTER_S
        ]
        for space_id in due:
            await self.settle(space_id)
        # The next round has to be a moment later, or nothing would be gained.
        return 0

    async def close(self) -> None:
        """Gives everything back."""
        for lease in self._leases.values():
            lease.charged_s = -math.inf
        await self.flush()

    async def available_bytes(self, space_id: str, *, wanted_bytes: int = 1) -> int:
        """What is left, as known a moment ago; asked anew when that is less than what is wanted."""
        known = self._known.get(space_id)
        if known is not None and self._clock.monotonic_s() - known[0] <= KNOWN_FOR_S:
            available_bytes = known[1].available_bytes + self._left_bytes(space_id)
            if available_bytes >= wanted_bytes:
                return available_bytes
        usage = await self.find(space_id)
        self._keep(usage)
        return usage.available_bytes + self._left_bytes(space_id)

    async def supports(self, space_id: str) -> bool:
        """Whether the space is supported here, as known a moment ago; one that no longer is has no quota."""
        known = self._known.get(space_id)
        if known is not None and self._clock.monotonic_s() - known[0] <= KNOWN_FOR_S:
            return known[1].quota_bytes > 0
        usage = await self._store.find(space_id)
        if usage is not None:
            self._keep(usage)
        return usage is not None and usage.quota_bytes > 0

    async def find(self, space_id: str) -> Usage:
        """Quota and usage as the store has them. Raises `SpaceNotSupported`."""
        usage = await self._store.find(space_id)
        if usage is None:
            raise SpaceNotSupported(space_id=space_id)
        return usage

    def _left_bytes(self, space_id: str) -> int:
        lease = self._leases.get(space_id)
        return 0 if lease is None else lease.left_bytes

    def _take(self, lease: _Lease, size_bytes: int) -> bool:
        now_s = self._clock.monotonic_s()
        # One that is old may count as lapsed, and its bytes as used by somebody who is gone.
        if size_bytes > lease.left_bytes or now_s - lease.renewed_s > VALID_FOR_S:
            return False
        lease.left_bytes -= size_bytes
        lease.spent_bytes += size_bytes
        lease.charged_s = now_s
        return True

    async def _charge_slowly(self, space_id: str, lease: _Lease, size_bytes: int) -> None:
        lease.awaited_bytes += size_bytes
        try:
            async with lease.renewing:
                # Who came before may have brought enough for all.
                if self._take(lease, size_bytes):
                    return
                lease.charged_s = self._clock.monotonic_s()
                await self._renew(space_id, lease, size_bytes, keep=True)
                if not self._take(lease, size_bytes):
                    raise NoSpace("the quota of the space is used up", space_id=space_id)
        finally:
            lease.awaited_bytes -= size_bytes

    async def _renew(self, space_id: str, lease: _Lease, needed_bytes: int, *, keep: bool) -> None:
        """Settles, and leases what is needed and some more, but little of what is left for all."""
        spent_bytes = lease.spent_bytes
        spare_bytes = max(
            self._spare_bytes(space_id, lease) if keep else 0, lease.awaited_bytes - needed_bytes
        )
        # Nothing of it may be given out twice while the store is asked.
        lease.left_bytes = 0
        usage, leased_bytes = await self._store.lease(
            space_id,
            self._holder,
            spent_bytes=spent_bytes,
            needed_bytes=needed_bytes,
            spare_bytes=spare_bytes,
        )
        lease.spent_bytes -= spent_bytes
        lease.left_bytes = leased_bytes
        lease.renewed_s = self._clock.monotonic_s()
        self._keep(usage)

    def _spare_bytes(self, space_id: str, lease: _Lease) -> int:
        if space_id not in self._known:
            return 0
        free_bytes = self._known[space_id][1].available_bytes + lease.left_bytes
        spare_bytes = min(MAX_SPARE_BYTES, free_bytes // SPARE_SHARE)
        return spare_bytes if spare_bytes >= MIN_SPARE_BYTES else 0

    def _keep(self, usage: Usage) -> None:
        self._known[usage.space_id] = (self._clock.monotonic_s(), usage)
        self._known.move_to_end(usage.space_id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


class Spaces:
    """Spaces this provider keeps."""

    def __init__(
        self,
        store: QuotaStore,
        quotas: Quotas,
        locations: LocationStore,
        queues: QueueStore,
        tree: Tree,
        clock: Clock,
        provider_id: str,
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._locations = locations
        self._queues = queues
        self._tree = tree
        self._clock = clock
        self._provider_id = provider_id

    async def ensure(
        self, identity: Identity, space_id: str, quota_bytes: int, *, revision: int = 0
    ) -> Usage:
        """The space is kept here from now on, with this quota. Idempotent.

        `revision`: of the support; what belongs to an older one than is known sets nothing. 0 sets it anyway.
        """
        require_insider(identity)
        if not space_id or "/" in space_id or "\0" in space_id or quota_bytes < 0:
            raise InvalidArgument("a space needs an id and a quota", space_id=space_id)
        # The quota first: a space with a root is ready to be written to.
        await self._store.ensure(space_id, quota_bytes, revision=revision)
        now_ms = self._clock.now_ms()
        for special in (
            new_root(space_id, self._provider_id, now_ms),
            new_tmp(space_id, self._provider_id, now_ms),
        ):
            if await self._tree.find(space_id, special.file_id, fresh=True) is None:
                try:
                    await self._tree.insert(special)
                except IdTaken:
                    self._tree.forget(special.file_id)
        return await self._quotas.usage(space_id)

    async def usage(self, identity: Identity, space_id: str) -> Usage:
        """Quota and usage. Raises `SpaceNotSupported`."""
        if identity.kind is Kind.USER and identity.rights_in(space_id) is None:
            raise Forbidden(space_id=space_id)
        if identity.kind is not Kind.USER:
            require_insider(identity)
        return await self._quotas.usage(space_id)

    async def recount(
        self, identity: Identity, space_id: str, *, pause_s: float = RECOUNT_PAUSE_S
    ) -> Recount:
        """Counts the used bytes again, twice with a pause, and mends the counter as far as both agree.

        Whatever is being uploaded meanwhile looks like a drift once, and not twice alike. What an instance
        used of its lease and has not told yet is no drift; nor is a whole lease until it has lapsed.
        """
        require_insider(identity)
        await self._store.lapse(unheard_s=DEAD_AFTER_S)
        await self._quotas.give_back(space_id)
        _, first = await self.drift(space_id)
        if first:
            await asyncio.sleep(pause_s)
        async for _ in attempts():
            await self._quotas.give_back(space_id)
            usage, drift = await self.drift(space_id)
            agreed = agreed_drift(first, drift)
            if not agreed or await self.mend(usage, agreed):
                mended = replace(usage, used_bytes=usage.used_bytes + agreed)
                return Recount(mended, agreed, drift - agreed)
        raise LostRace(space_id=space_id)

    async def drift(self, space_id: str) -> tuple[Usage, int]:
        """What is counted, and how far what is held is from it now, whatever is used of the leases."""
        usage = await self._quotas.find(space_id)
        held_bytes = await self._locations.held_bytes(space_id) + await self._queues.held_bytes(space_id)
        drift = held_bytes - usage.used_bytes
        return usage, drift if drift < 0 else max(0, drift - usage.leased_bytes)

    async def mend(self, usage: Usage, drift: int) -> bool:
        """Takes a drift away, unless the counter moved since."""
        return await self._store.mend(usage, usage.used_bytes + drift)
