"""Copying of files and trees at the server, through a data port and bounded memory.

A copy that fails half-way is taken away again. Permissions are those of any reading and writing by the same
user: what he may not read fails the copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import orjson
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import IsthmusError
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.paths import quote_segment
from runtime.request import bind, request_id
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.namespace import id_of, ref, xattrs_of
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.files import DEFAULT_MIMETYPE, DIRECTORY, SYMLINK

_PAGE_SIZE = 500
#: Files of one directory that are copied at a time.
_MAX_PARALLEL = 4
#: Directories below each other; as deep as a path may be.
_MAX_DEPTH = 1024


class Copies:
    """Makes new files that are like others: content, user metadata, media type, encoding, mode."""

    def __init__(self, metadata: Metadata, data_port: DataPort) -> None:
        self._metadata = metadata
        self._data_port = data_port

    async def copy_tree(self, source: Node, target: Node) -> None:
        """Copies a file or a directory with all it holds to a place where nothing is.

        Raises EEXIST, EINVAL for a directory into itself, and what reading and writing raise.
        """
        if target.record is not None:
            raise posix("eexist")
        target.parent_ref()
        if source.is_top or target.is_top:
            raise posix("eperm")
        if target.names[: len(source.names)] == source.names:
            raise posix("einval")
        answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=ref(source.id)))
        try:
            await self._copy(answer.file, target.names[-1], target.inside_path(), target.parent_ref(), 0)
        except BaseException:
            await self._take_away(target)
            raise

    async def _take_away(self, target: Node) -> None:
        where = files_pb2.FileRef(space_id=target.space_id, path=target.names[1:])
        with suppress(IsthmusError, ApiError):
            await self._metadata.delete_file(
                files_pb2.DeleteFileRequest(request_id=f"{request_id()}/undo", file=where)
            )

    async def _copy(
        self, file: files_pb2.File, name: str, path: str, parent: files_pb2.FileRef, depth: int
    ) -> None:
        # Each file of the tree is an operation of its own.
        with bind(request_id=f"{request_id()}/{file.file_id}" if depth else None):
            if file.type == DIRECTORY:
                await self._copy_directory(file, name, path, parent, depth)
            elif file.type == SYMLINK:
                await self._create(file, name, parent)
            else:
                await self._copy_file(file, name, path, parent)

    async def _create(self, file: files_pb2.File, name: str, parent: files_pb2.FileRef) -> files_pb2.File:
        request = files_pb2.CreateFileRequest(
            request_id=request_id(),
            parent=parent,
            name=name,
            type=file.type,
            symlink_target=file.symlink_target,
        )
        if file.type == DIRECTORY:
            request.mode = file.mode
        return (await self._metadata.create_file(request)).file

    async def _copy_directory(
        self, file: files_pb2.File, name: str, path: str, parent: files_pb2.FileRef, depth: int
    ) -> None:
        if depth >= _MAX_DEPTH:
            raise posix("einval")
        made = await self._create(file, name, parent)
        inside = ref(FileId(made.space_id, made.file_id))
        async for page in self._pages(file):
            for start in range(0, len(page), _MAX_PARALLEL):
                async with asyncio.TaskGroup() as group:
                    for child in page[start : start + _MAX_PARALLEL]:
                        child_path = f"{path}/{quote_segment(child.name)}"
                        group.create_task(self._copy(child, child.name, child_path, inside, depth + 1))
        await self._copy_metadata(file, inside)

    async def _pages(self, directory: files_pb2.File) -> AsyncIterator[list[files_pb2.File]]:
        token = ""
        while True:
            answer = await self._metadata.list_children(
                files_pb2.ListChildrenRequest(
                    directory=ref(id_of(directory)), page_size=_PAGE_SIZE, page_token=token, inclusive=True
                )
            )
            yield list(answer.children)
            if answer.is_last:
                return
            token = answer.next_page_token

    async def _copy_file(self, file: files_pb2.File, name: str, path: str, parent: files_pb2.FileRef) -> None:
        content = await self._data_port.open(id_of(file))
        sent = False

        def pieces() -> AsyncIterator[bytes]:
            nonlocal sent
            if sent:
                # The bytes of the first try are gone; the whole copy fails and may be asked for again.
                raise ApiError("serviceUnavailable")
            sent = True
            return content.pieces()

        try:
            await self._data_port.put(path, pieces, content.size_bytes, {"content-type": DEFAULT_MIMETYPE})
        finally:
            await content.close()
        where = files_pb2.FileRef(space_id=parent.space_id, file_id=parent.file_id, path=[*parent.path, name])
        await self._copy_metadata(file, where)
        await self._metadata.set_mode(
            files_pb2.SetModeRequest(request_id=f"{request_id()}/mode", file=where, mode=file.mode)
        )

    async def _copy_metadata(self, file: files_pb2.File, where: files_pb2.FileRef) -> None:
        xattrs = await xattrs_of(self._metadata, id_of(file)) if file.has_custom_metadata else {}
        mimetype = file.mimetype or None
        encoding = file.value_transfer_encoding or None
        if not xattrs and mimetype is None and encoding is None:
            return
        await self._metadata.update_xattrs(
            xattrs_pb2.UpdateXattrsRequest(
                request_id=f"{request_id()}/metadata",
                file=where,
                set=[
                    xattrs_pb2.Xattr(name=key, value_json=orjson.dumps(value))
                    for key, value in xattrs.items()
                ],
                mimetype=mimetype,
                value_transfer_encoding=encoding,
            )
        )
