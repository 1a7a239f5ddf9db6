"""Counts directories in the background, from the change log."""

from __future__ import annotations

from services.metadata.domain.dir_stats import DirStats


class DirStatsCollector:
    """A page of changes for each space a round, so nobody waits for a busy one."""

    def __init__(self, stats: DirStats) -> None:
        self._stats = stats

    async def run_once(self) -> int:
        """Counts on; how much there was to do."""
        return await self._stats.collect()
