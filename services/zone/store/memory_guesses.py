"""Turns of password guesses in memory, under the same contract as MongoDB."""

from __future__ import annotations

from collections.abc import Sequence

from services.zone.domain.entities import Lane


class MemoryGuessStore:
    """Answers GuessStore."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    async def find(self, keys: Sequence[str]) -> dict[str, Lane]:
        return {key: self._lanes[key] for key in keys if key in self._lanes}

    async def replace(self, before: Lane, after: Lane) -> bool:
        known = self._lanes.get(before.key)
        if (known.turns if known else 0) != before.turns:
            return False
        self._lanes[after.key] = after
        return True

    async def put(self, lane: Lane) -> None:
        self._lanes[lane.key] = lane
