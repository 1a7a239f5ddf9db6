"""Hard links: further names of regular files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runtime.clock import Clock
from runtime.errors import FileExists, IsADirectory, NotSupported, TooManyLinks
from runtime.identity import Identity

from . import names, permissions
from .errors import IdTaken, LostRace, NameTaken, RevisionConflict
from .files import Files, NewFile
from .ids import new_link_id
from .link_counts import LinkCounts
from .paths import FileRef, Found, Paths
from .records import File, FileType, shown_as
from .retries import patient_attempts
from .tree import Tree

#: Most names of one file.
MAX_NAMES = 1000


class HardLinks:
    """Makes and lists the names of regular files."""

    def __init__(
        self, tree: Tree, paths: Paths, files: Files, counts: LinkCounts, clock: Clock, provider_id: str
    ) -> None:
        self._tree = tree
        self._paths = paths
        self._files = files
        self._counts = counts
        self._clock = clock
        self._provider_id = provider_id

    async def list(self, identity: Identity, ref: FileRef) -> Sequence[str]:
        """uuids of all names of a file, the oldest first. Raises `IsADirectory`."""
        found = await self._paths.resolve(identity, ref)
        if found.file.is_directory:
            raise IsADirectory(file_id=found.file.file_id)
        file = found.file
        return file.links if file.unnamed else (file.file_id, *file.links)

    async def create(
        self,
        identity: Identity,
        request_id: str,
        parent_ref: FileRef,
        name: str,
        target_ref: FileRef,
        *,
        create_parents: bool = False,
        update_existing: bool = False,
    ) -> File:
        """A further name of the target; of a symbolic link a copy.

        With `update_existing` it takes the place of anything but a directory or a queue, at once; a name that
        the target has already is left as it is. Raises `IsADirectory`, `NotSupported` for a queue,
        `TooManyLinks`, `FileExists`, `NoSuchFile` and refusals.
        """
        target = await self._paths.resolve(identity, target_ref)
        if target.file.is_directory:
            raise IsADirectory(file_id=target.file.file_id)
        if target.file.type is FileType.SYMLINK:
            copy = NewFile(name, FileType.SYMLINK, symlink_target=target.file.symlink_target)
            made, _ = await self._files.create(
                identity,
                request_id,
                parent_ref,
                copy,
                create_parents=create_parents,
                update_existing=update_existing,
            )
            return made
        if target.file.type is FileType.QUEUE:
            raise NotSupported("a queue has one name", file_id=target.file.file_id)
        parent = await self._files.directory(identity, request_id, parent_ref, create_parents=create_parents)
        names.check_new_name(name, parent.file)
        permissions.require(identity, parent.chain, permissions.ADD_FILE | permissions.TRAVERSE, parent.reach)
        link = self._new(identity, request_id, parent.file, name, target.file)
        return await self._insert(identity, parent, link, target.file, update_existing=update_existing)

    async def _insert(
        self, identity: Identity, parent: Found, link: File, file: File, *, update_existing: bool
    ) -> File:
        existing: Found | None = None
        async for attempt in patient_attempts():
            if attempt:
                file = await self._tree.inode(link, fresh=True)
            if link.file_id in file.links:
                return shown_as(file, link)
            if update_existing:
                existing = await self._paths.child(identity, parent, link.name)
            if existing is not None and existing.file.file_id == file.file_id:
                return existing.shown()
            replaced = self._files.making_room(identity, link.op_id, existing) if existing else None
            if file.hard_link_count >= MAX_NAMES:
                raise TooManyLinks(file_id=file.file_id)
            changed = file.changed(links=(*file.links, link.file_id), ctime_ms=self._clock.now_ms())
            try:
                await self._tree.insert_link(link, changed, replaced=replaced)
            except RevisionConflict:
                continue
            except IdTaken:
                await self._tree.alive(link.space_id, link.file_id, fresh=True)
                continue
            except NameTaken:
                if update_existing:
                    continue
                raise FileExists(name=link.name) from None
            if replaced is not None:
                await self._counts.release(replaced)
            await self._files.added(parent.file, link)
            return shown_as(changed, link)
        raise LostRace(name=link.name)

    def _new(self, identity: Identity, request_id: str, parent: File, name: str, target: File) -> File:
        """The record of a link: as its file is now, of which only name and directory will ever count."""
        return replace(
            target,
            file_id=new_link_id(request_id, identity.subject_id, parent.file_id, name, target.file_id),
            parent_id=parent.file_id,
            name=name,
            named_by=self._provider_id,
            provider_id=self._provider_id,
            creation_time_ms=self._clock.now_ms(),
            size_bytes=0,
            local_bytes=0,
            location_revision=0,
            location=None,
            has_custom_metadata=False,
            share_ids=(),
            acl=None,
            links=(),
            unnamed=False,
            op_id=request_id,
            delete_op="",
            revision=1,
        )
