"""What a copy is to be: every check that can be made before the work, and the record it begins with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from runtime.clock import Clock
from runtime.errors import AccessDenied, FileExists, NotSupported, ResourceExhausted
from runtime.identity import Identity

from . import names, permissions
from .caveats import Reached
from .copy_records import Copy, CopyStore
from .errors import RenameIntoItself
from .files import Files
from .ids import new_file_id
from .paths import FileRef, Found, Paths
from .records import FileType

#: Copies under way at a time: of all users, and of one.
MAX_OPEN = 10_000
MAX_OPEN_OF_USER = 1000


class TooManyCopies(ResourceExhausted):
    """So many copies are under way that no more are begun."""

    reason = "TOO_MANY_COPIES"


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What is asked for. Without a `holder` somebody else is to do the work.

    Without a `source` it is a directory that only the holder can make.
    `update`: what the copy has differently; only the one who does the work reads it.
    """

    request_id: str
    source: FileRef | None
    parent: FileRef
    name: str
    moves: bool
    update: bytes
    holder: str


class CopyPlans:
    """Plans copies."""

    def __init__(self, store: CopyStore, paths: Paths, files: Files, clock: Clock) -> None:
        self._store = store
        self._paths = paths
        self._files = files
        self._clock = clock

    async def plan(self, identity: Identity, signed_identity: bytes, request: CopyRequest) -> Copy:
        """The record of a copy, not kept yet.

        Raises `FileExists`, `RenameIntoItself`, `TooManyCopies`, refusals, and as `Paths.resolve`.
        """
        parent = await self._files.directory(
            identity, request.request_id, request.parent, create_parents=False
        )
        names.check_new_name(request.name, parent.file)
        source = await self._source(identity, parent, request)
        await self._require_few(identity)
        if await self._paths.child(identity, parent, request.name) is not None:
            raise FileExists(name=request.name)
        type = source.file.type if source else FileType.DIRECTORY
        copy_id = copy_id_of(identity, request.request_id)
        workshop_id = hashlib.sha256(f"workshop:{copy_id}".encode()).hexdigest()[:32]
        now_ms = self._clock.now_ms()
        return Copy(
            copy_id=copy_id,
            request_id=request.request_id,
            user_id=identity.subject_id,
            identity=signed_identity,
            space_id=parent.file.space_id,
            parent_id=parent.file.file_id,
            name=request.name,
            root_id=new_file_id(
                request.request_id, identity.subject_id, workshop_id, request.name, type=type
            ),
            type=type,
            source_space_id=source.file.space_id if source else "",
            source_id=source.entry.file_id if source else "",
            moves=request.moves,
            workshop_id=workshop_id,
            update=request.update,
            started_ms=now_ms,
            changed_ms=now_ms,
        )

    async def _source(self, identity: Identity, parent: Found, request: CopyRequest) -> Found | None:
        """What is to be copied, if anything is. Everything is refused here that can be before the work."""
        if request.source is None:
            require_add(identity, parent, FileType.DIRECTORY)
            return None
        source = await self._paths.resolve(identity, request.source)
        self._require(identity, source, parent, request)
        return source

    def _require(self, identity: Identity, source: Found, parent: Found, request: CopyRequest) -> None:
        """Everything that can be refused before the work begins."""
        file = source.file
        if file.type is FileType.SYMLINK:
            raise NotSupported("a symbolic link is no source", file_id=file.file_id)
        if any(above.file_id == file.file_id for above in parent.chain):
            raise RenameIntoItself(file_id=file.file_id, parent_id=parent.file.file_id)
        bits = permissions.READ_DATA | (permissions.TRAVERSE if file.is_directory else 0)
        permissions.require(identity, source.chain, bits, source.reach)
        if source.reach.reached is not Reached.INSIDE:
            raise AccessDenied("the token does not reach all of the source", file_id=file.file_id)
        require_add(identity, parent, file.type)
        if request.moves:
            self._files.require_delete(identity, source)

    async def _require_few(self, identity: Identity) -> None:
        of_user = await self._store.count_open(user_id=identity.subject_id, limit=MAX_OPEN_OF_USER)
        if of_user >= MAX_OPEN_OF_USER:
            raise TooManyCopies(limit=MAX_OPEN_OF_USER)
        if await self._store.count_open(limit=MAX_OPEN) >= MAX_OPEN:
            raise TooManyCopies(limit=MAX_OPEN)


def require_add(identity: Identity, parent: Found, type: FileType) -> None:
    """Raises unless the caller may add such a file to the directory."""
    add = permissions.ADD_SUBDIRECTORY if type is FileType.DIRECTORY else permissions.ADD_FILE
    permissions.require(identity, parent.chain, permissions.TRAVERSE | add, parent.reach)


def copy_id_of(identity: Identity, request_id: str) -> str:
    """Id of the copy that a request begins: the same at each try."""
    return hashlib.sha256(f"{identity.subject_id}\0{request_id}".encode()).hexdigest()[:32]
