"""CopyService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import copies_pb2, copies_pb2_grpc

from runtime.auth import caller, caller_blob
from services.metadata.domain.copies import Copies
from services.metadata.domain.copy_plans import CopyRequest
from services.metadata.domain.copy_records import Copy, CopyProgress, CopyState

from .convert import ref_from_proto, type_to_proto

_STATES = {
    CopyState.COPYING: copies_pb2.COPY_STATE_COPYING,
    CopyState.PUBLISHING: copies_pb2.COPY_STATE_COPYING,
    CopyState.PUBLISHED: copies_pb2.COPY_STATE_PUBLISHED,
    CopyState.UNDOING: copies_pb2.COPY_STATE_UNDOING,
    CopyState.FAILED: copies_pb2.COPY_STATE_FAILED,
    CopyState.DONE: copies_pb2.COPY_STATE_DONE,
}
_DEFAULT_PAGE_SIZE = 100


class CopyServicer(copies_pb2_grpc.CopyServiceServicer):
    """Copies that take long, over gRPC."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies

    async def StartCopy(
        self, request: copies_pb2.StartCopyRequest, context: Any
    ) -> copies_pb2.StartCopyResponse:
        asked = CopyRequest(
            request_id=request.request_id,
            source=ref_from_proto(request.source) if request.HasField("source") else None,
            parent=ref_from_proto(request.parent),
            name=request.name,
            moves=request.moves,
            update=request.update,
            holder=request.holder,
        )
        copy, leased = await self._copies.start(caller(), caller_blob(), asked)
        return copies_pb2.StartCopyResponse(copy=_to_proto(copy), leased=leased)

    async def ClaimCopy(
        self, request: copies_pb2.ClaimCopyRequest, context: Any
    ) -> copies_pb2.ClaimCopyResponse:
        copy = await self._copies.claim(caller(), request.holder)
        return copies_pb2.ClaimCopyResponse(copy=None if copy is None else _to_proto(copy))

    async def SaveCopy(
        self, request: copies_pb2.SaveCopyRequest, context: Any
    ) -> copies_pb2.SaveCopyResponse:
        told = request.progress
        progress = CopyProgress(
            copied_bytes=told.copied_bytes,
            copied_files=told.copied_files,
            total_bytes=told.total_bytes,
            total_files=told.total_files,
            position=told.position,
        )
        await self._copies.save(caller(), request.copy_id, request.epoch, progress)
        return copies_pb2.SaveCopyResponse()

    async def ReleaseCopy(
        self, request: copies_pb2.ReleaseCopyRequest, context: Any
    ) -> copies_pb2.ReleaseCopyResponse:
        await self._copies.release(caller(), request.copy_id, request.epoch)
        return copies_pb2.ReleaseCopyResponse()

    async def PublishCopy(
        self, request: copies_pb2.PublishCopyRequest, context: Any
    ) -> copies_pb2.PublishCopyResponse:
        await self._copies.publish(caller(), request.copy_id, request.epoch)
        return copies_pb2.PublishCopyResponse()

    async def EndCopy(self, request: copies_pb2.EndCopyRequest, context: Any) -> copies_pb2.EndCopyResponse:
        await self._copies.end(caller(), request.copy_id, request.epoch)
        return copies_pb2.EndCopyResponse()

    async def FailCopy(
        self, request: copies_pb2.FailCopyRequest, context: Any
    ) -> copies_pb2.FailCopyResponse:
        await self._copies.fail(
            caller(),
            request.copy_id,
            request.epoch,
            request.error_reason,
            request.error_message,
            forget=request.forget,
        )
        return copies_pb2.FailCopyResponse()

    async def FindCopy(
        self, request: copies_pb2.FindCopyRequest, context: Any
    ) -> copies_pb2.FindCopyResponse:
        copy = await self._copies.find(caller(), ref_from_proto(request.parent), request.name)
        return copies_pb2.FindCopyResponse(copy=_shown(copy))

    async def GetCopy(self, request: copies_pb2.GetCopyRequest, context: Any) -> copies_pb2.GetCopyResponse:
        copy = await self._copies.get(caller(), request.copy_id)
        return copies_pb2.GetCopyResponse(copy=_shown(copy))

    async def CancelCopy(
        self, request: copies_pb2.CancelCopyRequest, context: Any
    ) -> copies_pb2.CancelCopyResponse:
        await self._copies.cancel(caller(), ref_from_proto(request.parent), request.name)
        return copies_pb2.CancelCopyResponse()

    async def ListCopies(
        self, request: copies_pb2.ListCopiesRequest, context: Any
    ) -> copies_pb2.ListCopiesResponse:
        limit = request.page_size or _DEFAULT_PAGE_SIZE
        page = await self._copies.list(caller(), after=request.page_token, limit=limit)
        token = page[-1].copy_id if len(page) == limit else ""
        return copies_pb2.ListCopiesResponse(copies=map(_shown, page), next_page_token=token)

    async def StopCopy(
        self, request: copies_pb2.StopCopyRequest, context: Any
    ) -> copies_pb2.StopCopyResponse:
        await self._copies.stop(caller(), request.copy_id)
        return copies_pb2.StopCopyResponse()


def _to_proto(copy: Copy) -> copies_pb2.Copy:
    """All of it, for the one who does the work."""
    told = _shown(copy)
    told.identity = copy.identity
    told.update = copy.update
    told.progress.position = copy.progress.position
    return told


def _shown(copy: Copy) -> copies_pb2.Copy:
    progress = copy.progress
    return copies_pb2.Copy(
        copy_id=copy.copy_id,
        state=_STATES[copy.state],
        space_id=copy.space_id,
        parent_id=copy.parent_id,
        name=copy.name,
        root_id=copy.root_id,
        type=type_to_proto(copy.type),
        source_space_id=copy.source_space_id,
        source_id=copy.source_id,
        moves=copy.moves,
        workshop_id=copy.workshop_id,
        user_id=copy.user_id,
        epoch=copy.epoch,
        holder=copy.holder,
        progress=copies_pb2.CopyProgress(
            copied_bytes=progress.copied_bytes,
            copied_files=progress.copied_files,
            total_bytes=progress.total_bytes,
            total_files=progress.total_files,
        ),
        error_reason=copy.error_reason,
        error_message=copy.error_message,
        started_ms=copy.started_ms,
        changed_ms=copy.changed_ms,
        request_id=copy.request_id,
    )
