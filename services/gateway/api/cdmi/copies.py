"""Copying of files and trees at the server; bytes stay at the data ports.

A copy that fails half-way is taken away again. Permissions are those of any reading and writing by the same
user: what he may not read fails the copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from clients.file_columns import files_of, mask_of
from runtime.errors import AccessDenied, FileExists, IsthmusError
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.paths import quote_segment
from runtime.request import bind, request_id
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.repeats import is_ours, step_id
from services.gateway.api.cdmi.updates import Update, Updates, overridden
from services.gateway.api.namespace import id_of, ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain import xattrs
from services.gateway.domain.files import DIRECTORY, SYMLINK

_PAGE_SIZE = 500
#: Files of one directory that are copied at a time.
_MAX_PARALLEL = 4
#: Directories below each other; as deep as a path may be.
_MAX_DEPTH = 1024


_WANTED = files_pb2.WantedAttributes(acl=True)
#: What of a child is copied, or decides how it is.
_COPIED = mask_of(
    (
        "type", "mode", "symlink_target", "has_acl", "has_custom_metadata", "mimetype",
        "value_transfer_encoding",
    )
)  # fmt: skip
_OWNER_ONLY = 0o600
_DOCUMENTS = (xattrs.JSON, xattrs.RDF)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a copy goes. `path`: percent-encoded, as a data port finds it."""

    name: str
    path: str
    parent: files_pb2.FileRef

    @property
    def ref(self) -> files_pb2.FileRef:
        """The place, as the metadata service is told of it."""
        path = [*self.parent.path, self.name]
        return files_pb2.FileRef(space_id=self.parent.space_id, file_id=self.parent.file_id, path=path)

    def below(self, name: str, parent: files_pb2.FileRef) -> _Place:
        """A place in this one; `parent` is the directory that was made here."""
        return _Place(name, f"{self.path}/{quote_segment(name)}", parent)


@dataclass(slots=True)
class _Run:
    """What is particular to the topmost of a tree. `made`: it is there, and ours."""

    update: Update | None
    made: bool = False


def _is_taken(error: BaseException) -> bool:
    if isinstance(error, ApiError):
        return error.details == {"errno": "eexist"}
    return isinstance(error, FileExists)


class Copies:
    """Makes new files that are like others: content, user metadata, media type, encoding, mode."""

    def __init__(self, metadata: Metadata, data_port: DataPort, updates: Updates) -> None:
        self._metadata = metadata
        self._data_port = data_port
        self._updates = updates

    async def copy_tree(self, source: Node, target: Node, update: Update | None = None) -> None:
        """Copies a file or a directory with all it holds to a place where nothing is.

        `update`: what the topmost has differently from its source. Raises EEXIST, EINVAL for a directory into
        itself, and what reading and writing raise.
        """
        if target.record is not None and not is_ours(target.record):
            raise posix("eexist")
        target.parent_ref()
        if source.is_top or target.is_top:
            raise posix("eperm")
        if target.names[: len(source.names)] == source.names:
            raise posix("einval")
        request = files_pb2.GetFileRequest(file=ref(source.id), wanted=_WANTED)
        answer = await self._metadata.get_file(request)
        place = _Place(target.names[-1], target.inside_path(), target.parent_ref())
        run = _Run(update)
        try:
            await self._copy(answer.file, place, 0, run)
        except BaseException as error:
            # What somebody else put there meanwhile is his.
            if run.made or not _is_taken(error):
                await self._take_away(target)
            raise

    async def _take_away(self, target: Node) -> None:
        where = files_pb2.FileRef(space_id=target.space_id, path=target.names[1:])
        with suppress(IsthmusError, ApiError):
            await self._metadata.delete_file(
                files_pb2.DeleteFileRequest(request_id=step_id("undo"), file=where)
            )

    async def _copy(self, file: files_pb2.File, place: _Place, depth: int, run: _Run | None = None) -> None:
        # Each file of the tree is an operation of its own.
        with bind(request_id=f"{request_id()}/{file.file_id}" if depth else None):
            if file.type == DIRECTORY:
                await self._copy_directory(file, place, depth, run)
            elif file.type == SYMLINK:
                await self._create(file, place)
            else:
                await self._copy_file(file, place, run)

    async def _create(self, file: files_pb2.File, place: _Place) -> files_pb2.File:
        request = files_pb2.CreateFileRequest(
            request_id=request_id(),
            parent=place.parent,
            name=place.name,
            type=file.type,
            symlink_target=file.symlink_target,
        )
        if file.type == DIRECTORY:
            request.mode = file.mode
        try:
            return (await self._metadata.create_file(request)).file
        except FileExists:
            return await self._made_before(place)

    async def _made_before(self, place: _Place) -> files_pb2.File:
        """What an earlier try of this very request has made there. Raises FileExists for anything else."""
        answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=place.ref))
        if not is_ours(answer.file):
            raise FileExists
        return answer.file

    async def _copy_directory(
        self, file: files_pb2.File, place: _Place, depth: int, run: _Run | None
    ) -> None:
        if depth >= _MAX_DEPTH:
            raise posix("einval")
        made = await self._create(file, place)
        if run is not None:
            run.made = True
        inside = ref(FileId(made.space_id, made.file_id))
        async for page in self._pages(file):
            for start in range(0, len(page), _MAX_PARALLEL):
                async with asyncio.TaskGroup() as group:
                    for child in page[start : start + _MAX_PARALLEL]:
                        group.create_task(self._copy(child, place.below(child.name, inside), depth + 1))
        # Last, since an ACL may forget about the one who copies.
        await self._copy_metadata(file, inside, run.update if run else None)

    async def _pages(self, directory: files_pb2.File) -> AsyncIterator[list[files_pb2.File]]:
        token = ""
        while True:
            answer = await self._metadata.list_children(
                files_pb2.ListChildrenRequest(
                    directory=ref(id_of(directory)),
                    page_size=_PAGE_SIZE,
                    page_token=token,
                    inclusive=True,
                    read_mask=_COPIED,
                    wanted=_WANTED,
                )
            )
            yield files_of(answer.columns)
            if answer.is_last:
                return
            token = answer.next_page_token

    async def _copy_file(self, file: files_pb2.File, place: _Place, run: _Run | None) -> None:
        update = run.update if run else None
        # Nobody else sees the content before its ACL stands.
        mode = _OWNER_ONLY if file.has_acl or (update is not None and update.HasField("acl")) else file.mode
        try:
            await self._data_port.copy(id_of(file), place.path, mode)
        except ApiError as error:
            if not _is_taken(error):
                raise
            await self._made_before(place)
        if run is not None:
            run.made = True
        await self._copy_metadata(file, place.ref, update)
        if mode != file.mode:
            await self._metadata.set_mode(
                files_pb2.SetModeRequest(request_id=step_id("mode"), file=place.ref, mode=file.mode)
            )

    async def _copy_metadata(
        self, file: files_pb2.File, where: files_pb2.FileRef, update: Update | None
    ) -> None:
        if file.has_acl and not file.acl:
            raise AccessDenied("its ACL may not be read")
        copied = Update(
            mimetype=file.mimetype or None, value_transfer_encoding=file.value_transfer_encoding or None
        )
        if file.has_acl:
            copied.acl.entries.extend(file.acl)
        if file.has_custom_metadata and not (update is not None and update.replace_all):
            copied.MergeFrom(await self._items(file))
        wanted = overridden(copied, update)
        if wanted != Update():
            await self._updates.apply_to(where, wanted)

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
