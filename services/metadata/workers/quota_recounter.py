"""Mends what crashes did to the counters of used bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from services.metadata.domain.quotas import LAPSE_AFTER_S, Spaces, agreed_drift
from services.metadata.domain.stores import QuotaStore

PAGE = 100
#: All spaces are counted once in so many rounds; those with a reason, in each.
ROUNDS_TO_ALL = 10


class QuotaRecounter:
    """Has leases of instances that are gone lapse, and counts spaces.

    What is being uploaded at the moment of counting looks like a drift, so it is mended only as far as two
    rounds in a row find it.
    """

    def __init__(self, spaces: Spaces, quotas: QuotaStore) -> None:
        self._spaces = spaces
        self._quotas = quotas
        self._round = 0
        self._drifts: dict[str, int] = {}

    async def run_once(self) -> int:
        """Counts what is due once. Always 0: the next round has to be a while later."""
        before, self._drifts = self._drifts, {}
        due = set(await self._quotas.lapse(unheard_s=LAPSE_AFTER_S)) | before.keys()
        if self._round % ROUNDS_TO_ALL == 0:
            async for space_id in self._all():
                await self._look(space_id, before.get(space_id, 0))
                due.discard(space_id)
        for space_id in due:
            await self._look(space_id, before.get(space_id, 0))
        self._round += 1
        return 0

    async def _look(self, space_id: str, before: int) -> None:
        usage, drift = await self._spaces.drift(space_id)
        agreed = agreed_drift(drift, before)
        if agreed and await self._spaces.mend(usage, agreed):
            drift -= agreed
        if drift:
            self._drifts[space_id] = drift

    async def _all(self) -> AsyncIterator[str]:
        after = ""
        while page := await self._quotas.list_spaces(after=after, limit=PAGE):
            for space_id in page:
                yield space_id
            after = page[-1]
