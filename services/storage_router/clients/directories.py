"""Metadata's subtrees and download codes in the words of `domain.archives`."""

from __future__ import annotations

from isthmus.metadata.v1 import downloads_pb2, subtrees_pb2

from clients.metadata import MetadataClient
from runtime.errors import NotFound
from runtime.http.errors import ApiError
from services.storage_router.clients.contents import file_from_proto, location_from_proto, ref_to_proto
from services.storage_router.domain.archives import Download, Entry, EntryPage, Mark
from services.storage_router.domain.contents import FileRef, Located

PAGE_SIZE = 1000


class MetadataDirectories:
    """`Directories` of metadata. Pages are for the caller of the request under way, codes for anybody."""

    def __init__(self, metadata: MetadataClient) -> None:
        self._metadata = metadata

    async def offer(self, directory: FileRef) -> str:
        answer = await self._metadata.create_download(
            downloads_pb2.CreateDownloadRequest(directory=ref_to_proto(directory))
        )
        return answer.code

    async def start(self, code: str, *, request_id: str, resume: bool) -> Download:
        try:
            answer = await self._metadata.start_download(
                downloads_pb2.StartDownloadRequest(code=code, request_id=request_id, resume=resume)
            )
        except NotFound as error:
            raise ApiError("badValueIdNotFound", {"key": "code"}) from error
        return Download(
            code=code,
            directory=FileRef(answer.space_id, answer.file_id, share_id=answer.share_id),
            name=answer.name,
            identity=answer.identity,
            started_ms=answer.started_ms,
            marks=[Mark(mark.offset, mark.digest) for mark in answer.marks],
        )

    async def note(self, code: str, mark: Mark) -> None:
        told = downloads_pb2.DownloadMark(offset=mark.offset, digest=mark.digest)
        await self._metadata.note_download(downloads_pb2.NoteDownloadRequest(code=code, mark=told))

    async def page(self, directory: FileRef, token: str) -> EntryPage:
        answer = await self._metadata.list_subtree(
            subtrees_pb2.ListSubtreeRequest(
                directory=ref_to_proto(directory),
                page_size=PAGE_SIZE,
                page_token=token,
                include_directories=True,
                with_locations=True,
            )
        )
        entries = [
            Entry(each.path, Located(file_from_proto(each.file), location_from_proto(each.location)))
            for each in answer.entries
        ]
        return EntryPage(entries, answer.next_page_token)
