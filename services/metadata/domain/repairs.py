"""What must follow later, or was left half done: emptied trash, cleaned tombstones, mirrored locations.

Each step is one conditional change that leads from one valid state to the next, so a process can be killed
anywhere, two can do the same at once, and the next round goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runtime.clock import Clock
from runtime.errors import NoSuchFile

from .content_writer import ContentWriter
from .errors import RevisionConflict
from .files import STRAY_CHILDREN_AFTER_MS
from .link_counts import LinkCounts
from .locations import Location
from .queue_writer import QueueWriter
from .records import File, FileType, nameless, swept_from, trash_id
from .replicas import Replicas
from .settled import Settled
from .stores import Stores
from .tree import Tree

PAGE = 500
#: A commit takes seconds; a location that is dirty for longer has none under way.
DIRTY_RESTS_MS = 60_000
#: The trash is left alone for a moment: what was being added finds its way in first.
TRASH_RESTS_MS = 1_000
_AT_ONCE = 64


class Repairs:
    """Steps of the background duties. Each answers how much it did; 0 means nothing is left for now."""

    def __init__(
        self,
        stores: Stores,
        tree: Tree,
        replicas: Replicas,
        writer: ContentWriter,
        links: LinkCounts,
        settled: Settled,
        queues: QueueWriter,
        clock: Clock,
        provider_id: str,
        *,
        tombstone_retention_s: float,
    ) -> None:
        self._stores = stores
        self._tree = tree
        self._replicas = replicas
        self._writer = writer
        self._links = links
        self._settled = settled
        self._queues = queues
        self._clock = clock
        self._provider_id = provider_id
        self._retention_ms = int(tombstone_retention_s * 1000)

    async def empty_trash(self) -> int:
        """Files in directories whose time in the trash is over become tombstones, directories follow them.

        First a directory is claimed: from then on it can't be restored.
        """
        before_ms = self._clock.now_ms() - TRASH_RESTS_MS
        directories = await self._stores.files.list_trashed(before_ms=before_ms, limit=PAGE)
        done, room = 0, PAGE
        for trashed in directories:
            directory = await self._claimed(trashed)
            if directory is None:
                continue
            children = await self._stores.files.list_children(
                directory.file_id, start=None, inclusive=True, limit=room
            )
            if children:
                await self._sweep(children)
            if len(children) < room:
                await self._bury(directory)
            done += len(children) + 1
            room -= len(children)
            if room <= 0:
                break
        return done

    async def clean_tombstones(self) -> int:
        """Contents and custom metadata of deleted files go; then the tombstone only waits to be purged."""
        now_ms = self._clock.now_ms()
        tombstones = await self._stores.files.list_cleanups(before_ms=now_ms, limit=PAGE)
        for first in range(0, len(tombstones), _AT_ONCE):
            await asyncio.gather(*map(self._clean, tombstones[first : first + _AT_ONCE]))
        return len(tombstones)

    async def purge_tombstones(self) -> int:
        """Tombstones older than the retention are forgotten."""
        purged = await self._stores.files.purge(before_ms=self._clock.now_ms(), limit=PAGE)
        for file_id in purged:
            self._tree.forget(file_id)
        return len(purged)

    async def reconcile_locations(self) -> int:
        """Locations that their file records don't mirror: mirrored now, or retired when there is no file."""
        before_ms = self._clock.now_ms() - DIRTY_RESTS_MS
        dirty = await self._stores.locations.list_dirty(before_ms=before_ms, limit=PAGE)
        for first in range(0, len(dirty), _AT_ONCE):
            await asyncio.gather(*map(self._reconcile, dirty[first : first + _AT_ONCE]))
        await self._settled.flush()
        return len(dirty)

    async def hasten_trash(self, space_id: str) -> int:
        """Begins to remove some of what lies in the trash of a space, whatever its time."""
        trash = await self._stores.files.list_children(
            trash_id(space_id), start=None, inclusive=True, limit=PAGE
        )
        for directory in trash:
            await self._claimed(directory)
        return len(trash)

    async def _claimed(self, directory: File) -> File | None:
        """The directory, out of the trash for good; None when somebody else was faster."""
        if directory.parent_id != trash_id(directory.space_id):
            return directory
        claimed = swept_from(directory, now_ms=self._clock.now_ms() - TRASH_RESTS_MS)
        try:
            await self._tree.replace(claimed)
        except RevisionConflict:
            return None
        return claimed

    async def _sweep(self, children: Sequence[File]) -> None:
        now_ms = self._clock.now_ms()
        gone = [
            swept_from(child, now_ms=now_ms)
            if child.is_directory
            else nameless(child, now_ms=now_ms, op_id="", cleanup_ms=now_ms)
            for child in children
        ]
        await self._stores.files.replace_many(gone)
        for child in gone:
            self._tree.forget(child.file_id)

    async def _bury(self, directory: File) -> None:
        now_ms = self._clock.now_ms()
        gone = directory.changed(
            deleted=True, trashed=None, ctime_ms=now_ms, cleanup_ms=now_ms + STRAY_CHILDREN_AFTER_MS
        )
        try:
            await self._tree.replace(gone)
        except RevisionConflict:
            return

    async def _clean(self, tombstone: File) -> None:
        if tombstone.is_link:
            await self._links.release(tombstone)
        elif tombstone.type is FileType.REGULAR:
            location = await self._replicas.find(tombstone.space_id, tombstone.file_id, fresh=True)
            if location is not None:
                await self._writer.retire(location)
        elif tombstone.type is FileType.QUEUE:
            if not await self._queues.drain(tombstone.space_id, tombstone.file_id):
                return
        elif tombstone.is_directory:
            strays = await self._stores.files.list_children(
                tombstone.file_id, start=None, inclusive=True, limit=PAGE
            )
            if strays:
                await self._sweep(strays)
                return
        if tombstone.has_custom_metadata:
            await self._stores.custom_metadata.remove(tombstone.file_id)
        purge_ms = self._clock.now_ms() + self._retention_ms
        cleaned = tombstone.changed(cleanup_ms=None, purge_ms=purge_ms, location=None)
        try:
            await self._tree.replace(cleaned)
        except RevisionConflict:
            return
        await self._forget_removed(tombstone)

    async def _forget_removed(self, tombstone: File) -> None:
        """The bytes may be gone already, if an earlier try came only as far as to give them up."""
        if tombstone.location is None:
            return
        location = await self._replicas.find(tombstone.space_id, tombstone.file_id, fresh=True)
        if location is not None and location.retired and not location.garbage:
            await self._replicas.remove(location)

    async def _reconcile(self, location: Location) -> None:
        file = await self._tree.find(location.space_id, location.file_id, fresh=True)
        if file is None or file.deleted:
            await self._writer.retire(location)
            return
        try:
            await self._writer.mirror(file, location, {})
        except NoSuchFile:
            await self._writer.retire(location)
            return
        self._settled.location(location.file_id, location.revision)
