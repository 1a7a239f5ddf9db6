"""Deleted directories that can be had back until their time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runtime.clock import Clock
from runtime.errors import AccessDenied, FileExists, InvalidArgument, NoSuchFile, NotADirectory
from runtime.identity import Identity, Kind

from . import caveats, names, permissions
from .errors import LostRace, NameTaken, RevisionConflict
from .paths import FileRef, Found, Paths
from .records import File, swept_from, trash_id
from .retries import attempts, patient_attempts
from .stores import FileStore, Position
from .times import Touches
from .tokens import PageTokens
from .tree import Tree

MAX_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class TrashEntry:
    """A directory in the trash, shown with the name and parent it had."""

    file: File
    deleted_ms: int
    deleted_by: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class TrashPage:
    """Some of them; no `next_token` at the end."""

    entries: Sequence[TrashEntry]
    next_token: str


class Trash:
    """Lists, restores and purges what was deleted.

    Who deleted a directory, its owner and the owners of the space have to do with it in the trash; for
    everybody else it is gone.
    """

    def __init__(
        self, store: FileStore, tree: Tree, paths: Paths, tokens: PageTokens, touches: Touches, clock: Clock
    ) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._tokens = tokens
        self._touches = touches
        self._clock = clock

    async def list(self, identity: Identity, space_id: str, token: str, page_size: int) -> TrashPage:
        """What the caller may restore."""
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=page_size)
        await self._enter(identity, space_id)
        directory_id = trash_id(space_id)
        start = self._tokens.read(directory_id, token) if token else None
        files = await self._store.list_children(
            directory_id, start=start, inclusive=False, limit=page_size + 1
        )
        page = files[:page_size]
        entries = [_entry(file) for file in page if _concerns(identity, file)]
        if len(files) == len(page):
            return TrashPage(entries, "")
        last = Position(page[-1].name, page[-1].named_by)
        return TrashPage(entries, self._tokens.make(directory_id, last))

    async def restore(
        self,
        identity: Identity,
        request_id: str,
        ref: FileRef,
        parent_ref: FileRef | None = None,
        name: str = "",
    ) -> File:
        """Brings a directory back to where it was, or to another place, by one change.

        Raises `NoSuchFile` when it is not in the trash, or where it was is not any more, `FileExists`.
        """
        await self._enter(identity, ref.space_id)
        async for _ in patient_attempts():
            file = await self._tree.find(ref.space_id, ref.file_id, fresh=True)
            if file is not None and _was_restored_by(file, request_id):
                return file
            file = self._require_trashed(identity, ref, file)
            parent = await self._parent(identity, file, parent_ref)
            restored = self._restored(file, parent, name, request_id)
            try:
                await self._tree.move(restored, replaced=None, new_ancestry=True)
            except NameTaken:
                raise FileExists("the name is taken where it was", name=restored.name) from None
            except RevisionConflict:
                self._tree.forget(parent.file.file_id)
                continue
            await self._touches.content_changed(parent.file)
            return restored
        raise LostRace(file_id=ref.file_id)

    async def purge(self, identity: Identity, ref: FileRef) -> None:
        """Has the removal of a directory begin now. Raises `NoSuchFile` when it is not in the trash."""
        await self._enter(identity, ref.space_id)
        async for _ in attempts():
            file = await self._tree.find(ref.space_id, ref.file_id, fresh=True)
            file = self._require_trashed(identity, ref, file)
            try:
                await self._tree.replace(swept_from(file, now_ms=self._clock.now_ms()))
            except RevisionConflict:
                continue
            return
        raise LostRace(file_id=ref.file_id)

    async def _enter(self, identity: Identity, space_id: str) -> None:
        permissions.enter_space(identity, space_id)
        await self._tree.require_space(space_id)
        if caveats.confines(identity):
            raise AccessDenied("the token is confined to places, and the trash is none of them")

    def _require_trashed(self, identity: Identity, ref: FileRef, file: File | None) -> File:
        if file is None or file.deleted or file.parent_id != trash_id(ref.space_id):
            raise NoSuchFile("not in the trash", file_id=ref.file_id)
        if not _concerns(identity, file):
            raise NoSuchFile("not in the trash", file_id=ref.file_id)
        if identity.caveats is not None and identity.caveats.readonly:
            raise AccessDenied("the token is read-only")
        return file

    async def _parent(self, identity: Identity, file: File, ref: FileRef | None) -> Found:
        """The directory it goes to, if the caller may add it there."""
        if ref is None:
            ref = FileRef(file.space_id, file.trashed.parent_id if file.trashed else "")
        try:
            parent = await self._paths.resolve(identity, ref)
        except NoSuchFile as error:
            raise NoSuchFile("the directory it goes to is gone", file_id=ref.file_id) from error
        if not parent.file.is_directory:
            raise NotADirectory(file_id=parent.file.file_id)
        bits = permissions.ADD_SUBDIRECTORY | permissions.TRAVERSE
        permissions.require(identity, parent.chain, bits, parent.reach)
        return parent

    def _restored(self, file: File, parent: Found, name: str, request_id: str) -> File:
        name = name or (file.trashed.name if file.trashed else file.name)
        names.check_new_name(name, parent.file)
        return file.changed(
            parent_id=parent.file.file_id,
            name=name,
            trashed=None,
            delete_op="",
            op_id=request_id,
            ctime_ms=self._clock.now_ms(),
        )


def _concerns(identity: Identity, file: File) -> bool:
    if permissions.passes_all(identity, file):
        return True
    trashed_by = file.trashed.by if file.trashed else ""
    return identity.kind is Kind.USER and identity.subject_id in (trashed_by, file.owner_id)


def _was_restored_by(file: File, request_id: str) -> bool:
    return bool(request_id) and file.op_id == request_id and not file.deleted and file.trashed is None


def _entry(file: File) -> TrashEntry:
    trashed = file.trashed
    if trashed is None:
        return TrashEntry(file, file.ctime_ms, "", file.ctime_ms)
    shown = replace(file, parent_id=trashed.parent_id, name=trashed.name)
    return TrashEntry(shown, trashed.time_ms, trashed.by, trashed.due_ms)
