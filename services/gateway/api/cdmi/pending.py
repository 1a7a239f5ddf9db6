"""Copies on their way to a place: what is told of them there, and how they are given up."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from isthmus.metadata.v1 import copies_pb2

from runtime.errors import FailedPrecondition, NotFound, rebuild
from runtime.http.cdmi import CONTAINER, OBJECT, Query
from runtime.http.errors import from_error
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.ports import CopyRecords
from services.gateway.domain.cdmi.fields import percent_complete, unfinished_fields
from services.gateway.domain.files import DIRECTORY, UnfinishedFile


class Pending:
    """What is not there yet, or failed to get there."""

    def __init__(self, records: CopyRecords, *, provider_id: str) -> None:
        self._records = records
        self._provider_id = provider_id

    async def find(self, node: Node) -> copies_pb2.Copy | None:
        """The copy on its way to a place where nothing is, or that failed within a day."""
        if len(node.names) < 2 or not node.space_id:
            return None
        request = copies_pb2.FindCopyRequest(parent=node.parent_ref(), name=node.names[-1])
        try:
            return (await self._records.find_copy(request)).copy
        except (NotFound, FailedPrecondition):
            return None

    async def cancel(self, node: Node) -> bool:
        """Gives up the copy on its way to a place, or forgets that it failed; false when there is none."""
        if len(node.names) < 2 or not node.space_id:
            return False
        request = copies_pb2.CancelCopyRequest(parent=node.parent_ref(), name=node.names[-1])
        with suppress(NotFound, FailedPrecondition):
            await self._records.cancel_copy(request)
            return True
        return False

    def shown(self, copy: copies_pb2.Copy, node: Node, query: Query, status: int = 200) -> Answer:
        """Fields of the destination as far as it is: none of a value or of children."""
        fields = unfinished_fields(_file(copy), node.names, query, node.identity.subject_id)
        told: dict[str, Any] = {"completionStatus": self._status(copy)}
        if copy.state != copies_pb2.COPY_STATE_FAILED:
            progress = copy.progress
            percent = percent_complete(
                copied_bytes=progress.copied_bytes,
                copied_files=progress.copied_files,
                total_bytes=progress.total_bytes,
                total_files=progress.total_files,
            )
            if percent is not None:
                told["percentComplete"] = percent
        fields |= {name: value for name, value in told.items() if query.wants(name)}
        media_type = CONTAINER if is_container(copy) else OBJECT
        return json_answer(fields, status, ((b"content-type", media_type.encode()),))

    def _status(self, copy: copies_pb2.Copy) -> str:
        if copy.state != copies_pb2.COPY_STATE_FAILED:
            return "Processing"
        why = rebuild(FailedPrecondition, copy.error_reason, copy.error_message, {})
        return f"Error: {from_error(why, provider_id=self._provider_id).description}"


def is_container(copy: copies_pb2.Copy) -> bool:
    """Whether it is to become a directory."""
    return copy.type == DIRECTORY


def _file(copy: copies_pb2.Copy) -> UnfinishedFile:
    return UnfinishedFile(
        file_id=copy.root_id,
        space_id=copy.space_id,
        parent_id=copy.parent_id,
        name=copy.name,
        owner_id=copy.user_id,
        provider_id="",
        type=copy.type,
        creation_time_ms=copy.started_ms,
        atime_ms=copy.started_ms,
        mtime_ms=copy.changed_ms,
        ctime_ms=copy.changed_ms,
        size_bytes=copy.progress.copied_bytes,
    )
