"""Empties the trash: the trees below deleted directories."""

from __future__ import annotations

from services.metadata.domain.repairs import Repairs


class TrashReaper:
    """Takes a page of the oldest at a time, so a tree of any size needs no memory."""

    def __init__(self, repairs: Repairs) -> None:
        self._repairs = repairs

    async def run_once(self) -> int:
        """Removes some; how many files and directories it saw to."""
        return await self._repairs.empty_trash()
