"""Before the bytes: may they be read, and where are they; may they be written, and where to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.clock import Clock
from runtime.errors import FileExists, IsADirectory, IsthmusError, NoSpace, NotSupported
from runtime.identity import Identity

from . import names, permissions
from .files import Files
from .grants import Grants
from .ids import new_file_id
from .leases import Grant
from .locations import Location
from .paths import FileRef, Found, Paths
from .quotas import Quotas
from .records import File, FileType
from .replicas import Replicas
from .stores import Intent, IntentStore
from .times import Touches
from .tree import Tree


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What a client wants to upload."""

    request_id: str
    ref: FileRef
    replaces: bool
    create: bool = False
    exclusive: bool = False
    create_parents: bool = False
    mode: int | None = None
    set_existing_mode: bool = False
    size_bytes: int | None = None
    record_intent: bool = False
    storage_id: str = ""
    storage_file_id: str = ""
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an upload goes, and may go: to the file `found`, or with `is_new` to a new one in the directory
    `found`. `file_id` is the uuid of what has the name, or will have it.
    """

    found: Found
    file_id: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """Where an upload goes. `file` is None when the commit will make it, and `file_id` then its uuid.

    `inode_id`: whose content it is, another one than `file_id` when that is a hard link.
    """

    file_id: str
    inode_id: str
    space_id: str
    parent_id: str
    name: str
    file: File | None
    location: Location | None
    available_bytes: int


class Uploads:
    """Tells where to read and write, and gives up uploads; `Commits` publishes them."""

    def __init__(
        self,
        *,
        tree: Tree,
        paths: Paths,
        files: Files,
        replicas: Replicas,
        grants: Grants,
        quotas: Quotas,
        intents: IntentStore,
        touches: Touches,
        clock: Clock,
    ) -> None:
        self._tree = tree
        self._paths = paths
        self._files = files
        self._replicas = replicas
        self._grants = grants
        self._quotas = quotas
        self._intents = intents
        self._touches = touches
        self._clock = clock

    async def locate(self, identity: Identity, ref: FileRef) -> tuple[File, Location | None]:
        """A file the caller may read, and where its content is: None for an empty file or a link."""
        _, file, location = await self._locate(identity, ref)
        return file, location

    async def locate_leased(
        self, identity: Identity, ref: FileRef, lease_id: str
    ) -> tuple[File, Location | None, Grant | None]:
        """As `locate`; with a grant when the answer may be remembered under the lease."""
        found, file, location = await self._locate(identity, ref)
        return file, location, self._grants.of_content(identity, ref, found, location, lease_id)

    async def _locate(self, identity: Identity, ref: FileRef) -> tuple[Found, File, Location | None]:
        found = await self._paths.resolve(identity, ref)
        file = found.file
        if file.is_directory:
            raise IsADirectory(file_id=file.file_id)
        if file.type is FileType.QUEUE:
            raise NotSupported("a queue is read value by value", file_id=file.file_id)
        permissions.require(identity, found.chain, permissions.READ_DATA, found.reach)
        self._touches.read(file)
        return found, *await self.current(found)

    async def current(self, found: Found) -> tuple[File, Location | None]:
        """A file as it is known now, and where its content is: None for an empty file or a link."""
        file = found.shown(self._touches.applied(found.file))
        location = await self._replicas.current(found.file)
        if location is not None and location.revision > file.location_revision:
            # Its record is about to follow, or a repair will have it follow.
            file = replace(file, size_bytes=location.size_bytes, local_bytes=location.local_bytes)
        return file, location

    async def begin(self, identity: Identity, request: UploadRequest) -> UploadPlan:
        """Checks everything that can be checked before the bytes are there.

        Raises `FileExists` (exclusive), `NoSuchFile`, `IsADirectory`, `NoSpace`, refusals.
        """
        if request.mode is not None:
            names.check_mode(request.mode)
        plan = await self._plan(await self.target(identity, request), request)
        held = 0 if request.replaces or plan.location is None else plan.location.local_bytes
        if request.size_bytes is not None and request.size_bytes > plan.available_bytes + held:
            raise NoSpace("the quota of the space does not allow it", space_id=plan.space_id)
        if request.record_intent and request.request_id:
            await self._intents.put(self._intent(request, plan))
        return plan

    async def abort(self, identity: Identity, request_id: str, space_id: str) -> None:
        """Gives an upload up. Idempotent."""
        permissions.enter_space(identity, space_id)
        intent = await self._intents.find(request_id)
        if intent is None or intent.space_id != space_id or intent.abandoned:
            return
        if intent.replaces:
            await self._intents.put(replace(intent, abandoned=True, time_ms=self._clock.now_ms()))
        else:
            # Other writers may be at the same storage file.
            await self._intents.remove([request_id])

    async def target(self, identity: Identity, request: UploadRequest) -> Target:
        """The file to be written, else the directory where it is to be made. Raises as `begin`."""
        ref = request.ref
        if not ref.path or not request.create:
            return self._existing(identity, request, await self._paths.resolve(identity, ref))
        names.check_path(ref.path)
        directory = FileRef(ref.space_id, ref.file_id, ref.path[:-1], follow_last_symlink=True)
        parent = await self._files.directory(
            identity, request.request_id, directory, create_parents=request.create_parents
        )
        if self._may_guess(identity, request, parent):
            return self._new(identity, request, parent)
        found = await self._paths.child(identity, parent, ref.path[-1])
        if found is None:
            names.check_new_name(ref.path[-1], parent.file)
            require_add(identity, parent)
            return self._new(identity, request, parent)
        if found.file.type is FileType.SYMLINK and ref.follow_last_symlink:
            start = FileRef(ref.space_id, parent.file.file_id, ref.path[-1:], follow_last_symlink=True)
            found = await self._paths.resolve(identity, start)
        return self._existing(identity, request, found)

    def _may_guess(self, identity: Identity, request: UploadRequest, parent: Found) -> bool:
        """Whether a name nobody has heard of may count as free without asking the store.

        Only for small whole bodies: the commit, where the unique index decides, replaces or refuses if it was
        taken after all, and then a small body was received in vain. A known name is looked at as ever.
        """
        if not request.replaces or request.record_intent or request.size_bytes is None:
            return False
        if self._paths.knows_child(parent.file, request.ref.path[-1]) is not False:
            return False
        try:
            names.check_new_name(request.ref.path[-1], parent.file)
            require_add(identity, parent)
        except IsthmusError:
            return False  # an existing file may be writable all the same
        return True

    def _existing(self, identity: Identity, request: UploadRequest, found: Found) -> Target:
        file = found.file
        if request.create and request.exclusive and not self._is_own(identity, request, file):
            raise FileExists(name=file.name, file_id=file.file_id)
        require_write(identity, found, set_mode=request.set_existing_mode and request.mode is not None)
        return Target(found, found.entry.file_id)

    def _new(self, identity: Identity, request: UploadRequest, parent: Found) -> Target:
        file_id = new_file_id(
            request.request_id,
            identity.subject_id,
            parent.file.file_id,
            request.ref.path[-1],
            type=FileType.REGULAR,
            exclusive=request.exclusive,
        )
        return Target(parent, file_id, is_new=True)

    async def _plan(self, target: Target, request: UploadRequest) -> UploadPlan:
        found = target.found
        if target.is_new:
            return UploadPlan(
                file_id=target.file_id,
                inode_id=target.file_id,
                space_id=found.file.space_id,
                parent_id=found.file.file_id,
                name=request.ref.path[-1],
                file=None,
                location=None,
                available_bytes=await self._available_bytes(found.file.space_id, request),
            )
        file = found.file
        location = await self._replicas.find(file.space_id, file.file_id)
        if location is not None and not location.storage_file_id:
            location = replace(location, storage_file_id=location.planned_storage_file())
        return UploadPlan(
            file_id=target.file_id,
            inode_id=file.file_id,
            space_id=file.space_id,
            parent_id=found.entry.parent_id,
            name=found.entry.name,
            file=found.shown(self._touches.applied(file)),
            location=location,
            available_bytes=await self._available_bytes(file.space_id, request),
        )

    async def _available_bytes(self, space_id: str, request: UploadRequest) -> int:
        return await self._quotas.available_bytes(space_id, wanted_bytes=request.size_bytes or 1)

    def _is_own(self, identity: Identity, request: UploadRequest, file: File) -> bool:
        """Whether an earlier try of this very request made the file."""
        return bool(request.request_id) and file.file_id == new_file_id(
            request.request_id, identity.subject_id, file.parent_id, file.name, type=FileType.REGULAR
        )

    def _intent(self, request: UploadRequest, plan: UploadPlan) -> Intent:
        return Intent(
            request_id=request.request_id,
            space_id=plan.space_id,
            file_id=plan.file_id,
            storage_id=request.storage_id,
            storage_file_id=request.storage_file_id,
            replaces=request.replaces,
            time_ms=self._clock.now_ms(),
            holder=request.holder,
        )


def require_add(identity: Identity, parent: Found) -> None:
    """Raises unless the caller may make files in this directory."""
    permissions.require(identity, parent.chain, permissions.TRAVERSE | permissions.ADD_FILE, parent.reach)


def require_write(identity: Identity, found: Found, *, set_mode: bool) -> None:
    """Raises unless the caller may write the content of this file, and set its mode when that is asked."""
    file = found.file
    if file.is_directory:
        raise IsADirectory(file_id=file.file_id)
    if file.type is not FileType.REGULAR:
        raise NotSupported("only regular files have content to write", file_id=file.file_id)
    permissions.require_way(identity, found.chain, found.reach)
    permissions.require(identity, found.chain, permissions.WRITE_DATA, found.reach)
    if set_mode:
        permissions.require_owner(identity, file, found.reach)
