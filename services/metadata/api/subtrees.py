"""SubtreeService."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.metadata.v1 import files_pb2, subtrees_pb2, subtrees_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.columns import IDENTITY, columns_of
from services.metadata.domain.subtrees import SubtreeEntry, SubtreeQuery, Subtrees

from .columns import columns_to_proto, fields_from_mask
from .convert import file_to_proto, location_to_proto, readable_from_proto, wanted_from_proto


class SubtreeServicer(subtrees_pb2_grpc.SubtreeServiceServicer):
    """Everything below a directory, over gRPC."""

    def __init__(self, subtrees: Subtrees) -> None:
        self._subtrees = subtrees

    async def ListSubtree(
        self, request: subtrees_pb2.ListSubtreeRequest, context: Any
    ) -> subtrees_pb2.ListSubtreeResponse:
        query = SubtreeQuery(
            start_after=request.start_after,
            prefix=request.prefix,
            include_directories=request.include_directories,
            token=request.page_token,
            with_locations=request.with_locations,
            wanted=wanted_from_proto(request.wanted) if request.HasField("wanted") else None,
        )
        page = await self._subtrees.list(
            caller(), readable_from_proto(request.directory), query, request.page_size
        )
        told = subtrees_pb2.ListSubtreeResponse(
            inaccessible_paths=page.inaccessible, next_page_token=page.next_token
        )
        if request.HasField("read_mask"):
            told.paths.extend(entry.path for entry in page.entries)
            told.columns.CopyFrom(_columns(page.entries, fields_from_mask(request.read_mask.paths)))
            told.columns.space_id = request.directory.space_id
        else:
            told.entries.extend(map(_entry_to_proto, page.entries))
        return told


def _columns(entries: Sequence[SubtreeEntry], fields: set[str]) -> files_pb2.FileColumns:
    files = [entry.file for entry in entries]
    told = columns_to_proto(columns_of(files, {*IDENTITY, *fields}), [entry.extra for entry in entries])
    told.parent_ids.extend(file.parent_id for file in files)
    return told


def _entry_to_proto(entry: SubtreeEntry) -> subtrees_pb2.SubtreeEntry:
    return subtrees_pb2.SubtreeEntry(
        path=entry.path,
        file=file_to_proto(entry.file, (), entry.extra),
        location=None if entry.location is None else location_to_proto(entry.location),
    )
