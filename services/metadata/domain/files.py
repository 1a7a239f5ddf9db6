"""Attributes, making, changing and deleting of files, directories and links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from runtime.clock import Clock
from runtime.errors import (
    DirectoryNotEmpty,
    FileExists,
    IsthmusError,
    NoSuchFile,
    NotADirectory,
    NotPermitted,
)
from runtime.identity import Identity

from . import names, permissions
from .errors import DirectoryGone, IdTaken, LostRace, NameTaken, OneRefused, RevisionConflict
from .ids import new_file_id
from .link_counts import LinkCounts
from .paths import FileRef, Found, Paths
from .records import (
    DEFAULT_DIRECTORY_MODE,
    DEFAULT_FILE_MODE,
    SYMLINK_MODE,
    File,
    FileType,
    nameless,
    trashed_from,
)
from .retries import attempts
from .stores import FileStore, TreeChange
from .times import Touches
from .tree import Tree

#: A directory deleted while empty is looked at again after this time, for what slipped in.
STRAY_CHILDREN_AFTER_MS = 60_000


#: Adds a record to the tree. Raises `IdTaken` and `NameTaken`.
Add = Callable[[File], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class NewFile:
    """What is to be made. `mode` None is the default of the type."""

    name: str
    type: FileType
    mode: int | None = None
    symlink_target: str = ""


class Files:
    """The namespace, one file at a time.

    Changes are conditional on the revision they saw, and tried again after a lost race; in the end
    `LostRace`.
    """

    def __init__(
        self,
        store: FileStore,
        tree: Tree,
        paths: Paths,
        links: LinkCounts,
        touches: Touches,
        clock: Clock,
        provider_id: str,
        *,
        trash_retention_s: float = 0.0,
    ) -> None:
        self._trash_retention_ms = int(trash_retention_s * 1000)
        self._store = store
        self._tree = tree
        self._links = links
        self._paths = paths
        self._touches = touches
        self._clock = clock
        self._provider_id = provider_id

    async def get(self, identity: Identity, ref: FileRef) -> Found:
        """A file and the way to it. Being able to walk there is enough."""
        return await self._paths.resolve(identity, ref)

    def shown(self, found: Found) -> File:
        """The file as its users see it, with the newest known times."""
        return found.shown(self.with_times(found.file))

    def with_times(self, file: File) -> File:
        """The file with the newest known times."""
        return self._touches.applied(file)

    async def create(
        self,
        identity: Identity,
        request_id: str,
        parent_ref: FileRef,
        new: NewFile,
        *,
        create_parents: bool = False,
        update_existing: bool = False,
    ) -> tuple[File, bool]:
        """A new file, and True; or with `update_existing` the existing one of the same type, and False.

        With `update_existing` a new symbolic link takes the place of anything but a directory, at once.
        """
        names.check_name(new.name)
        if new.type is FileType.SYMLINK:
            names.check_symlink_target(new.symlink_target)
        parent = await self.directory(identity, request_id, parent_ref, create_parents=create_parents)
        names.check_new_name(new.name, parent.file)
        file = self._new(identity, request_id, parent.file, new)
        async for _ in attempts():
            try:
                return await self.insert(identity, parent, file), True
            except NameTaken:
                existing = await self._paths.child(identity, parent, new.name)
            if existing is None:
                continue
            if existing.file.file_id == file.file_id:
                return existing.file, True
            if update_existing and new.type is FileType.SYMLINK:
                if await self._replace_by(identity, file, parent, existing):
                    return file, True
                continue
            if not update_existing or existing.file.type is not new.type:
                raise FileExists(name=new.name, file_id=existing.file.file_id)
            return existing.shown(await self._set_mode(identity, request_id, existing, file.mode)), False
        raise LostRace(name=new.name)

    def making_room(self, identity: Identity, request_id: str, existing: Found) -> File:
        """The record of a file whose name goes to a new link in the same moment.

        Raises `FileExists` for a directory or a queue: much would go with it; and refusals.
        """
        if existing.file.is_directory or existing.file.type is FileType.QUEUE:
            raise FileExists(name=existing.file.name, file_id=existing.file.file_id)
        self._require_delete(identity, existing, only_empty=False)
        return self._tombstone(existing.entry, request_id)

    async def directory(
        self, identity: Identity, request_id: str, ref: FileRef, *, create_parents: bool
    ) -> Found:
        """The directory of a reference; missing ones on the way are made when asked for."""

        async def make(parent: Found, name: str) -> File:
            return await self._make_directory(identity, request_id, parent, name)

        found = await self._paths.resolve(identity, ref, make=make if create_parents else None)
        if not found.file.is_directory:
            raise NotADirectory(file_id=found.file.file_id)
        return found

    async def insert(self, identity: Identity, parent: Found, file: File, add: Add | None = None) -> File:
        """Adds a file to a directory; the record stored, which a repeated request finds there already.

        `add` adds the record together with something else. Raises `NameTaken`, `NoSuchFile` when the
        directory went away meanwhile.
        """
        bit = permissions.ADD_SUBDIRECTORY if file.is_directory else permissions.ADD_FILE
        permissions.require(identity, parent.chain, bit | permissions.TRAVERSE, parent.reach)
        try:
            await (add or self._tree.insert)(file)
        except IdTaken:
            stored = await self._tree.find(file.space_id, file.file_id, fresh=True)
            if stored is None:
                raise NoSuchFile("made by this request, and purged since", file_id=file.file_id) from None
            return stored
        await self.added(parent.file, file)
        return file

    async def added(self, parent: File, child: File) -> None:
        """To be called after a child was added to a directory. Raises `NoSuchFile` when that is gone."""
        await self._require_alive(parent, child)
        await self._touches.content_changed(parent)

    def planned(self, identity: Identity, request_id: str, parent: Found, new: NewFile) -> File:
        """The record of a new file the caller may add to a directory. Raises refusals."""
        if new.type is FileType.SYMLINK:
            names.check_symlink_target(new.symlink_target)
        names.check_new_name(new.name, parent.file)
        bit = permissions.ADD_SUBDIRECTORY if new.type is FileType.DIRECTORY else permissions.ADD_FILE
        permissions.require(identity, parent.chain, bit | permissions.TRAVERSE, parent.reach)
        return self._new(identity, request_id, parent.file, new)

    async def insert_many(
        self, identity: Identity, parent: Found, files: Sequence[File]
    ) -> Sequence[File | IsthmusError]:
        """Adds planned files to a directory, each on its own: what is stored, or why not."""
        refusals = await self._tree.insert_many(files)
        outcomes: list[File | IsthmusError] = list(files)
        for index, (file, refusal) in enumerate(zip(files, refusals, strict=True)):
            try:
                if refusal is None:
                    await self.added(parent.file, file)
                else:
                    outcomes[index] = await self._stored_instead(identity, parent, file, refusal)
            except IsthmusError as error:
                outcomes[index] = error
        return outcomes

    async def plan_delete(self, identity: Identity, request_id: str, ref: FileRef) -> TreeChange | None:
        """What taking a file out of sight changes; None when this very request did it already."""
        try:
            found = await self._paths.resolve(identity, ref)
        except NoSuchFile:
            if await self._deleted_before(ref, request_id):
                return None
            raise
        self._require_delete(identity, found, only_empty=False)
        return TreeChange(self._gone(identity, found, request_id), directories=(found.chain[-2],))

    async def took_effect(self, changes: Iterable[TreeChange]) -> None:
        """To be called after records were changed together."""
        for change in changes:
            for directory in change.directories:
                await self._touches.content_changed(directory)
            for file in change.files:
                if file.deleted:
                    await self._links.release(file)

    async def set_mode(self, identity: Identity, request_id: str, ref: FileRef, mode: int) -> File:
        """Changes the permission bits; for owners of the file and of the space."""
        names.check_mode(mode)
        found = await self._paths.resolve(identity, ref)
        return found.shown(await self._set_mode(identity, request_id, found, mode))

    async def delete(
        self, identity: Identity, request_id: str, ref: FileRef, *, only_empty: bool = False
    ) -> None:
        """Takes a file out of sight, or a directory with all below it."""
        async for _ in attempts():
            try:
                found = await self._paths.resolve(identity, ref)
            except NoSuchFile:
                if await self._deleted_before(ref, request_id):
                    return
                raise
            self._require_delete(identity, found, only_empty=only_empty)
            try:
                await self._delete(identity, found, request_id, only_empty=only_empty)
            except RevisionConflict:
                continue
            return
        raise LostRace(file_id=ref.file_id)

    def require_delete(self, identity: Identity, found: Found) -> None:
        """Raises unless the caller may take this file away with all below it."""
        self._require_delete(identity, found, only_empty=False)

    def _new(self, identity: Identity, request_id: str, parent: File, new: NewFile) -> File:
        mode = new.mode
        if new.type is FileType.SYMLINK:
            mode = SYMLINK_MODE
        elif mode is None:
            mode = DEFAULT_DIRECTORY_MODE if new.type is FileType.DIRECTORY else DEFAULT_FILE_MODE
        now_ms = self._clock.now_ms()
        return File(
            file_id=new_file_id(request_id, identity.subject_id, parent.file_id, new.name, type=new.type),
            space_id=parent.space_id,
            parent_id=parent.file_id,
            name=new.name,
            type=new.type,
            mode=names.check_mode(mode),
            owner_id=identity.subject_id,
            provider_id=self._provider_id,
            named_by=self._provider_id,
            creation_time_ms=now_ms,
            atime_ms=now_ms,
            mtime_ms=now_ms,
            ctime_ms=now_ms,
            size_bytes=len(new.symlink_target.encode()),
            symlink_target=new.symlink_target,
            op_id=request_id,
        )

    async def _stored_instead(
        self, identity: Identity, parent: Found, file: File, refusal: IsthmusError
    ) -> File:
        """What an earlier try of the request stored. Raises why there is nothing of it."""
        if isinstance(refusal, IdTaken):
            stored = await self._tree.find(file.space_id, file.file_id, fresh=True)
            if stored is not None:
                return stored
        if not isinstance(refusal, NameTaken):
            raise refusal
        existing = await self._paths.child(identity, parent, file.name)
        if existing is None:
            raise LostRace(name=file.name)
        if existing.file.file_id == file.file_id:
            return existing.file
        raise FileExists(name=file.name, file_id=existing.file.file_id)

    def _gone(self, identity: Identity, found: Found, request_id: str) -> File:
        """The record after its name is taken away with all below it."""
        if found.file.is_directory:
            return self._trashed(identity, found.file, request_id)
        return self._tombstone(found.entry, request_id)

    async def _make_directory(self, identity: Identity, request_id: str, parent: Found, name: str) -> File:
        names.check_new_name(name, parent.file)
        file = self._new(identity, request_id, parent.file, NewFile(name, FileType.DIRECTORY))
        async for _ in attempts():
            try:
                return await self.insert(identity, parent, file)
            except NameTaken:
                existing = await self._tree.find_child(parent.file, name, fresh=True)
            if existing is not None:
                return existing
        raise LostRace(name=name)

    async def _require_alive(self, parent: File, child: File) -> None:
        """Takes the child back when its directory was deleted, as an empty one, while it was being added."""
        now = await self._tree.find(parent.space_id, parent.file_id)
        if now is not None and not now.deleted:
            return
        try:
            await self._tree.replace(self._tombstone(child, ""))
        except RevisionConflict:
            self._tree.forget(child.file_id)
        await self._links.release(child)
        raise DirectoryGone(file_id=parent.file_id)

    async def _set_mode(self, identity: Identity, request_id: str, found: Found, mode: int) -> File:
        file = found.file
        async for attempt in attempts():
            if attempt:
                fresh = await self._tree.find(file.space_id, file.file_id, fresh=True)
                if fresh is None or fresh.deleted:
                    raise NoSuchFile(file_id=file.file_id)
                file = fresh
            permissions.require_owner(identity, file, found.reach)
            if request_id and file.op_id == request_id and file.mode == mode:
                return file
            changed = file.changed(mode=mode, ctime_ms=self._clock.now_ms(), op_id=request_id)
            try:
                await self._tree.replace(changed)
            except RevisionConflict:
                continue
            return changed
        raise LostRace(file_id=file.file_id)

    def _require_delete(self, identity: Identity, found: Found, *, only_empty: bool) -> None:
        if found.file.is_special:
            raise NotPermitted("a directory every space has can't be deleted", file_id=found.file.file_id)
        bits = permissions.DELETE
        if found.file.is_directory:
            bits |= permissions.LIST
            if not only_empty:
                bits |= permissions.TRAVERSE | permissions.DELETE_CHILD
        permissions.require(identity, found.chain, bits, found.reach)
        # A token confined to just this file may delete it, so its reach counts for the directory, too.
        permissions.require(identity, found.chain[:-1], permissions.DELETE_CHILD, found.reach)

    async def _replace_by(self, identity: Identity, link: File, parent: Found, existing: Found) -> bool:
        """Puts a new link in the place of a file, in one change. False when somebody was faster."""
        change = TreeChange(
            link,
            is_new=True,
            replaced=self.making_room(identity, link.op_id, existing),
            directories=(parent.file,),
        )
        try:
            await self._tree.change_together([change])
        except RevisionConflict:
            return False
        except OneRefused as refused:
            if isinstance(refused.cause, RevisionConflict | NameTaken | IdTaken):
                return False
            raise refused.cause from refused
        await self.took_effect([change])
        return True

    async def _delete(self, identity: Identity, found: Found, request_id: str, *, only_empty: bool) -> None:
        file, parent = found.file, found.chain[-2]
        if file.is_directory and only_empty:
            await self._delete_empty(identity, file, request_id)
        else:
            await self._tree.replace(self._gone(identity, found, request_id))
            await self._links.release(found.entry)
        await self._touches.content_changed(parent)

    async def _delete_empty(self, identity: Identity, file: File, request_id: str) -> None:
        """Tombstone first, then look again: who adds a child later finds the directory gone."""
        if await self._store.has_children(file.file_id):
            raise DirectoryNotEmpty(file_id=file.file_id)
        gone = self._tombstone(file, request_id, STRAY_CHILDREN_AFTER_MS)
        await self._tree.replace(gone)
        if not await self._store.has_children(file.file_id):
            return
        back = gone.changed(deleted=False, cleanup_ms=None, delete_op="")
        try:
            await self._tree.replace(back)
        except NameTaken:
            # Its name went to another file meanwhile, so it goes as it would have gone with its children.
            await self._tree.replace(self._trashed(identity, back, request_id))
            return
        raise DirectoryNotEmpty(file_id=file.file_id)

    def _trashed(self, identity: Identity, file: File, request_id: str) -> File:
        now_ms = self._clock.now_ms()
        due_ms = now_ms + self._trash_retention_ms
        return trashed_from(file, by=identity.subject_id, now_ms=now_ms, due_ms=due_ms, op_id=request_id)

    def _tombstone(self, file: File, request_id: str, after_ms: int = 0) -> File:
        now_ms = self._clock.now_ms()
        return nameless(file, now_ms=now_ms, op_id=request_id, cleanup_ms=now_ms + after_ms)

    async def _deleted_before(self, ref: FileRef, request_id: str) -> bool:
        """Whether this very request took the file away already."""
        if not request_id:
            return False
        gone = await self._store.find_deleted(request_id)
        if gone is None or gone.space_id != ref.space_id:
            return False
        if gone.unnamed:
            return True  # its name is not remembered, and a request deletes one thing only
        name = gone.trashed.name if gone.trashed else gone.name
        return name == ref.path[-1] if ref.path else gone.file_id == ref.file_id
