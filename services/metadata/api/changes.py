"""ChangeService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import changes_pb2, changes_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.changes import Changes


class ChangeServicer(changes_pb2_grpc.ChangeServiceServicer):
    """Change logs over gRPC."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

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
