"""Has file records mirror their locations after a crash between the two."""

from __future__ import annotations

from services.metadata.domain.repairs import Repairs


class LocationReconciler:
    """Also gives up the locations of files that were never made."""

    def __init__(self, repairs: Repairs) -> None:
        self._repairs = repairs

    async def run_once(self) -> int:
        """Mends some; how many."""
        return await self._repairs.reconcile_locations()
