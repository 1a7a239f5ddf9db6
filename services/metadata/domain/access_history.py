"""How spaces were read and written: sums of what data ports and gateways counted, in four step widths."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.clock import Clock
from runtime.errors import InvalidArgument
from runtime.identity import Identity

from .access_books import AccessHistoryStore, AccessPoint, Told
from .errors import LostRace, RevisionConflict
from .quotas import require_insider
from .retries import attempts
from .tree import Tree
from .usage_history import STEPS, require_reader

#: Most accesses told at once: about as many updates of small documents as one transaction should have.
MAX_ACCESSES = 250


class AccessHistory:
    """Notes accesses, and tells the sums of a space or of a user in it."""

    def __init__(self, store: AccessHistoryStore, tree: Tree, clock: Clock) -> None:
        self._store = store
        self._tree = tree
        self._clock = clock

    async def note(self, identity: Identity, told: Told) -> None:
        """Adds what a service counted, once however often it is told. Raises `InvalidArgument`."""
        require_insider(identity)
        if len(told.accesses) > MAX_ACCESSES:
            raise InvalidArgument("too many accesses at once", count=len(told.accesses))
        if not told.holder:
            raise InvalidArgument("who counted is not told")
        async for _ in attempts():
            try:
                await self._store.note(told)
            except RevisionConflict:
                continue
            return
        raise LostRace(holder=told.holder)

    async def read(
        self, identity: Identity, space_id: str, user_id: str, step_s: int
    ) -> tuple[Sequence[AccessPoint], bool]:
        """Points of one step width, oldest first, and whether there was any access within a year."""
        keep = STEPS.get(step_s)
        if keep is None:
            raise InvalidArgument("no such step", step_s=step_s)
        require_reader(identity, space_id)
        await self._tree.require_space(space_id)
        points = await self._list(space_id, user_id, step_s)
        known = bool(points) or bool(await self._list(space_id, user_id, max(STEPS)))
        return points, known

    async def _list(self, space_id: str, user_id: str, step_s: int) -> Sequence[AccessPoint]:
        now_s = self._clock.now_ms() // 1000
        since_s = now_s - now_s % step_s - (STEPS[step_s] - 1) * step_s
        return await self._store.list(space_id, user_id, step_s, since_s=since_s)
