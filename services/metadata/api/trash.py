"""TrashService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import trash_pb2, trash_pb2_grpc

from runtime.auth import caller
from runtime.errors import InvalidArgument
from services.metadata.domain.paths import FileRef
from services.metadata.domain.trash import Trash, TrashEntry

from .convert import file_to_proto, ref_from_proto


class TrashServicer(trash_pb2_grpc.TrashServiceServicer):
    """Deleted directories, over gRPC."""

    def __init__(self, trash: Trash) -> None:
        self._trash = trash

    async def ListTrash(
        self, request: trash_pb2.ListTrashRequest, context: Any
    ) -> trash_pb2.ListTrashResponse:
        page = await self._trash.list(caller(), request.space_id, request.page_token, request.page_size)
        return trash_pb2.ListTrashResponse(
            entries=map(_entry_to_proto, page.entries), next_page_token=page.next_token
        )

    async def RestoreFile(
        self, request: trash_pb2.RestoreFileRequest, context: Any
    ) -> trash_pb2.RestoreFileResponse:
        has_parent = request.HasField("target_parent")
        file = await self._trash.restore(
            caller(),
            request.request_id,
            _ref(request),
            ref_from_proto(request.target_parent) if has_parent else None,
            request.name,
        )
        return trash_pb2.RestoreFileResponse(file=file_to_proto(file))

    async def PurgeFile(
        self, request: trash_pb2.PurgeFileRequest, context: Any
    ) -> trash_pb2.PurgeFileResponse:
        await self._trash.purge(caller(), _ref(request))
        return trash_pb2.PurgeFileResponse()


def _ref(request: trash_pb2.RestoreFileRequest | trash_pb2.PurgeFileRequest) -> FileRef:
    if not request.space_id or not request.file_id:
        raise InvalidArgument("needs space_id and file_id")
    return FileRef(request.space_id, request.file_id)


def _entry_to_proto(entry: TrashEntry) -> trash_pb2.TrashEntry:
    return trash_pb2.TrashEntry(
        file=file_to_proto(entry.file),
        deleted_ms=entry.deleted_ms,
        deleted_by=entry.deleted_by,
        expires_ms=entry.expires_ms,
    )
