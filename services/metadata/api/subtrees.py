"""SubtreeService."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.metadata.v1 import subtrees_pb2, subtrees_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.columns import IDENTITY, columns_of
from services.metadata.domain.extras import Extra
from services.metadata.domain.subtrees import (
    SubtreeColumns,
    SubtreeEntry,
    SubtreePage,
    SubtreeQuery,
    Subtrees,
)

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
        directory = readable_from_proto(request.directory)
        if request.HasField("read_mask"):
            fields = fields_from_mask(request.read_mask.paths)
            if query.wanted is None and not query.with_locations:
                told = await self._subtrees.list_columns(
                    caller(), directory, query, request.page_size, fields
                )
                return _in_columns(request, told, ())
            page = await self._subtrees.list(caller(), directory, query, request.page_size)
            extras = [entry.extra for entry in page.entries]
            return _in_columns(request, _columns_of(page, fields), extras)
        page = await self._subtrees.list(caller(), directory, query, request.page_size)
        return subtrees_pb2.ListSubtreeResponse(
            entries=map(_entry_to_proto, page.entries),
            inaccessible_paths=page.inaccessible,
            next_page_token=page.next_token,
        )


def _columns_of(page: SubtreePage, fields: set[str]) -> SubtreeColumns:
    files = [entry.file for entry in page.entries]
    return SubtreeColumns(
        [entry.path for entry in page.entries],
        [file.parent_id for file in files],
        columns_of(files, {*IDENTITY, *fields}),
        page.inaccessible,
        page.next_token,
    )


def _in_columns(
    request: subtrees_pb2.ListSubtreeRequest, page: SubtreeColumns, extras: Sequence[Extra]
) -> subtrees_pb2.ListSubtreeResponse:
    answer = subtrees_pb2.ListSubtreeResponse(
        paths=page.paths, inaccessible_paths=page.inaccessible, next_page_token=page.next_token
    )
    told = columns_to_proto(page.columns, extras, answer.columns)
    told.space_id = request.directory.space_id
    parent_ids = set(page.parent_ids)
    if len(parent_ids) == 1:
        told.parent_id = parent_ids.pop()
    else:
        told.parent_ids.extend(page.parent_ids)
    return answer


def _entry_to_proto(entry: SubtreeEntry) -> subtrees_pb2.SubtreeEntry:
    return subtrees_pb2.SubtreeEntry(
        path=entry.path,
        file=file_to_proto(entry.file, (), entry.extra),
        location=None if entry.location is None else location_to_proto(entry.location),
    )
