"""Cleans up after deleted files, and forgets them in the end."""

from __future__ import annotations

from services.metadata.domain.repairs import Repairs


class TombstoneCleaner:
    """Gives the contents of deleted files to the removers; purges tombstones when they are old."""

    def __init__(self, repairs: Repairs) -> None:
        self._repairs = repairs

    async def run_once(self) -> int:
        """Cleans and purges some; how many."""
        return await self._repairs.clean_tombstones() + await self._repairs.purge_tombstones()
