"""Takes away what was made of copies that were given up."""

from __future__ import annotations

from services.metadata.domain.copies import Copies


class CopyUndoer:
    """Goes on where whoever gave a copy up was cut short."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies

    async def run_once(self) -> int:
        """One round; answers how many were taken away."""
        return await self._copies.undo_some()
