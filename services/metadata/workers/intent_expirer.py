"""Forgets uploads that began long ago and never ended."""

from __future__ import annotations

from runtime.clock import Clock
from services.metadata.domain.stores import IntentStore

PAGE = 1000


class IntentExpirer:
    """Their bytes are found by the sweep of orphans, once no intent refers to them."""

    def __init__(self, intents: IntentStore, clock: Clock, *, expiry_s: float) -> None:
        self._intents = intents
        self._clock = clock
        self._expiry_ms = int(expiry_s * 1000)

    async def run_once(self) -> int:
        """Forgets some; how many."""
        return await self._intents.expire(before_ms=self._clock.now_ms() - self._expiry_ms, limit=PAGE)
