"""Who read and wrote how much, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from services.metadata.domain.access_books import USERS_STEP_S, AccessPoint, Sums, Told
from services.metadata.domain.usage_history import STEPS

_Key = tuple[str, str, int]


class MemoryAccessHistoryStore:
    """Points in dictionaries. Nothing is forgotten."""

    def __init__(self) -> None:
        self._points: dict[_Key, dict[int, AccessPoint]] = {}
        self._told: dict[str, int] = {}

    async def note(self, told: Told) -> None:
        if self._told.get(told.holder, -1) >= told.sequence:
            return
        self._told[told.holder] = told.sequence
        users = self._connected(told)
        for (space_id, user_id), sums in told.by_user().items():
            for step_s in STEPS:
                self._add((space_id, user_id, step_s), told.time_s, sums, 0)
        for space_id, sums in told.by_space().items():
            for step_s in STEPS:
                self._add((space_id, "", step_s), told.time_s, sums, users[space_id])

    async def list(self, space_id: str, user_id: str, step_s: int, *, since_s: int) -> Sequence[AccessPoint]:
        points = self._points.get((space_id, user_id, step_s), {})
        return [points[time_s] for time_s in sorted(points) if time_s >= since_s]

    def _connected(self, told: Told) -> dict[str, int]:
        """Users there in this slot, by space, with those told of now."""
        slot_s = told.time_s - told.time_s % USERS_STEP_S
        counts: dict[str, int] = {}
        for space_id in told.by_space():
            before = self._find(space_id, "", slot_s)
            counts[space_id] = before.users if before is not None else 0
        for space_id, user_id in told.by_user():
            counts[space_id] += self._find(space_id, user_id, slot_s) is None
        return counts

    def _find(self, space_id: str, user_id: str, slot_s: int) -> AccessPoint | None:
        return self._points.get((space_id, user_id, USERS_STEP_S), {}).get(slot_s)

    def _add(self, key: _Key, time_s: int, sums: Sums, users: int) -> None:
        begin_s = time_s - time_s % key[2]
        points = self._points.setdefault(key, {})
        before = points.get(begin_s, AccessPoint(begin_s, Sums()))
        points[begin_s] = AccessPoint(begin_s, before.sums + sums, users)
