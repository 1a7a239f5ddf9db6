"""Reading the tree: one file, one name, the way from the directory of the space down to a file.

Answers come from the cache where it can be trusted, else from the store. Own changes go through here too, so
that the next read of this process sees them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from runtime.errors import InvalidName, IsthmusError, NoSuchFile, SpaceNotSupported

from .cache import FileCache
from .columns import IDENTITY, Columns, put_row
from .errors import LostRace, RevisionConflict
from .listing_versions import ListingVersions
from .records import LINK_PREFIX, File, inode_id, root_id, swept_id, trash_id, unnamed_id
from .retries import attempts
from .stores import FileStore, TreeChange

#: Deeper than any path a request can name; a longer way up means a circle in the records.
MAX_DEPTH = 10_000


class Ownership(Protocol):
    """Which spaces this instance serves alone, so that no other instance changes them unseen."""

    def owns(self, space_id: str) -> bool:
        """Whether what is cached of the space can be trusted now."""
        ...

    def owned_for_s(self, space_id: str) -> float:
        """For how long calls have come here as far as this instance knows; 0 while they do not."""
        ...

    def alone_since(self, space_id: str) -> float | None:
        """A number that is another one each time this instance has got the space to itself.

        None unless it is certain that no other instance can believe the same of itself.
        """
        ...


class Recalls(Protocol):
    """Who was told of records, and has to forget them before they change."""

    def changing(self, space_id: str, *records: str) -> AbstractAsyncContextManager[None]:
        """The block in which these records are changed: nobody remembers what they were."""
        ...

    def is_watched(self, space_id: str, record: str) -> bool:
        """Whether anybody may remember what he was told of it."""
        ...

    def recall(self, space_id: str, *records: str) -> None:
        """They are others than was told: whoever remembers them will hear of it; nobody waits for that."""
        ...


class OwnsNothing:
    """Every read goes to the store, and nobody else gives leases."""

    def owns(self, space_id: str) -> bool:
        return False

    def owned_for_s(self, space_id: str) -> float:
        return math.inf

    def alone_since(self, space_id: str) -> float | None:
        return None


class OwnsEverything:
    """For a single instance."""

    def owns(self, space_id: str) -> bool:
        return True

    def owned_for_s(self, space_id: str) -> float:
        return math.inf

    def alone_since(self, space_id: str) -> float | None:
        return 0.0


class Tree:
    """The files of all spaces, as one reads them."""

    def __init__(
        self,
        store: FileStore,
        cache: FileCache,
        ownership: Ownership,
        recalls: Recalls,
        listings: ListingVersions,
        provider_id: str,
    ) -> None:
        self._store = store
        self._cache = cache
        self._ownership = ownership
        self._recalls = recalls
        self._listings = listings
        self._provider_id = provider_id

    def trusts(self, space_id: str) -> bool:
        """Whether the cache has the last word on this space."""
        return self._ownership.owns(space_id)

    def holds(self, file: File) -> bool:
        """Whether this is the newest record known, under a name that no other file can share."""
        return self._cache.holds(file) and file.named_by == self._provider_id

    def changing(self, *files: File) -> AbstractAsyncContextManager[None]:
        """The block in which records are changed that were there before, all of one space."""
        return self._recalls.changing(files[0].space_id, *(file.file_id for file in files))

    async def find(self, space_id: str, file_id: str, *, fresh: bool = False) -> File | None:
        """The record, tombstones included; None also when it belongs to another space."""
        file = self._cache.get(file_id)
        if file is None or fresh or not self._ownership.owns(space_id):
            mark = self._cache.mark()
            file = await self._store.find(file_id)
            if file is None:
                self._cache.invalidate(file_id)
                return None
            self._cache.put_read(file, mark)
        return file if file.space_id == space_id else None

    async def alive(self, space_id: str, file_id: str, *, fresh: bool = False) -> File:
        """The record, wherever it is. Raises `NoSuchFile` when it is deleted."""
        file = await self.find(space_id, file_id, fresh=fresh)
        if file is None or file.deleted:
            raise NoSuchFile(file_id=file_id)
        return file

    async def find_child(self, parent: File, name: str, *, fresh: bool = False) -> File | None:
        """The file alive with this name. Of several with one name, ours; else there must be just one."""
        if not fresh and self._ownership.owns(parent.space_id):
            known = self._cache.get_named(parent.file_id, name)
            if known is not None:
                return known
        mark = self._cache.mark()
        found = await self._store.find_named(parent.file_id, name)
        child = self._choose(found)
        if child is not None:
            self._cache.put_read(child, mark)
        return child

    def knows_child(self, parent: File, name: str) -> bool | None:
        """Whether a name was heard of in the directory; None where what is cached can't be trusted."""
        if not self._ownership.owns(parent.space_id):
            return None
        return self._cache.get_named(parent.file_id, name) is not None

    async def chain(self, space_id: str, file_id: str, *, fresh: bool = False) -> list[File]:
        """The way to a file, the directory of the space first.

        Raises `NoSuchFile` when it is deleted or below the trash, `SpaceNotSupported` when the space is not
        kept here.
        """
        chain: list[File] = []
        out_of_sight = (trash_id(space_id), swept_id(space_id), unnamed_id(space_id))
        next_id = file_id or root_id(space_id)
        while next_id:
            file = await self.find(space_id, next_id, fresh=fresh)
            if file is None or file.deleted or len(chain) > MAX_DEPTH:
                if next_id == root_id(space_id):
                    raise SpaceNotSupported(space_id=space_id)
                await self.require_space(space_id)
                raise NoSuchFile(file_id=file_id)
            chain.append(file)
            next_id = file.parent_id
            if next_id in out_of_sight:
                raise NoSuchFile(file_id=file_id)
        chain.reverse()
        return chain

    async def inode(self, link: File, *, fresh: bool = False) -> File:
        """The file that a hard link is a name of. Raises `NoSuchFile` when it is gone."""
        return await self.alive(link.space_id, inode_id(link.file_id), fresh=fresh)

    async def inodes(self, files: Sequence[File]) -> Sequence[File]:
        """The files that records of a directory are names of: hard links' files in the place of the links.

        One that was removed in this moment stays as it is.
        """
        links = [file for file in files if file.is_link]
        if not links:
            return files
        found = await self.linked(links[0].space_id, [link.file_id for link in links])
        by_link = {link.file_id: inode for link, inode in zip(links, found, strict=True) if inode is not None}
        return [by_link.get(file.file_id, file) for file in files]

    async def linked(self, space_id: str, link_ids: Sequence[str]) -> Sequence[File | None]:
        """The files that hard links of one space are names of, in their order; None for one that is gone."""
        found = await asyncio.gather(*(self.find(space_id, inode_id(link_id)) for link_id in link_ids))
        return [None if inode is None or inode.deleted else inode for inode in found]

    async def follow_links(self, space_id: str, page: Columns, newest: Callable[[File], File]) -> bool:
        """Has hard links in columns tell what the files do that they are names of; false without any.

        `newest`: a file as it is told. A link whose file was removed in this moment stays as it is.
        """
        if LINK_PREFIX not in "\n".join(page["file_id"]):
            return False  # of almost every page: a tenth of the time that looking at each takes
        places = [at for at, file_id in enumerate(page["file_id"]) if file_id.startswith(LINK_PREFIX)]
        link_ids = [page["file_id"][at] for at in places]
        for at, inode in zip(places, await self.linked(space_id, link_ids), strict=True):
            if inode is not None:
                put_row(page, at, newest(inode), kept=IDENTITY)
        return bool(places)

    async def require_space(self, space_id: str) -> None:
        """Raises `SpaceNotSupported` when the space is not kept here."""
        if await self.find(space_id, root_id(space_id)) is None:
            raise SpaceNotSupported(space_id=space_id)

    async def insert(self, file: File) -> None:
        """Adds a record; as the store does."""
        await self._announced(file.space_id)
        await self._changing([file], self._store.insert(file))

    async def insert_by(self, file: File, change: Callable[[], Awaitable[None]]) -> None:
        """Adds a record by a change that adds something else, too."""
        await self._announced(file.space_id)
        await self._changing([file], change())

    async def insert_many(self, files: Sequence[File]) -> Sequence[IsthmusError | None]:
        """Adds records of one space, each on its own; as the store does."""
        await self._announced(files[0].space_id)
        try:
            with self._listings.changing(files):
                outcomes = await self._store.insert_many(files)
        except BaseException:
            self._forget_all(files)
            raise
        for file, outcome in zip(files, outcomes, strict=True):
            if outcome is None:
                self._cache.put_written(file)
            else:
                self._cache.invalidate(file.file_id)
        return outcomes

    async def change_together(self, changes: Sequence[TreeChange]) -> None:
        """Changes records, all or none; as the store does."""
        files = [file for change in changes for file in change.files]
        known = [file for change in changes for file in change.known]
        if any(change.is_new for change in changes):
            await self._announced(files[0].space_id)
        if not known:
            await self._changing(files, self._store.change_together(changes))
            return
        async with self.changing(*known):
            await self._changing(files, self._store.change_together(changes))

    async def replace(self, file: File) -> None:
        """Puts a record in the place of its previous revision; as the store does."""
        async with self.changing(file):
            await self._changing([file], self._store.replace(file))

    async def replace_by(self, file: File, change: Callable[[], Awaitable[None]]) -> None:
        """As `replace`, by a change of something else, too."""
        async with self.changing(file):
            await self._changing([file], change())

    async def touch(self, file: File) -> None:
        """As `replace`, for a record of which nothing is new but times that nobody remembers."""
        await self._changing([file], self._store.replace(file))

    async def insert_link(self, link: File, file: File, *, replaced: File | None = None) -> None:
        """Adds a name of a file; as the store does."""
        await self._announced(link.space_id)
        known = [file] if replaced is None else [file, replaced]
        async with self.changing(*known):
            await self._changing([link, *known], self._store.insert_link(link, file, replaced=replaced))

    async def move(self, file: File, *, replaced: File | None, new_ancestry: bool) -> None:
        """Moves a record; as the store does."""
        files = [file] if replaced is None else [file, replaced]
        async with self.changing(*files):
            await self._changing(files, self._store.move(file, replaced=replaced, new_ancestry=new_ancestry))

    def listed_anew(self, file: File) -> None:
        """Directories tell something else of the file than its record says, from now on."""
        self._listings.changed(file)

    def forget(self, file_id: str) -> None:
        """Has the next read ask the store."""
        self._cache.invalidate(file_id)

    async def _changing(self, files: Sequence[File], change: Awaitable[None]) -> None:
        try:
            with self._listings.changing(files):
                await change
        except BaseException:
            # What is cached was not what is stored, or nobody knows whether the change happened.
            self._forget_all(files)
            raise
        for file in files:
            self._cache.put_written(file)

    async def _announced(self, space_id: str) -> None:
        """Before records are added: the change stream does not tell of those to who believes to know all."""
        await self._listings.announced(space_id, lambda: self._announce(space_id))

    async def _announce(self, space_id: str) -> bool:
        """Has the directory of the space change: that is told, and waits for whoever may rest on it.

        False when there is none yet.
        """
        async for _ in attempts():
            root = await self.find(space_id, root_id(space_id), fresh=True)
            if root is None:
                return False
            try:
                await self.replace(root.changed())
            except RevisionConflict:
                continue
            return True
        raise LostRace(space_id=space_id)

    def _forget_all(self, files: Sequence[File]) -> None:
        for file in files:
            self._cache.invalidate(file.file_id)

    def _choose(self, found: Sequence[File]) -> File | None:
        if len(found) > 1:
            ours = [file for file in found if file.named_by == self._provider_id]
            if len(ours) != 1:
                raise InvalidName("several files have the name", name=found[0].name)
            return ours[0]
        return found[0] if found else None
