"""Mends what crashes between two steps did to the counters of used bytes."""

from __future__ import annotations

from services.metadata.domain.quotas import Spaces
from services.metadata.domain.stores import QuotaStore

PAGE = 100


class QuotaRecounter:
    """Counts the spaces one after the other.

    What is being uploaded at the moment of counting looks like a drift, so only what two rounds in a row find
    alike is mended.
    """

    def __init__(self, spaces: Spaces, quotas: QuotaStore) -> None:
        self._spaces = spaces
        self._quotas = quotas
        self._drifts: dict[str, int] = {}

    async def run_once(self) -> int:
        """Counts every space once. Always 0: the next round has to be a while later."""
        before, self._drifts = self._drifts, {}
        after = ""
        while page := await self._quotas.list_spaces(after=after, limit=PAGE):
            for space_id in page:
                usage, drift = await self._spaces.drift(space_id)
                if drift and before.get(space_id) == drift and await self._spaces.mend(usage, drift):
                    continue
                if drift:
                    self._drifts[space_id] = drift
            after = page[-1]
        return 0
