"""Finishes shares that were left half made or half ended."""

from __future__ import annotations

from services.metadata.domain.shares import Shares


class ShareSettler:
    """One round; safe to run twice or on two instances."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares

    async def run_once(self) -> int:
        """How many there were."""
        return await self._shares.settle()
