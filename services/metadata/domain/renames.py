"""Moving and renaming inside a space: one atomic update, never into itself, POSIX rules for what is there.

A rename that stays in its directory, or moves no directory, is one conditional update of one record. What has
to change two records together, or must not make a circle with another move, is a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.clock import Clock
from runtime.errors import (
    FileExists,
    IsADirectory,
    NoSuchFile,
    NotADirectory,
    NotPermitted,
)
from runtime.identity import Identity

from . import names, permissions
from .errors import CrossSpaceRename, LostRace, NameTaken, RenameIntoItself, RevisionConflict
from .files import STRAY_CHILDREN_AFTER_MS
from .link_counts import LinkCounts
from .paths import FileRef, Found, Paths
from .records import File, FileType, nameless, shown_as
from .retries import patient_attempts
from .stores import FileStore, TreeChange
from .times import Touches
from .tree import Tree


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a rename found: the file, the directory it goes to, and what has the name there."""

    source: Found
    parent: Found
    target: Found | None
    name: str


class Renames:
    """Renames files."""

    def __init__(
        self,
        store: FileStore,
        tree: Tree,
        paths: Paths,
        links: LinkCounts,
        touches: Touches,
        clock: Clock,
    ) -> None:
        self._links = links
        self._store = store
        self._tree = tree
        self._paths = paths
        self._touches = touches
        self._clock = clock

    async def rename(
        self,
        identity: Identity,
        request_id: str,
        source_ref: FileRef,
        parent_ref: FileRef,
        name: str,
        *,
        no_replace: bool = False,
    ) -> tuple[File, bool]:
        """Gives a file another name, directory, or both. True when it replaced another file.

        Raises `CrossSpaceRename`, `RenameIntoItself`, `FileExists`, `IsADirectory`, `NotADirectory`,
        `DirectoryNotEmpty`, `NoSuchFile` and refusals.
        """
        async for _ in patient_attempts():
            asked = await self._look(
                identity, request_id, source_ref, parent_ref, name, no_replace=no_replace
            )
            if not isinstance(asked, _Asked):
                return asked
            try:
                return await self._move(identity, request_id, asked)
            except (RevisionConflict, NameTaken):
                # The transaction may have seen newer records than the cache has.
                for found in (asked.source, asked.parent, asked.target):
                    if found is not None:
                        self._tree.forget(found.file.file_id)
                        self._tree.forget(found.entry.file_id)
        raise LostRace(name=name)

    async def plan(
        self,
        identity: Identity,
        request_id: str,
        source_ref: FileRef,
        parent_ref: FileRef,
        name: str,
        *,
        no_replace: bool = False,
    ) -> TreeChange | None:
        """What `rename` would change; None when nothing is left to do."""
        asked = await self._look(identity, request_id, source_ref, parent_ref, name, no_replace=no_replace)
        return self._planned(identity, request_id, asked) if isinstance(asked, _Asked) else None

    async def _look(
        self,
        identity: Identity,
        request_id: str,
        source_ref: FileRef,
        parent_ref: FileRef,
        name: str,
        *,
        no_replace: bool,
    ) -> _Asked | tuple[File, bool]:
        """What is there, with every check; the answer when nothing is left to be done."""
        if source_ref.space_id != parent_ref.space_id:
            raise CrossSpaceRename(space_id=source_ref.space_id, target_space_id=parent_ref.space_id)
        parent = await self._paths.resolve(identity, parent_ref)
        target = await self._paths.child(identity, parent, name)
        if target is not None and request_id and target.entry.op_id == request_id:
            return target.shown(), await self._store.find_deleted(request_id) is not None
        names.check_new_name(name, parent.file)
        source = await self._paths.resolve(identity, source_ref)
        if target is not None and target.file.file_id == source.file.file_id:
            # Also when they are two names of one file, as in POSIX.
            return source.shown(), False
        self._require(identity, source, parent)
        if target is not None and no_replace:
            raise FileExists(name=name)
        return _Asked(source, parent, target, name)

    def _require(self, identity: Identity, source: Found, parent: Found) -> None:
        file = source.file
        if file.is_special:
            raise NotPermitted("the directory of a space can't be renamed", file_id=file.file_id)
        if any(above.file_id == file.file_id for above in parent.chain):
            raise RenameIntoItself(file_id=file.file_id, parent_id=parent.file.file_id)
        permissions.require(identity, source.chain, permissions.DELETE, source.reach)
        permissions.require(identity, source.chain[:-1], permissions.DELETE_CHILD, source.reach)
        add = permissions.ADD_SUBDIRECTORY if file.is_directory else permissions.ADD_FILE
        permissions.require(identity, parent.chain, permissions.TRAVERSE | add, parent.reach)

    def _planned(self, identity: Identity, request_id: str, asked: _Asked) -> TreeChange:
        now_ms = self._clock.now_ms()
        file, parent, target = asked.source.entry, asked.parent.file, asked.target
        moved = file.changed(parent_id=parent.file_id, name=asked.name, ctime_ms=now_ms, op_id=request_id)
        replaced = None
        if target is not None:
            self._require_replaceable(identity, file, target)
            replaced = nameless(
                target.entry,
                now_ms=now_ms,
                op_id=request_id,
                cleanup_ms=now_ms + (STRAY_CHILDREN_AFTER_MS if target.file.is_directory else 0),
            )
        return TreeChange(
            moved,
            replaced=replaced,
            new_ancestry=file.parent_id != moved.parent_id and file.is_directory,
            directories=(asked.source.chain[-2], parent),
        )

    async def _move(self, identity: Identity, request_id: str, asked: _Asked) -> tuple[File, bool]:
        change = self._planned(identity, request_id, asked)
        moved, replaced = change.file, change.replaced
        if replaced is None and not change.new_ancestry:
            await self._tree.replace(moved)
            if asked.source.entry.parent_id != moved.parent_id:
                await self._require_alive(asked.parent.file, asked.source.entry, moved)
        else:
            await self._tree.move(moved, replaced=replaced, new_ancestry=change.new_ancestry)
        if replaced is not None:
            await self._links.release(replaced)
        for directory in change.directories:
            await self._touches.content_changed(directory)
        source = asked.source
        return shown_as(source.file, moved) if source.link else moved, replaced is not None

    def _require_replaceable(self, identity: Identity, file: File, target: Found) -> None:
        there = target.file
        if file.is_directory and not there.is_directory:
            raise NotADirectory(file_id=there.file_id)
        if there.is_directory and not file.is_directory:
            raise IsADirectory(file_id=there.file_id)
        if FileType.QUEUE in (file.type, there.type):
            # Its values would go with it, and who renames files does not know of them.
            raise FileExists("a queue is not replaced, nor does it replace", file_id=there.file_id)
        permissions.require(identity, target.chain, permissions.DELETE, target.reach)
        permissions.require(identity, target.chain[:-1], permissions.DELETE_CHILD, target.reach)

    async def _require_alive(self, parent: File, before: File, moved: File) -> None:
        """Puts a file back when the directory it went to was deleted, as an empty one, in the same moment."""
        now = await self._tree.find(parent.space_id, parent.file_id)
        if now is not None and not now.deleted:
            return
        await self._tree.replace(moved.changed(parent_id=before.parent_id, name=before.name))
        raise NoSuchFile(file_id=parent.file_id)
