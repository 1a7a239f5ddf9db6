"""Copies in memory."""

from __future__ import annotations

from collections.abc import Sequence

from services.metadata.domain.copy_records import OPEN, Copy, CopyState
from services.metadata.domain.errors import IdTaken, NameTaken, RevisionConflict


class MemoryCopyStore:
    """Copies in a dictionary."""

    def __init__(self) -> None:
        self._copies: dict[str, Copy] = {}

    async def insert(self, copy: Copy) -> None:
        if copy.copy_id in self._copies:
            raise IdTaken(copy_id=copy.copy_id)
        self._require_free(copy)
        self._copies[copy.copy_id] = copy

    async def find(self, copy_id: str) -> Copy | None:
        return self._copies.get(copy_id)

    async def find_reserving(self, parent_id: str, name: str) -> Copy | None:
        return next((copy for copy in self._copies.values() if _reserves(copy, parent_id, name)), None)

    async def replace(self, copy: Copy) -> None:
        known = self._copies.get(copy.copy_id)
        if known is None or known.revision != copy.revision - 1:
            raise RevisionConflict(copy_id=copy.copy_id)
        self._require_free(copy)
        self._copies[copy.copy_id] = copy

    async def remove(self, copy: Copy) -> None:
        known = self._copies.get(copy.copy_id)
        if known is not None and known.revision == copy.revision:
            del self._copies[copy.copy_id]

    async def list_lapsed(self, states: Sequence[CopyState], *, before_ms: int, limit: int) -> Sequence[Copy]:
        lapsed = [
            copy for copy in self._copies.values() if copy.state in states and copy.lease_until_ms < before_ms
        ]
        return sorted(lapsed, key=lambda copy: copy.lease_until_ms)[:limit]

    async def list(self, *, after: str, limit: int) -> Sequence[Copy]:
        shown = [copy for copy in self._copies.values() if copy.state is not CopyState.DONE]
        return sorted((copy for copy in shown if copy.copy_id > after), key=lambda copy: copy.copy_id)[:limit]

    async def count_open(self, *, user_id: str = "", limit: int) -> int:
        counted = [
            copy
            for copy in self._copies.values()
            if copy.state in OPEN and (not user_id or copy.user_id == user_id)
        ]
        return min(limit, len(counted))

    def _require_free(self, copy: Copy) -> None:
        others = [other for other in self._copies.values() if other.copy_id != copy.copy_id]
        if copy.reserves and any(_reserves(other, copy.parent_id, copy.name) for other in others):
            raise NameTaken(name=copy.name)


def _reserves(copy: Copy, parent_id: str, name: str) -> bool:
    return copy.reserves and (copy.parent_id, copy.name) == (parent_id, name)
