"""ChangeService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import changes_pb2, changes_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.change_feed import ChangedDocument, ChangeFeed, Document, Follow
from services.metadata.domain.changes import Changes
from services.metadata.domain.quotas import require_insider

from .convert import file_to_proto, location_to_proto

_KINDS = {
    Document.FILE_META: changes_pb2.CHANGED_DOCUMENT_KIND_FILE_META,
    Document.FILE_LOCATION: changes_pb2.CHANGED_DOCUMENT_KIND_FILE_LOCATION,
    Document.TIMES: changes_pb2.CHANGED_DOCUMENT_KIND_TIMES,
    Document.CUSTOM_METADATA: changes_pb2.CHANGED_DOCUMENT_KIND_CUSTOM_METADATA,
}


class ChangeServicer(changes_pb2_grpc.ChangeServiceServicer):
    """Change logs over gRPC."""

    def __init__(self, changes: Changes, feed: ChangeFeed) -> None:
        self._changes = changes
        self._feed = feed

    async def ListChanges(
        self, request: changes_pb2.ListChangesRequest, context: Any
    ) -> changes_pb2.ListChangesResponse:
        changes, last_sequence = await self._changes.list(
            caller(),
            request.space_id,
            after_sequence=request.after_sequence,
            page_size=request.page_size,
        )
        return changes_pb2.ListChangesResponse(
            changes=[
                changes_pb2.Change(
                    sequence=change.sequence,
                    collection=change.collection,
                    document_id=change.document_id,
                    file_id=change.file_id,
                    revision=change.revision,
                    deleted=change.deleted,
                    time_ms=change.time_ms,
                )
                for change in changes
            ],
            last_sequence=last_sequence,
        )

    async def ListChangedDocuments(
        self, request: changes_pb2.ListChangedDocumentsRequest, context: Any
    ) -> changes_pb2.ListChangedDocumentsResponse:
        page = await self._feed.read(
            caller(), request.space_id, _follow(request), after=request.after, page_size=request.page_size
        )
        return changes_pb2.ListChangedDocumentsResponse(
            changes=[_to_proto(change, request) for change in page.changes],
            position=page.position,
            more=page.more,
        )

    async def GetChangeHeads(
        self, request: changes_pb2.GetChangeHeadsRequest, context: Any
    ) -> changes_pb2.GetChangeHeadsResponse:
        require_insider(caller())
        return changes_pb2.GetChangeHeadsResponse(heads=await self._feed.heads(request.space_ids))


def _follow(request: changes_pb2.ListChangedDocumentsRequest) -> Follow:
    return Follow(
        frozenset(document for document, kind in _KINDS.items() if kind in request.documents),
        with_location=request.with_location,
        with_custom_metadata=request.with_custom_metadata,
        xattrs=None if request.all_xattrs else frozenset(request.xattrs),
    )


def _to_proto(
    change: ChangedDocument, request: changes_pb2.ListChangedDocumentsRequest
) -> changes_pb2.ChangedDocument:
    file, location, metadata = change.file, change.location, change.custom_metadata
    told = changes_pb2.ChangedDocument(
        number=change.number,
        kind=_KINDS[change.document],
        file=file_to_proto(file, change.path or ()),
        reachable=change.path is not None,
        deleted=file.deleted or file.trashed is not None,
        name=file.trashed.name if file.trashed is not None else file.name,
        meta_revision=file.meta_revision,
        times_revision=file.times_revision,
    )
    if location is not None and request.with_location:
        told.location.CopyFrom(location_to_proto(location))
        told.location_retired = location.retired
    if metadata is not None and request.with_custom_metadata:
        told.custom_metadata_revision = metadata.revision
        told.xattrs.update(metadata.xattrs)
    return told
