"""How many bytes belong to whom: counted by the owners of files now and then, kept where it changed.

Nothing of it costs a writer anything: the records of all files are summed up in pages, each as it is when its
page is read. How often depends on how long that takes (`workers/owner_counter.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from runtime.clock import Clock
from runtime.errors import InvalidArgument
from runtime.identity import Identity

from .tree import Tree
from .usage_books import HeldPoint, OwnerKey, OwnerUsageStore
from .usage_history import STEPS, require_reader

#: Files summed up by one query: a fraction of a second.
PAGE_FILES = 50_000
#: Owners noted, or read, at once.
PAGE_OWNERS = 250


class OwnerUsage:
    """Counts what belongs to whom, with a number for each owner in memory, and tells how that went."""

    def __init__(self, store: OwnerUsageStore, tree: Tree, clock: Clock) -> None:
        self._store = store
        self._tree = tree
        self._clock = clock

    async def count(self) -> int:
        """Counts once and notes what is not as it was; answers how many owners that are. Safe to repeat."""
        held: Counter[OwnerKey] = Counter()
        after = ""
        while True:
            page = await self._store.count_page(after=after, limit=PAGE_FILES)
            held.update(page.held_bytes)
            after = page.next_id
            if not after:
                break
        changed = await self._changed(held)
        now_s = self._clock.now_ms() // 1000
        rest = iter(changed.items())
        while some := dict(islice(rest, PAGE_OWNERS)):
            await self._store.note(some, now_s)
        await self._store.forget(before_s=now_s - max(STEPS) * STEPS[max(STEPS)])
        return len(changed)

    async def read(
        self, identity: Identity, space_id: str, owner_id: str, step_s: int
    ) -> Sequence[HeldPoint]:
        """A point for each step since something was counted for the first time, oldest first.

        A step in which nothing changed has the value of the one before. Raises as `UsageHistory.read`.
        """
        keep = STEPS.get(step_s)
        if keep is None:
            raise InvalidArgument("no such step", step_s=step_s)
        require_reader(identity, space_id)
        await self._tree.require_space(space_id)
        points = await self._store.list(OwnerKey(space_id, owner_id), step_s)
        now_s = self._clock.now_ms() // 1000
        last_s = now_s - now_s % step_s
        return _filled(points, range(last_s - (keep - 1) * step_s, last_s + 1, step_s))

    async def _changed(self, held: Mapping[OwnerKey, int]) -> dict[OwnerKey, int]:
        """What differs from what was noted last. Who was counted once and owns nothing any more has 0."""
        changed = dict(held)
        after: OwnerKey | None = None
        while last := await self._store.list_last(after=after, limit=PAGE_OWNERS):
            for key, noted in last.items():
                if held.get(key, 0) == noted:
                    changed.pop(key, None)
                else:
                    changed[key] = held.get(key, 0)
            after = max(last)
        return changed


def _filled(points: Sequence[HeldPoint], times: range) -> list[HeldPoint]:
    """The value at each of the times; none before the first point."""
    filled: list[HeldPoint] = []
    rest = list(reversed(points))
    value: int | None = None
    for time_s in times:
        while rest and rest[-1].time_s <= time_s:
            value = rest.pop().held_bytes
        if value is not None:
            filled.append(HeldPoint(time_s, value))
    return filled
