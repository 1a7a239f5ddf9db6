"""Making one file like another: content, user metadata, media type, encoding, mode, ACL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import AccessDenied, FileExists
from runtime.http.errors import ApiError
from runtime.http.paths import quote_segment
from services.gateway.api.cdmi.queue_values import copy_values
from services.gateway.api.cdmi.repeats import is_ours, step_id
from services.gateway.api.cdmi.updates import Update, Updates, overridden
from services.gateway.api.namespace import id_of, ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain import xattrs
from services.gateway.domain.files import DIRECTORY

#: What has to be known of a file to make another one like it.
WANTED = files_pb2.WantedAttributes(acl=True)
#: Whoever makes a directory fills it before others, or an ACL, have a say.
FILLING_MODE = 0o700
_OWNER_ONLY = 0o600
_DOCUMENTS = (xattrs.JSON, xattrs.RDF)

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a copy goes: a name in a directory. `path`: percent-encoded, as a data port finds it."""

    parent: files_pb2.FileRef
    name: str
    path: str

    @classmethod
    def inside(cls, parent: files_pb2.FileRef, parent_path: str, name: str) -> Place:
        """A name in a directory that a data port finds by this path."""
        return cls(parent, name, f"{parent_path}/{quote_segment(name)}")

    @property
    def ref(self) -> files_pb2.FileRef:
        """The place, as the metadata service is told of it."""
        path = [*self.parent.path, self.name]
        return files_pb2.FileRef(space_id=self.parent.space_id, file_id=self.parent.file_id, path=path)


def is_taken(error: BaseException) -> bool:
    """Whether something has the name already."""
    if isinstance(error, ApiError):
        return error.details == {"errno": "eexist"}
    return isinstance(error, FileExists)


class Duplicates:
    """Makes files that are like others. Each method can be repeated by the request that called it."""

    def __init__(self, metadata: Metadata, data_port: DataPort, updates: Updates) -> None:
        self._metadata = metadata
        self._data_port = data_port
        self._updates = updates

    async def link(self, file: files_pb2.File, place: Place, request_id: str) -> None:
        """A symbolic link like this one."""
        await self._create(
            files_pb2.CreateFileRequest(
                request_id=request_id, type=file.type, symlink_target=file.symlink_target
            ),
            place,
        )

    async def directory(self, file: files_pb2.File, place: Place, request_id: str) -> files_pb2.File:
        """An empty directory, not yet like this one: `finish` makes it so once it is filled."""
        return await self._create(
            files_pb2.CreateFileRequest(
                request_id=request_id, type=files_pb2.FILE_TYPE_DIRECTORY, mode=file.mode | FILLING_MODE
            ),
            place,
        )

    async def finish(
        self, file: files_pb2.File, where: files_pb2.FileRef, update: Update | None = None
    ) -> None:
        """Metadata, ACL and mode of a filled directory; last, since they may forget about its maker."""
        await self.metadata(file, where, update)
        if file.mode | FILLING_MODE != file.mode:
            await self._set_mode(where, file.mode)

    async def file(
        self, file: files_pb2.File, place: Place, update: Update | None = None, told: Told | None = None
    ) -> None:
        """A regular file. `told` as `DataPort.copy`. Raises FileExists' answer for somebody else's file."""
        mode = _mode_at_first(file, update)
        try:
            await self._data_port.copy(id_of(file), place.path, mode, told)
        except ApiError as error:
            if not is_taken(error):
                raise
            await self._made_before(place)
        await self.metadata(file, place.ref, update)
        if mode != file.mode:
            await self._set_mode(place.ref, file.mode)

    async def queue(
        self, file: files_pb2.File, place: Place, request_id: str, update: Update | None = None
    ) -> None:
        """A queue with the values that this one holds now."""
        mode = _mode_at_first(file, update)
        made = await self._create(
            files_pb2.CreateFileRequest(request_id=request_id, type=files_pb2.FILE_TYPE_QUEUE, mode=mode),
            place,
        )
        where = ref(id_of(made))
        await copy_values(self._metadata, ref(id_of(file)), where)
        await self.metadata(file, where, update)
        if mode != file.mode:
            await self._set_mode(where, file.mode)

    async def empty(self, file: files_pb2.File, place: Place, update: Update | None, request_id: str) -> None:
        """A file or directory with nothing in it, and the rest like this one."""
        mode = file.mode | (FILLING_MODE if is_directory(file) else _OWNER_ONLY)
        request = files_pb2.CreateFileRequest(request_id=request_id, type=file.type, mode=mode)
        await self._create(request, place)
        await self.metadata(file, place.ref, update)
        if mode != file.mode:
            await self._set_mode(place.ref, file.mode)

    async def metadata(self, file: files_pb2.File, where: files_pb2.FileRef, update: Update | None) -> None:
        """Items, documents, media type, encoding and ACL, but for what the update says."""
        if file.has_acl and not file.acl:
            raise AccessDenied("its ACL may not be read")
        copied = Update(
            mimetype=file.mimetype or None,
            value_transfer_encoding=file.value_transfer_encoding or None,
            value_hash=file.value_hash or None,
        )
        if file.has_acl:
            copied.acl.entries.extend(file.acl)
        if file.has_custom_metadata and not (update is not None and update.replace_all):
            copied.MergeFrom(await self._items(file))
        wanted = overridden(copied, update)
        if wanted != Update():
            await self._updates.apply_to(where, wanted)

    async def _create(self, request: files_pb2.CreateFileRequest, place: Place) -> files_pb2.File:
        request.parent.CopyFrom(place.parent)
        request.name = place.name
        try:
            return (await self._metadata.create_file(request)).file
        except FileExists:
            return await self._made_before(place)

    async def _made_before(self, place: Place) -> files_pb2.File:
        """What an earlier try of this very request has made there. Raises FileExists for anything else."""
        answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=place.ref))
        if not is_ours(answer.file):
            raise FileExists
        return answer.file

    async def _set_mode(self, where: files_pb2.FileRef, mode: int) -> None:
        await self._metadata.set_mode(
            files_pb2.SetModeRequest(request_id=step_id("mode"), file=where, mode=mode)
        )

    async def _items(self, file: files_pb2.File) -> Update:
        """All that users have set on a file."""
        source = ref(id_of(file))
        plain, documents = await asyncio.gather(
            self._metadata.list_xattrs(xattrs_pb2.ListXattrsRequest(file=source)),
            self._metadata.list_xattrs(xattrs_pb2.ListXattrsRequest(file=source, names=_DOCUMENTS)),
        )
        update = Update(set=plain.xattrs)
        for document in documents.xattrs:
            if document.name == xattrs.JSON:
                update.json.value_json = document.value_json
            else:
                rdf = await self._metadata.get_rdf(xattrs_pb2.GetRdfRequest(file=source))
                update.rdf = rdf.rdf
        return update


def _mode_at_first(file: files_pb2.File, update: Update | None) -> int:
    """Of a copy that is being filled: nobody else sees what is in it before its ACL stands."""
    has_acl = file.has_acl or (update is not None and update.HasField("acl"))
    return _OWNER_ONLY if has_acl else file.mode | _OWNER_ONLY


def is_directory(file: files_pb2.File) -> bool:
    """Whether other files can be in it."""
    return file.type == DIRECTORY
