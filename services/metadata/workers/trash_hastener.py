"""Empties the trash of spaces that are nearly full before its time."""

from __future__ import annotations

from services.metadata.domain.repairs import Repairs
from services.metadata.domain.stores import QuotaStore

#: Spaces looked at in one round.
PAGE = 100
#: A space with less of its quota left than one part in so many is nearly full.
SCARCE = 10


class TrashHastener:
    """Goes through the spaces, some each round: what is kept for a change of mind must not stop new data."""

    def __init__(self, repairs: Repairs, quotas: QuotaStore) -> None:
        self._repairs = repairs
        self._quotas = quotas
        self._after = ""

    async def run_once(self) -> int:
        """Looks at some spaces; how many directories it had removed."""
        space_ids = await self._quotas.list_spaces(after=self._after, limit=PAGE)
        self._after = space_ids[-1] if len(space_ids) == PAGE else ""
        done = 0
        for space_id in space_ids:
            usage = await self._quotas.find(space_id)
            if usage is not None and usage.available_bytes * SCARCE < usage.quota_bytes:
                done += await self._repairs.hasten_trash(space_id)
        return done
