"""Registering files that lie on an imported storage: the namespace learns of them, their bytes stay in place.

Who may is told by a privilege and by the directory, as for any new file. A file belongs to the user that its
owner on the storage is known to be; else to the virtual owner of the space, who is nobody that can log in.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runtime.clock import Clock
from runtime.errors import FileExists, InvalidArgument, InvalidName
from runtime.identity import Identity, Kind, SpacePrivilege

from . import names, permissions
from .charged import ChargedInserts
from .commits import MAX_FILE_BYTES
from .content_writer import ContentWriter
from .custom_metadata import Update
from .errors import Forbidden, LostRace, NameTaken, RevisionConflict
from .files import Files
from .ids import new_file_id
from .locations import Location, Upload
from .paths import FileRef, Found, Paths
from .records import File, FileType, virtual_owner
from .replicas import Replicas
from .retries import patient_attempts
from .stores import LocationStore
from .uploads import require_add
from .xattrs import Xattrs

#: Custom metadata is set for who registers, whatever the mode of the file leaves him.
_SELF = Identity(Kind.SERVICE, "metadata")


@dataclass(frozen=True, slots=True)
class Registration:
    """What is registered, and where. `update`: custom metadata to set.

    `owner_id`: empty when not known. `gid`: the numeric group to be shown; None when there is none.
    """

    request_id: str
    space_id: str
    path: tuple[str, ...]
    storage_id: str
    storage_file_id: str
    size_bytes: int
    mode: int
    atime_ms: int
    mtime_ms: int
    ctime_ms: int
    owner_id: str = ""
    gid: int | None = None
    update: Update = field(default_factory=Update)

    @property
    def upload(self) -> Upload:
        """The same as a change of content."""
        return Upload(
            self.request_id, True, self.storage_id, self.storage_file_id, 0, self.size_bytes, registers=True
        )

    @property
    def times(self) -> dict[str, int]:
        """Times of the file, by field."""
        return {"atime_ms": self.atime_ms, "mtime_ms": self.mtime_ms, "ctime_ms": self.ctime_ms}

    def check(self) -> None:
        """Raises what is wrong with it whatever there is. InvalidArgument, InvalidName, NameTooLong."""
        if not self.path:
            raise InvalidName("the directory of a space is no file")
        names.check_path(self.path)
        names.check_mode(self.mode)
        if not (self.storage_id and self.storage_file_id):
            raise InvalidArgument("a registration needs a storage file")
        if not 0 <= self.size_bytes <= MAX_FILE_BYTES or min(self.times.values()) < 0:
            raise InvalidArgument("size or time out of range")
        self.update.check()


class Registrations:
    """Registers files."""

    def __init__(
        self,
        *,
        paths: Paths,
        files: Files,
        replicas: Replicas,
        locations: LocationStore,
        writer: ContentWriter,
        inserts: ChargedInserts,
        xattrs: Xattrs,
        clock: Clock,
        provider_id: str,
    ) -> None:
        self._paths = paths
        self._files = files
        self._replicas = replicas
        self._locations = locations
        self._writer = writer
        self._inserts = inserts
        self._xattrs = xattrs
        self._clock = clock
        self._provider_id = provider_id

    async def register(self, identity: Identity, registration: Registration) -> File:
        """The file, made or brought up to date. Repeating it is safe.

        A new file comes with all that is registered of it, or not at all.

        Raises `Forbidden`, refusals of the directory, `FileExists` where something else has the name,
        `NoSpace`, `LostRace` also while the storage file awaits its removal, `StaleUpload`.
        """
        registration.check()
        _require_privilege(identity, registration.space_id)
        await self._refuse_doomed(registration)
        parent_ref = FileRef(registration.space_id, "", registration.path[:-1], follow_last_symlink=True)
        parent = await self._files.directory(
            identity, registration.request_id, parent_ref, create_parents=True
        )
        names.check_new_name(registration.path[-1], parent.file)
        require_add(identity, parent)
        return await self._publish(identity, registration, parent)

    async def _refuse_doomed(self, registration: Registration) -> None:
        """What a deleted file has left behind is about to be removed from the storage."""
        asked = (registration.storage_id, [registration.storage_file_id])
        if await self._locations.find_references(*asked) and not await self._locations.find_references(
            *asked, with_garbage=False
        ):
            raise LostRace("the storage file is being removed", storage_file_id=registration.storage_file_id)

    async def _publish(self, identity: Identity, registration: Registration, parent: Found) -> File:
        name = registration.path[-1]
        async for _ in patient_attempts():
            existing = await self._paths.child(identity, parent, name)
            if existing is not None:
                return await self._update(registration, existing)
            try:
                return await self._insert(identity, registration, parent)
            except (NameTaken, RevisionConflict):
                continue
        raise LostRace(name=name)

    async def _update(self, registration: Registration, existing: Found) -> File:
        file = existing.file
        location = await self._replicas.current(file)
        if location is None or not location.registered:
            raise FileExists(name=registration.path[-1], file_id=file.file_id)
        changes: dict[str, object] = {"mode": registration.mode}
        if registration.owner_id:
            changes["owner_id"] = registration.owner_id
        if registration.gid is not None:
            changes["gids"] = (registration.gid,)
        changed = await self._writer.write(file, registration.upload, changes, registration.times)
        if registration.update.bits:
            ref = FileRef(file.space_id, file.file_id)
            await self._xattrs.update(_SELF, registration.request_id, ref, registration.update)
        return existing.shown(changed)

    async def _insert(self, identity: Identity, registration: Registration, parent: Found) -> File:
        file, location = self._new(identity, registration, parent.file)
        file, add = await self._xattrs.with_file(file, registration.update)
        stored = await self._inserts.insert(identity, parent, file, add)
        if stored is file:
            self._replicas.made(location)
        return stored

    def _new(self, identity: Identity, registration: Registration, parent: File) -> tuple[File, Location]:
        name = registration.path[-1]
        file_id = new_file_id(
            registration.request_id, identity.subject_id, parent.file_id, name, type=FileType.REGULAR
        )
        now_ms = self._clock.now_ms()
        blank = self._replicas.blank(registration.space_id, file_id)
        location = replace(blank.applied(registration.upload, now_ms), dirty_ms=None, revision=1)
        file = File(
            file_id=file_id,
            space_id=registration.space_id,
            parent_id=parent.file_id,
            name=name,
            type=FileType.REGULAR,
            mode=registration.mode,
            owner_id=registration.owner_id or virtual_owner(registration.space_id),
            provider_id=self._provider_id,
            named_by=self._provider_id,
            creation_time_ms=now_ms,
            size_bytes=location.size_bytes,
            local_bytes=location.local_bytes,
            location_revision=location.revision,
            location=location,
            atime_ms=registration.atime_ms,
            mtime_ms=registration.mtime_ms,
            ctime_ms=registration.ctime_ms,
            op_id=registration.request_id,
            gids=() if registration.gid is None else (registration.gid,),
        )
        return file, location


def _require_privilege(identity: Identity, space_id: str) -> None:
    permissions.enter_space(identity, space_id)
    rights = identity.rights_in(space_id)
    if rights is None or not rights.has(SpacePrivilege.REGISTER_FILES):
        raise Forbidden("the privilege to register files is missing", space_id=space_id)
