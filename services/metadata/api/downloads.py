"""DownloadService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import downloads_pb2, downloads_pb2_grpc

from runtime.auth import caller, caller_blob
from services.metadata.domain.download_books import DownloadMark
from services.metadata.domain.downloads import Downloads

from .convert import readable_from_proto


class DownloadServicer(downloads_pb2_grpc.DownloadServiceServicer):
    """Codes for downloads of directories, over gRPC."""

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

    async def CreateDownload(
        self, request: downloads_pb2.CreateDownloadRequest, context: Any
    ) -> downloads_pb2.CreateDownloadResponse:
        identity, ref = caller(), readable_from_proto(request.directory)
        rights = identity.rights_in(ref.space_id)
        name = rights.name if rights is not None else ref.space_id
        code = await self._downloads.create(identity, caller_blob(), ref, space_name=name)
        return downloads_pb2.CreateDownloadResponse(code=code)

    async def StartDownload(
        self, request: downloads_pb2.StartDownloadRequest, context: Any
    ) -> downloads_pb2.StartDownloadResponse:
        download = await self._downloads.start(
            caller(), request.code, request.request_id, resume=request.resume
        )
        return downloads_pb2.StartDownloadResponse(
            space_id=download.space_id,
            file_id=download.file_id,
            name=download.name,
            identity=download.identity,
            started_ms=download.started_ms,
            share_id=download.share_id,
            marks=[
                downloads_pb2.DownloadMark(offset=mark.offset, digest=mark.digest) for mark in download.marks
            ],
        )

    async def NoteDownload(
        self, request: downloads_pb2.NoteDownloadRequest, context: Any
    ) -> downloads_pb2.NoteDownloadResponse:
        mark = DownloadMark(request.mark.offset, request.mark.digest)
        await self._downloads.note(caller(), request.code, mark)
        return downloads_pb2.NoteDownloadResponse()
