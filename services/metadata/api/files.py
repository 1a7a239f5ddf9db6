"""FileService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import files_pb2, files_pb2_grpc

from runtime.auth import caller
from services.metadata import metrics
from services.metadata.domain import permissions
from services.metadata.domain.dir_stats import KNOWN_FOR_S, DirStats
from services.metadata.domain.extras import NO_EXTRA, Extras
from services.metadata.domain.files import Files, NewFile
from services.metadata.domain.grants import Grants
from services.metadata.domain.links import HardLinks
from services.metadata.domain.listing import Listing, PageStart
from services.metadata.domain.paths import FileRef
from services.metadata.domain.records import File
from services.metadata.domain.renames import Renames

from .columns import columns_to_proto, fields_from_mask
from .convert import (
    file_to_proto,
    put_grant,
    readable_from_proto,
    ref_from_proto,
    type_from_proto,
    wanted_from_proto,
)

DIRECTORY = files_pb2.FILE_TYPE_DIRECTORY
#: Ends of versions: of pages on which directories have no sizes, and of those on which they would have them.
_PLAIN, _SUMMED = ".", "+"


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
        grants: Grants,
    ) -> None:
        self._files = files
        self._grants = grants
        self._links = links
        self._extras = extras
        self._listing = listing
        self._renames = renames
        self._dir_stats = dir_stats

    async def GetFile(self, request: files_pb2.GetFileRequest, context: Any) -> files_pb2.GetFileResponse:
        ref = readable_from_proto(request.file)
        found = await self._files.get(caller(), ref)
        path = found.path if request.with_path else ()
        extra = NO_EXTRA
        if request.HasField("wanted"):
            extra = await self._extras.of_file(caller(), found, wanted_from_proto(request.wanted))
        wants_sum = found.file.is_directory and not request.without_sum
        size = await self._dir_stats.size(ref.space_id, found.file.file_id) if wants_sum else None
        # From here on in one step, as a grant takes it.
        told = file_to_proto(self._files.shown(found), path, extra)
        if found.file.digest and permissions.allows(
            caller(), found.chain, permissions.READ_DATA, found.reach
        ):
            told.value_digest = found.file.digest
        answer = files_pb2.GetFileResponse(file=told)
        if size is not None:
            answer.file.size_bytes, answer.file.has_sum = size, True
            return answer  # sums change by themselves
        grant = self._grants.of_attributes(
            caller(),
            ref,
            found,
            request.lease_id,
            with_times=not request.without_times,
            max_age_s=KNOWN_FOR_S if wants_sum else 0.0,
        )
        if grant is not None:
            put_grant(grant, answer.grant)
        return answer

    async def ListChildren(
        self, request: files_pb2.ListChildrenRequest, context: Any
    ) -> files_pb2.ListChildrenResponse:
        start = PageStart(
            token=request.page_token,
            name=request.start_name,
            offset=request.offset,
            inclusive=request.inclusive,
        )
        space_id = request.directory.space_id
        fields = fields_from_mask(request.read_mask.paths)
        # Another version for who is told sizes of directories, too: those change by themselves.
        mark = _SUMMED if "size_bytes" in fields and await self._dir_stats.counts(space_id) else _PLAIN
        known = request.known_version
        page = await self._listing.list(
            caller(),
            readable_from_proto(request.directory),
            start,
            request.page_size,
            fields,
            wanted_from_proto(request.wanted) if request.HasField("wanted") else None,
            known_version=known.removesuffix(mark) if known.endswith(mark) else "",
        )
        if page.is_unchanged:
            metrics.LISTINGS.labels(outcome="unchanged").inc()
            return files_pb2.ListChildrenResponse(unchanged=True, version=known)
        answer = files_pb2.ListChildrenResponse(is_last=page.is_last, next_page_token=page.next_token)
        told = columns_to_proto(page.columns, page.extras, answer.columns)
        told.space_id, told.parent_id = space_id, page.parent_id
        has_version = bool(page.version)
        if "size_bytes" in page.columns:
            has_version &= not await self._sum_up_columns(space_id, told)
        metrics.LISTINGS.labels(outcome="versioned" if has_version else "unversioned").inc()
        answer.version = page.version + mark if has_version else ""
        return answer

    async def _sum_up_columns(self, space_id: str, told: files_pb2.FileColumns) -> bool:
        """Fills in the sizes of directories, where they are counted; whether any may have one."""
        if DIRECTORY not in told.type:
            return False
        places = {told.file_id[at]: at for at, type in enumerate(told.type) if type == DIRECTORY}
        sizes = await self._dir_stats.sizes(space_id, places)
        if sizes:
            told.has_sum.extend([False] * len(told.file_id))
        for file_id, size in sizes.items():
            told.size_bytes[places[file_id]] = size
            told.has_sum[places[file_id]] = True
        return bool(sizes) or (bool(places) and await self._dir_stats.counts(space_id))

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
        return _created(request, file, created=created)

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
        return _created(request, file, created=True)

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


def _created(
    request: files_pb2.CreateFileRequest, file: File, *, created: bool
) -> files_pb2.CreateFileResponse:
    told = files_pb2.File(file_id=file.file_id) if request.id_only else file_to_proto(file)
    return files_pb2.CreateFileResponse(file=told, created=created)
