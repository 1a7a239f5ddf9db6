"""Spaces as far as they are kept here: the root directory, the quota, and what is used of it."""

from __future__ import annotations

from collections import OrderedDict

from runtime.clock import Clock
from runtime.errors import InvalidArgument, NoSpace, SpaceNotSupported
from runtime.identity import Identity, Kind

from .errors import Forbidden, IdTaken, LostRace
from .records import new_root
from .retries import attempts
from .stores import LocationStore, QuotaStore, Usage
from .tree import Tree

#: How old what is known of a quota may be when an upload begins; its commit asks the store anyway.
KNOWN_FOR_S = 2.0
MAX_KNOWN = 10_000


def require_insider(identity: Identity) -> None:
    """Raises unless the caller is a service or an operator of this provider."""
    if identity.kind not in (Kind.SERVICE, Kind.OPERATOR):
        raise Forbidden("for services and operators only")


class Quotas:
    """Bytes of spaces. Used are the bytes of all contents and of garbage that is still on a storage."""

    def __init__(self, store: QuotaStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Usage]] = OrderedDict()

    async def charge(self, space_id: str, size_bytes: int) -> None:
        """Takes bytes of the quota for good. Raises `NoSpace` and takes nothing when they are not there."""
        if size_bytes > 0:
            try:
                self._keep(await self._store.charge(space_id, size_bytes))
            except NoSpace:
                self._known.pop(space_id, None)
                raise

    async def release(self, space_id: str, size_bytes: int) -> None:
        """Gives bytes back."""
        if size_bytes > 0:
            await self._store.release(space_id, size_bytes)
            self._known.pop(space_id, None)

    async def available_bytes(self, space_id: str, *, wanted_bytes: int = 1) -> int:
        """What is left, as known a moment ago; asked anew when that is less than what is wanted."""
        known = self._known.get(space_id)
        if known is not None and self._clock.monotonic_s() - known[0] <= KNOWN_FOR_S:
            available_bytes = known[1].available_bytes
            if available_bytes >= wanted_bytes:
                return available_bytes
        usage = await self._store.find(space_id)
        if usage is None:
            raise SpaceNotSupported(space_id=space_id)
        self._keep(usage)
        return usage.available_bytes

    def _keep(self, usage: Usage) -> None:
        self._known[usage.space_id] = (self._clock.monotonic_s(), usage)
        self._known.move_to_end(usage.space_id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


class Spaces:
    """Spaces this provider keeps."""

    def __init__(
        self, quotas: QuotaStore, locations: LocationStore, tree: Tree, clock: Clock, provider_id: str
    ) -> None:
        self._quotas = quotas
        self._locations = locations
        self._tree = tree
        self._clock = clock
        self._provider_id = provider_id

    async def ensure(self, identity: Identity, space_id: str, quota_bytes: int) -> Usage:
        """The space is kept here from now on, with this quota. Idempotent."""
        require_insider(identity)
        if not space_id or "/" in space_id or "\0" in space_id or quota_bytes < 0:
            raise InvalidArgument("a space needs an id and a quota", space_id=space_id)
        # The quota first: a space with a root is ready to be written to.
        usage = await self._quotas.ensure(space_id, quota_bytes)
        root = new_root(space_id, self._provider_id, self._clock.now_ms())
        if await self._tree.find(space_id, root.file_id, fresh=True) is None:
            try:
                await self._tree.insert(root)
            except IdTaken:
                self._tree.forget(root.file_id)
        return usage

    async def usage(self, identity: Identity, space_id: str) -> Usage:
        """Quota and usage. Raises `SpaceNotSupported`."""
        if identity.kind is Kind.USER and identity.rights_in(space_id) is None:
            raise Forbidden(space_id=space_id)
        if identity.kind is not Kind.USER:
            require_insider(identity)
        return await self._usage(space_id)

    async def recount(self, identity: Identity, space_id: str) -> tuple[Usage, int]:
        """Counts the used bytes again and mends the counter; what it was off by.

        An upload that is being committed at this moment may be missed: best done while the space is quiet.
        """
        require_insider(identity)
        async for _ in attempts():
            usage = await self._usage(space_id)
            held = await self._locations.held_bytes(space_id)
            if held == usage.used_bytes or await self._quotas.mend(usage, held):
                return Usage(space_id, usage.quota_bytes, held), held - usage.used_bytes
        raise LostRace(space_id=space_id)

    async def drift(self, space_id: str) -> tuple[Usage, int]:
        """What is counted, and how far what is held is from it now."""
        usage = await self._usage(space_id)
        return usage, await self._locations.held_bytes(space_id) - usage.used_bytes

    async def mend(self, usage: Usage, drift: int) -> bool:
        """Takes a drift away, unless the counter moved since."""
        return await self._quotas.mend(usage, usage.used_bytes + drift)

    async def _usage(self, space_id: str) -> Usage:
        usage = await self._quotas.find(space_id)
        if usage is None:
            raise SpaceNotSupported(space_id=space_id)
        return usage
