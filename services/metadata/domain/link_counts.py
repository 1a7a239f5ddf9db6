"""Which hard links a file has, kept in its own record.

A link is added to its file and to its directory in one transaction. When its name is gone the file forgets it
in a second step, which the cleaner of tombstones takes, too, in case nobody got so far.
"""

from __future__ import annotations

from runtime.clock import Clock

from .errors import LostRace, RevisionConflict
from .records import File, inode_id, without_link
from .retries import attempts
from .tree import Tree


class LinkCounts:
    """Has files forget links whose names are gone."""

    def __init__(self, tree: Tree, clock: Clock) -> None:
        self._tree = tree
        self._clock = clock

    async def release(self, gone: File) -> None:
        """To be called for every name taken away; with the last one goes the file. Idempotent."""
        if not gone.is_link:
            return
        async for attempt in attempts():
            file = await self._tree.find(gone.space_id, inode_id(gone.file_id), fresh=attempt > 0)
            if file is None or file.deleted or gone.file_id not in file.links:
                return
            try:
                await self._tree.replace(without_link(file, gone.file_id, now_ms=self._clock.now_ms()))
            except RevisionConflict:
                continue
            return
        raise LostRace(file_id=gone.file_id)
