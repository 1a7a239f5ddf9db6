"""Publishing uploads: what a commit makes visible, and what becomes of a refused one.

The location is stored and the quota charged first, then the file record: a new file is there whole or not at
all, and new content of an existing file comes by one swap. A refused commit leaves its storage file to the
removers, never to chance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runtime.clock import Clock
from runtime.errors import FileExists, InvalidArgument, IsthmusError, NoSuchFile
from runtime.identity import Identity

from . import names, permissions
from .content_writer import ContentWriter
from .errors import IdTaken, LostRace, NameTaken, StaleUpload
from .files import Files
from .ids import may_take_over
from .locations import Location, Upload
from .paths import Found, Paths
from .quotas import Quotas
from .records import DEFAULT_FILE_MODE, File, FileType
from .replicas import Replicas
from .retries import attempts
from .settled import Settled
from .stores import Intent, Stores
from .tree import Tree
from .uploads import require_add, require_write

MAX_FILE_BYTES = 2**62


@dataclass(frozen=True, slots=True)
class Commit:
    """An upload whose bytes are on a storage. `fields`: CDMI fields of the file record to set."""

    space_id: str
    file_id: str
    parent_id: str
    name: str
    create: bool
    upload: Upload
    mode: int | None = None
    set_existing_mode: bool = False
    fields: Mapping[str, str] | None = None


class Commits:
    """Publishes uploads."""

    def __init__(
        self,
        *,
        tree: Tree,
        paths: Paths,
        files: Files,
        replicas: Replicas,
        writer: ContentWriter,
        quotas: Quotas,
        stores: Stores,
        settled: Settled,
        clock: Clock,
        provider_id: str,
    ) -> None:
        self._tree = tree
        self._paths = paths
        self._files = files
        self._replicas = replicas
        self._writer = writer
        self._quotas = quotas
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
        upload = commit.upload
        if upload.size_bytes and not (upload.storage_id and upload.storage_file_id):
            raise InvalidArgument("a body needs a storage file")
        if min(upload.offset, upload.size_bytes) < 0 or upload.offset + upload.size_bytes > MAX_FILE_BYTES:
            raise InvalidArgument("offset or size out of range")
        permissions.enter_space(identity, commit.space_id)
        try:
            file, created = await self._publish(identity, commit)
        except IsthmusError as error:
            if not error.retryable or isinstance(error, StaleUpload):
                await self._discard(commit)
            raise
        self._settled.upload(upload.op_id)
        return file, created

    async def _publish(self, identity: Identity, commit: Commit) -> tuple[File, bool]:
        if commit.create:
            return await self._publish_new(identity, commit)
        chain = await self._tree.chain(commit.space_id, commit.file_id)
        file = await self._publish_existing(identity, await self._paths.found(identity, chain), commit)
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
        return await self._writer.write(found.file, commit.upload, changes)

    async def _publish_new(self, identity: Identity, commit: Commit) -> tuple[File, bool]:
        chain = await self._tree.chain(commit.space_id, commit.parent_id)
        parent = await self._paths.found(identity, chain)
        permissions.require_way(identity, chain, parent.reach)
        names.check_new_name(commit.name, parent.file)
        require_add(identity, parent)
        location = await self._place(commit) if commit.upload.size_bytes else None
        file = self._new(identity, commit, parent.file, location)
        try:
            file = await self._files.insert(identity, parent, file)
        except NameTaken:
            return await self._publish_taken(identity, parent, commit, location)
        except IsthmusError as error:
            if location is not None and not error.retryable:
                await self._writer.retire(location)
            raise
        if location is not None:
            if file.location_revision < location.revision and not file.deleted:
                file = await self._writer.mirror(file, location, {})
            self._settled.location(location.file_id, location.revision)
        return file, True

    async def _place(self, commit: Commit) -> Location:
        """Charges the quota and stores the location of a new file, at once; both or neither."""
        blank = self._replicas.blank(commit.space_id, commit.file_id)
        applied = blank.applied(commit.upload, self._clock.now_ms())
        location = replace(applied, revision=1)
        charged, stored = await asyncio.gather(
            self._quotas.charge(commit.space_id, commit.upload.size_bytes),
            self._replicas.insert(location),
            return_exceptions=True,
        )
        if isinstance(stored, IdTaken):
            if charged is None:
                await self._quotas.release(commit.space_id, commit.upload.size_bytes)
            return await self._place_again(commit)
        if isinstance(stored, BaseException):
            if charged is None:
                await self._quotas.release(commit.space_id, commit.upload.size_bytes)
            raise stored
        if isinstance(charged, BaseException):
            await self._replicas.remove(location)
            raise charged
        return location

    async def _place_again(self, commit: Commit) -> Location:
        """An earlier try of the request came as far as the location, maybe with another storage file."""
        async for _ in attempts():
            location = await self._replicas.find(commit.space_id, commit.file_id, fresh=True)
            if location is None or location.retired:
                raise NoSuchFile("the upload was given up", file_id=commit.file_id)
            upload = commit.upload
            if location.storage_file_id == upload.storage_file_id:
                return location
            await self._quotas.charge(commit.space_id, upload.size_bytes)
            after = location.applied(upload, self._clock.now_ms())
            after = replace(after, revision=location.revision + 1)
            try:
                await self._replicas.replace(after)
            except IsthmusError:
                await self._quotas.release(commit.space_id, upload.size_bytes)
                continue
            return after
        raise LostRace(file_id=commit.file_id)

    async def _publish_taken(
        self, identity: Identity, parent: Found, commit: Commit, location: Location | None
    ) -> tuple[File, bool]:
        """Another file got the name since the upload began: replaces its content, if that was asked for."""
        existing = await self._paths.child(identity, parent, commit.name)
        if existing is None:
            raise LostRace(name=commit.name)
        if existing.file.file_id == commit.file_id:
            return existing.file, True
        if location is not None:
            # The storage file goes on to the other file; no two locations may ever hold it.
            await self._replicas.remove(location)
            await self._quotas.release(commit.space_id, commit.upload.size_bytes)
        if not may_take_over(
            commit.file_id, commit.upload.op_id, identity.subject_id, commit.parent_id, commit.name
        ):
            raise FileExists(name=commit.name, file_id=existing.file.file_id)
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
            op_id=commit.upload.op_id,
            **(commit.fields or {}),  # type: ignore[arg-type]  # names of text fields only
        )

    async def _discard(self, commit: Commit) -> None:
        """Leaves the storage file of a refused commit to the removers, unless a file has it."""
        upload = commit.upload
        if not upload.storage_file_id:
            return
        location = await self._replicas.find(commit.space_id, commit.file_id, fresh=True)
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
