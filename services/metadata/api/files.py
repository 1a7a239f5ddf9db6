"""FileService."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

from isthmus.metadata.v1 import files_pb2, files_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.dir_stats import DirStats
from services.metadata.domain.extras import NO_EXTRA, Extras
from services.metadata.domain.files import Files, NewFile
from services.metadata.domain.links import HardLinks
from services.metadata.domain.listing import Listing, PageStart
from services.metadata.domain.paths import FileRef
from services.metadata.domain.renames import Renames

from .convert import file_to_proto, readable_from_proto, ref_from_proto, type_from_proto, wanted_from_proto


class FileServicer(files_pb2_grpc.FileServiceServicer):
    """The namespace over gRPC."""

    def __init__(
        self,
        files: Files,
        links: HardLinks,
        listing: Listing,
        renames: Renames,
        extras: Extras,
        dir_stats: DirStats,
    ) -> None:
        self._files = files
        self._links = links
        self._extras = extras
        self._listing = listing
        self._renames = renames
        self._dir_stats = dir_stats

    async def GetFile(self, request: files_pb2.GetFileRequest, context: Any) -> files_pb2.GetFileResponse:
        found = await self._files.get(caller(), readable_from_proto(request.file))
        path = found.path if request.with_path else ()
        extra = NO_EXTRA
        if request.HasField("wanted"):
            extra = await self._extras.of_file(caller(), found, wanted_from_proto(request.wanted))
        told = file_to_proto(self._files.shown(found), path, extra)
        await self._sum_up(told.space_id, (told,))
        return files_pb2.GetFileResponse(file=told)

    async def ListChildren(
        self, request: files_pb2.ListChildrenRequest, context: Any
    ) -> files_pb2.ListChildrenResponse:
        start = PageStart(
            token=request.page_token,
            name=request.start_name,
            offset=request.offset,
            inclusive=request.inclusive,
        )
        page = await self._listing.list(
            caller(),
            readable_from_proto(request.directory),
            start,
            request.page_size,
            wanted_from_proto(request.wanted) if request.HasField("wanted") else None,
        )
        extras = page.extras or repeat(NO_EXTRA)
        children = [file_to_proto(file, (), extra) for file, extra in zip(page.files, extras, strict=False)]
        await self._sum_up(request.directory.space_id, children)
        return files_pb2.ListChildrenResponse(
            children=children,
            is_last=page.is_last,
            next_page_token=page.next_token,
        )

    async def _sum_up(self, space_id: str, files: Sequence[files_pb2.File]) -> None:
        """Fills in the sizes of directories, in spaces where they are counted."""
        directories = {file.file_id: file for file in files if file.type == files_pb2.FILE_TYPE_DIRECTORY}
        for file_id, size in (await self._dir_stats.sizes(space_id, directories)).items():
            directories[file_id].size_bytes = size
            directories[file_id].has_sum = True

    async def CreateFile(
        self, request: files_pb2.CreateFileRequest, context: Any
    ) -> files_pb2.CreateFileResponse:
        if request.hard_link_target_id:
            return await self._create_link(request)
        new = NewFile(
            name=request.name,
            type=type_from_proto(request.type),
            mode=request.mode if request.HasField("mode") else None,
            symlink_target=request.symlink_target,
        )
        file, created = await self._files.create(
            caller(),
            request.request_id,
            ref_from_proto(request.parent),
            new,
            create_parents=request.create_parents,
            update_existing=request.update_existing,
        )
        return files_pb2.CreateFileResponse(file=file_to_proto(file), created=created)

    async def _create_link(self, request: files_pb2.CreateFileRequest) -> files_pb2.CreateFileResponse:
        parent = ref_from_proto(request.parent)
        file = await self._links.create(
            caller(),
            request.request_id,
            parent,
            request.name,
            FileRef(parent.space_id, request.hard_link_target_id),
            create_parents=request.create_parents,
            update_existing=request.update_existing,
        )
        return files_pb2.CreateFileResponse(file=file_to_proto(file), created=True)

    async def SetMode(self, request: files_pb2.SetModeRequest, context: Any) -> files_pb2.SetModeResponse:
        file = await self._files.set_mode(
            caller(), request.request_id, ref_from_proto(request.file), request.mode
        )
        return files_pb2.SetModeResponse(file=file_to_proto(self._files.with_times(file)))

    async def RenameFile(
        self, request: files_pb2.RenameFileRequest, context: Any
    ) -> files_pb2.RenameFileResponse:
        file, replaced = await self._renames.rename(
            caller(),
            request.request_id,
            ref_from_proto(request.source),
            ref_from_proto(request.target_parent),
            request.target_name,
            no_replace=request.no_replace,
        )
        return files_pb2.RenameFileResponse(
            file=file_to_proto(self._files.with_times(file)), replaced=replaced
        )

    async def DeleteFile(
        self, request: files_pb2.DeleteFileRequest, context: Any
    ) -> files_pb2.DeleteFileResponse:
        await self._files.delete(
            caller(), request.request_id, ref_from_proto(request.file), only_empty=request.only_empty
        )
        return files_pb2.DeleteFileResponse()
