"""BulkService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import bulk_pb2, bulk_pb2_grpc, files_pb2

from runtime.auth import caller
from runtime.errors import InvalidArgument, IsthmusError, NotSupported
from runtime.rpc.status import to_mux_error
from services.metadata.domain.bulk import Bulk, Create, Delete, Operation, Outcome, Rename, Stat
from services.metadata.domain.files import NewFile

from .convert import file_to_proto, ref_from_proto, type_from_proto


class BulkServicer(bulk_pb2_grpc.BulkServiceServicer):
    """Many operations in one call, over gRPC."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    async def RunBulk(self, request: bulk_pb2.RunBulkRequest, context: Any) -> bulk_pb2.RunBulkResponse:
        operations = [_operation_from_proto(operation) for operation in request.operations]
        if any(operation.space_id != request.space_id for operation in operations):
            raise InvalidArgument("all operations are in the space of the call", space_id=request.space_id)
        done = True
        if request.atomic:
            outcomes, done = await self._bulk.all(caller(), request.request_id, operations)
        else:
            outcomes = await self._bulk.each(caller(), request.request_id, operations)
        return bulk_pb2.RunBulkResponse(results=map(_outcome_to_proto, outcomes), done=done)


def _operation_from_proto(operation: bulk_pb2.BulkOperation) -> Operation:
    match operation.WhichOneof("operation"):
        case "get":
            return Stat(ref_from_proto(operation.get.file), operation.get.with_path)
        case "create":
            return _create_from_proto(operation.create)
        case "rename":
            rename = operation.rename
            return Rename(
                ref_from_proto(rename.source),
                ref_from_proto(rename.target_parent),
                rename.target_name,
                rename.no_replace,
            )
        case "delete":
            if operation.delete.only_empty:
                raise NotSupported("only_empty is for single calls")
            return Delete(ref_from_proto(operation.delete.file))
    raise InvalidArgument("an operation says nothing")


def _create_from_proto(create: files_pb2.CreateFileRequest) -> Create:
    if create.create_parents or create.update_existing or create.hard_link_target_id:
        raise NotSupported("a bulk only makes what is new, in directories that are there")
    new = NewFile(
        create.name,
        type_from_proto(create.type),
        create.mode if create.HasField("mode") else None,
        create.symlink_target,
    )
    return Create(ref_from_proto(create.parent), new)


def _outcome_to_proto(outcome: Outcome) -> bulk_pb2.BulkResult:
    if outcome is None:
        return bulk_pb2.BulkResult()
    if isinstance(outcome, IsthmusError):
        return bulk_pb2.BulkResult(error=to_mux_error(outcome))
    return bulk_pb2.BulkResult(file=file_to_proto(outcome.file, outcome.path))
