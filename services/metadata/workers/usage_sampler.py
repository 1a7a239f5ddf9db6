"""Notes how much of each space is used, for the statistics."""

from __future__ import annotations

from services.metadata.domain.usage_history import UsageHistory


class UsageSampler:
    """One round; a second one in the same slot only replaces the first."""

    def __init__(self, history: UsageHistory) -> None:
        self._history = history

    async def run_once(self) -> int:
        """Samples once. Always 0: the next round has to be a while later."""
        await self._history.sample()
        return 0
