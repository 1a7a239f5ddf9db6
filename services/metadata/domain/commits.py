"""Publishing uploads: what a commit makes visible, and what becomes of a refused one.

The quota is charged first. A new file comes with its location in one record, so it is there whole or not at
all; new content of an existing file comes by one swap of its location, and its record follows. A refused
commit leaves its storage file to the removers, never to chance.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runtime.clock import Clock
from runtime.errors import FileExists, InvalidArgument, IsthmusError
from runtime.identity import Identity

from . import names, permissions
from .charged import ChargedInserts
from .content_writer import ContentWriter
from .errors import LostRace, NameTaken, StaleUpload
from .ids import may_take_over
from .locations import Location, Upload
from .paths import Found, Paths
from .records import DEFAULT_FILE_MODE, File, FileType, inode_id
from .replicas import Replicas
from .settled import Settled
from .stores import Intent, Stores
from .tree import Tree
from .uploads import Target, require_add, require_write

MAX_FILE_BYTES = 2**62


@dataclass(frozen=True, slots=True)
class Commit:
    """An upload whose bytes are on a storage.

    `fields`: CDMI fields of the file record to set. `follow_symlink`: a link that has the name means the file
    it leads to. `recorded`: there is an intent of the upload.
    """

    space_id: str
    file_id: str
    parent_id: str
    name: str
    create: bool
    upload: Upload
    mode: int | None = None
    set_existing_mode: bool = False
    fields: Mapping[str, str] | None = None
    follow_symlink: bool = False
    recorded: bool = True


class Commits:
    """Publishes uploads."""

    def __init__(
        self,
        *,
        tree: Tree,
        paths: Paths,
        inserts: ChargedInserts,
        replicas: Replicas,
        writer: ContentWriter,
        stores: Stores,
        settled: Settled,
        clock: Clock,
        provider_id: str,
    ) -> None:
        self._tree = tree
        self._paths = paths
        self._inserts = inserts
        self._replicas = replicas
        self._writer = writer
        self._intents = stores.intents
        self._locations = stores.locations
        self._settled = settled
        self._clock = clock
        self._provider_id = provider_id

    async def commit(self, identity: Identity, commit: Commit) -> tuple[File, bool]:
        """Makes the uploaded content visible; True when this, or an earlier try of it, made the file.

        Raises `NoSpace`, `StaleUpload`, `NoSuchFile` when the file or its directory was deleted meanwhile,
        `FileExists` when a file that had to be new got company, refusals. Repeating it is safe.
        """
        _check(commit.upload)
        permissions.enter_space(identity, commit.space_id)
        file, created = await self._or_discard(commit, self._publish(identity, commit))
        if commit.recorded:
            self._settled.upload(commit.upload.op_id)
        return file, created

    async def publish(self, identity: Identity, target: Target, commit: Commit) -> tuple[File, bool]:
        """As `commit`, for an upload whose target was found, and allowed, a moment ago."""
        _check(commit.upload)
        if target.is_new:
            return await self._or_discard(commit, self._publish_in(identity, target.found, commit))
        return await self._or_discard(commit, self._publish_again(identity, target.found, commit))

    async def _or_discard(
        self, commit: Commit, publishing: Awaitable[tuple[File, bool]]
    ) -> tuple[File, bool]:
        try:
            return await publishing
        except IsthmusError as error:
            if not error.retryable or isinstance(error, StaleUpload):
                await self._discard(commit)
            raise

    async def _publish(self, identity: Identity, commit: Commit) -> tuple[File, bool]:
        chain = await self._tree.chain(commit.space_id, commit.parent_id if commit.create else commit.file_id)
        found = await self._paths.found(identity, chain)
        if not commit.create:
            return await self._publish_again(identity, found, commit)
        permissions.require_way(identity, chain, found.reach)
        names.check_new_name(commit.name, found.file)
        require_add(identity, found)
        return await self._publish_in(identity, found, commit)

    async def _publish_again(self, identity: Identity, found: Found, commit: Commit) -> tuple[File, bool]:
        file = await self._publish_existing(identity, found, commit)
        # The uuid tells who made it, so a repeated request hears what its first try would have.
        made = may_take_over(
            file.file_id, commit.upload.op_id, identity.subject_id, file.parent_id, file.name
        )
        return file, made

    async def _publish_existing(self, identity: Identity, found: Found, commit: Commit) -> File:
        sets_mode = commit.set_existing_mode and commit.mode is not None
        require_write(identity, found, set_mode=sets_mode)
        changes: dict[str, Any] = dict(commit.fields or {})
        if sets_mode:
            changes["mode"] = names.check_mode(commit.mode or 0)
        if commit.upload.replaces:
            changes["mtime_ms"] = self._clock.now_ms()
        return found.shown(await self._writer.write(found.file, commit.upload, changes))

    async def _publish_in(self, identity: Identity, parent: Found, commit: Commit) -> tuple[File, bool]:
        """Makes a file in a directory whose caller may do so."""
        location = self._first_location(commit)
        file = self._new(identity, commit, parent.file, location)
        try:
            stored = await self._inserts.insert(identity, parent, file)
        except NameTaken:
            return await self._publish_taken(identity, parent, commit)
        if stored is not file:
            # An earlier try of the request made the file, maybe with another storage file.
            await self._discard(commit)
        elif location is not None:
            self._replicas.made(location)
        return stored, True

    def _first_location(self, commit: Commit) -> Location | None:
        """Where the content of a new file lies; it becomes part of the file's record."""
        if not commit.upload.size_bytes:
            return None
        blank = self._replicas.blank(commit.space_id, commit.file_id)
        return replace(blank.applied(commit.upload, self._clock.now_ms()), dirty_ms=None, revision=1)

    async def _publish_taken(self, identity: Identity, parent: Found, commit: Commit) -> tuple[File, bool]:
        """Another file has the name: replaces its content, if that was asked for."""
        existing = await self._paths.child(identity, parent, commit.name)
        if existing is None:
            raise LostRace(name=commit.name)
        if existing.file.file_id == commit.file_id:
            return existing.shown(), True
        if not may_take_over(
            commit.file_id, commit.upload.op_id, identity.subject_id, commit.parent_id, commit.name
        ):
            raise FileExists(name=commit.name, file_id=existing.file.file_id)
        if existing.file.type is FileType.SYMLINK and commit.follow_symlink:
            # Whoever begins anew is told where the link leads.
            raise StaleUpload(file_id=existing.file.file_id)
        return await self._publish_existing(identity, existing, commit), False

    def _new(self, identity: Identity, commit: Commit, parent: File, location: Location | None) -> File:
        now_ms = self._clock.now_ms()
        return File(
            file_id=commit.file_id,
            space_id=commit.space_id,
            parent_id=parent.file_id,
            name=commit.name,
            type=FileType.REGULAR,
            mode=names.check_mode(DEFAULT_FILE_MODE if commit.mode is None else commit.mode),
            owner_id=identity.subject_id,
            provider_id=self._provider_id,
            named_by=self._provider_id,
            creation_time_ms=now_ms,
            atime_ms=now_ms,
            mtime_ms=now_ms,
            ctime_ms=now_ms,
            size_bytes=location.size_bytes if location else 0,
            local_bytes=location.local_bytes if location else 0,
            location_revision=location.revision if location else 0,
            location=location,
            op_id=commit.upload.op_id,
            **(commit.fields or {}),  # type: ignore[arg-type]  # names of text fields only
        )

    async def _discard(self, commit: Commit) -> None:
        """Leaves the storage file of a refused commit to the removers, unless a file has it."""
        upload = commit.upload
        if not upload.storage_file_id:
            return
        location = await self._replicas.find(commit.space_id, inode_id(commit.file_id), fresh=True)
        if location is not None and upload.storage_file_id == location.planned_storage_file():
            return
        if not upload.replaces and not commit.create and location is None and await self._is_alive(commit):
            return  # other writers of the same file may be at the same first storage file
        if await self._locations.find_references(upload.storage_id, [upload.storage_file_id]):
            return
        intent = Intent(
            request_id=upload.op_id or f"{commit.file_id}:{upload.storage_file_id}",
            space_id=commit.space_id,
            file_id=commit.file_id,
            storage_id=upload.storage_id,
            storage_file_id=upload.storage_file_id,
            replaces=upload.replaces,
            time_ms=self._clock.now_ms(),
            abandoned=True,
        )
        await self._intents.put(intent)

    async def _is_alive(self, commit: Commit) -> bool:
        file = await self._tree.find(commit.space_id, commit.file_id)
        return file is not None and not file.deleted


def _check(upload: Upload) -> None:
    """Raises `InvalidArgument` for what no upload can be."""
    if upload.size_bytes and not (upload.storage_id and upload.storage_file_id):
        raise InvalidArgument("a body needs a storage file")
    if min(upload.offset, upload.size_bytes) < 0 or upload.offset + upload.size_bytes > MAX_FILE_BYTES:
        raise InvalidArgument("offset or size out of range")
