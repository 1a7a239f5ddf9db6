"""How quota and usage of a space went: the last value of each slot, in four step widths.

Each width keeps as many slots as statistics are told of: a day, a week, a month, a year.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.clock import Clock
from runtime.errors import InvalidArgument, SpaceNotSupported
from runtime.identity import Identity, Kind, SpacePrivilege

from .errors import Forbidden
from .quotas import Quotas, require_insider
from .stores import QuotaStore
from .tree import Tree
from .usage_books import UsageHistoryStore, UsagePoint

#: Seconds of a step, and how many are kept.
STEPS: Mapping[int, int] = {300: 288, 3600: 168, 86_400: 31, 30 * 86_400: 12}
PAGE = 100


class UsageHistory:
    """Samples all spaces, and tells the samples of one."""

    def __init__(
        self, store: UsageHistoryStore, quotas: Quotas, spaces: QuotaStore, tree: Tree, clock: Clock
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._spaces = spaces
        self._tree = tree
        self._clock = clock

    async def sample(self) -> int:
        """Notes quota and usage of every space; answers how many there are."""
        count, after = 0, ""
        now_s = self._clock.now_ms() // 1000
        while page := await self._spaces.list_spaces(after=after, limit=PAGE):
            for space_id in page:
                await self._note(space_id, now_s)
            count, after = count + len(page), page[-1]
        return count

    async def read(self, identity: Identity, space_id: str, step_s: int) -> Sequence[UsagePoint]:
        """Points of one step width, oldest first; those too old to be told are left out."""
        keep = STEPS.get(step_s)
        if keep is None:
            raise InvalidArgument("no such step", step_s=step_s)
        require_reader(identity, space_id)
        await self._tree.require_space(space_id)
        oldest_s = self._clock.now_ms() // 1000 - keep * step_s
        return [point for point in await self._store.list(space_id, step_s) if point.time_s > oldest_s]

    async def _note(self, space_id: str, now_s: int) -> None:
        try:
            usage = await self._quotas.usage(space_id)
        except SpaceNotSupported:
            return
        for step_s, keep in STEPS.items():
            point = UsagePoint(now_s - now_s % step_s, usage.quota_bytes, usage.used_bytes)
            await self._store.put(space_id, step_s, point, keep=keep)


def require_reader(identity: Identity, space_id: str) -> None:
    """Raises `Forbidden` unless the caller may view the statistics of the space."""
    if identity.kind is not Kind.USER:
        require_insider(identity)
        return
    rights = identity.rights_in(space_id)
    if rights is None or not rights.has(SpacePrivilege.VIEW_STATISTICS):
        raise Forbidden(space_id=space_id)
