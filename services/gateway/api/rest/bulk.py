"""`POST /data/bulk`: many operations on files in one request. Ours, beyond the original.

The body is `{"operations": [...], "atomic": false}`; the answer `{"done": true, "results": [...]}` has one
result for each operation, in their order, and is 200 whatever became of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from isthmus.metadata.v1 import bulk_pb2, files_pb2

from runtime.errors import IsthmusError, NotPermitted
from runtime.http import file_ids
from runtime.http.declared import Param, flag
from runtime.http.errors import ApiError, from_error
from runtime.http.file_ids import FileId, check_member
from runtime.http.params import Params
from runtime.request import request_id
from runtime.rpc.status import from_mux_error
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.namespace import ref, view_of
from services.gateway.api.ports import BulkRunner
from services.gateway.api.rest.operations import PlainCall
from services.gateway.api.rest.selection import selects
from services.gateway.domain import attributes
from services.gateway.domain.attributes import Selection

MAX_OPERATIONS = 1000
_TYPES = {
    "REG": files_pb2.FILE_TYPE_REGULAR,
    "DIR": files_pb2.FILE_TYPE_DIRECTORY,
    "SYMLNK": files_pb2.FILE_TYPE_SYMLINK,
}

_TEXT = {"type": "string"}
_FILE = {"type": "string", "description": "A file id, or the id of a space for its directory."}
_OPERATION = {
    "type": "object",
    "required": ["operation"],
    "properties": {
        "operation": {"type": "string", "enum": ["stat", "create", "rename", "delete"]},
        "fileId": {**_FILE, "description": "stat, rename, delete: the file, or where `path` begins."},
        "parentFileId": {**_FILE, "description": "create: the directory, or where `path` begins."},
        "path": {"type": "string", "description": "Names below it, separated by `/`; not encoded."},
        "name": {"type": "string", "description": "create: the name, which must be free."},
        "type": {"type": "string", "enum": list(_TYPES), "default": "REG"},
        "mode": {"type": "string", "description": "create: permission bits in octal digits."},
        "targetFilePath": {"type": "string", "description": "create: where a SYMLNK leads."},
        "newParentFileId": {**_FILE, "description": "rename: the directory it goes to."},
        "newName": {"type": "string", "description": "rename: its name there."},
        "replace": {
            "type": "boolean",
            "default": True,
            "description": "rename: whether it may take a taken name.",
        },
    },
}


def _read_operations(params: Params) -> list[Any]:
    operations = params.get("operations")
    if operations is None:
        raise ApiError("missingRequiredValue", {"key": "operations"})
    if not isinstance(operations, list):
        raise ApiError("badValueJSON", {"key": "operations"})
    if not operations:
        raise ApiError("badValueEmpty", {"key": "operations"})
    if len(operations) > MAX_OPERATIONS:
        raise ApiError("badValueTooHigh", {"key": "operations", "limit": MAX_OPERATIONS})
    return operations


OPERATIONS: Param[list[Any]] = Param(
    "operations",
    "What to do, in no order: none may count on what another one does.",
    {"type": "array", "items": _OPERATION, "minItems": 1, "maxItems": MAX_OPERATIONS},
    _read_operations,
    errors=("badValueJSON", "badValueEmpty", "badValueTooHigh"),
    required=True,
    in_body=True,
)
ATOMIC = flag("atomic", "All or none, by one transaction; all in one space.")
ATTRIBUTES = selects(attributes.DEFAULT)


class BulkRoutes:
    """Many operations in one request."""

    def __init__(self, metadata: BulkRunner) -> None:
        self._metadata = metadata

    async def run(self, call: PlainCall) -> Answer:
        """`POST /data/bulk`."""
        selection = call[ATTRIBUTES]
        if selection.wants_more:
            # They need rights and look-ups of their own for each file.
            raise ApiError("badData", {"key": "attributes", "hint": "no acl and no xattr here"})
        reading = _Reading(call, with_path=selection.with_path)
        operations = call[OPERATIONS]
        results: list[Any] = [None] * len(operations)
        by_space: dict[str, dict[int, bulk_pb2.BulkOperation]] = {}
        for index, operation in enumerate(operations):
            try:
                space_id, message = reading.read(operation)
            except (ApiError, IsthmusError) as error:
                results[index] = _refused(error, call.provider_id)
            else:
                by_space.setdefault(space_id, {})[index] = message
        done = True
        if call[ATOMIC]:
            if len(by_space) > 1:
                raise ApiError("badData", {"key": "operations", "hint": "all of them in one space"})
            done = not any(results)
        if done:
            outcomes = await asyncio.gather(
                *(self._ask(space_id, asked, atomic=call[ATOMIC]) for space_id, asked in by_space.items())
            )
            for asked, answer in zip(by_space.values(), outcomes, strict=True):
                done = done and answer.done
                for index, result in zip(asked, answer.results, strict=True):
                    results[index] = _told(call, asked[index], result, selection, done=answer.done)
        return json_answer({"done": done, "results": results})

    async def _ask(
        self, space_id: str, asked: Mapping[int, bulk_pb2.BulkOperation], *, atomic: bool
    ) -> bulk_pb2.RunBulkResponse:
        return await self._metadata.run_bulk(
            bulk_pb2.RunBulkRequest(
                request_id=request_id(), operations=asked.values(), atomic=atomic, space_id=space_id
            )
        )


def _told(
    call: PlainCall,
    operation: bulk_pb2.BulkOperation,
    result: bulk_pb2.BulkResult,
    selection: Selection,
    *,
    done: bool,
) -> Any:
    if result.HasField("error"):
        return _refused(from_mux_error(result.error), call.provider_id)
    if not done:
        return None
    if not result.HasField("file"):
        return {}
    file = result.file
    if operation.WhichOneof("operation") == "get":
        return selection.encode(file, view_of(call.identity, FileId(file.space_id, file.file_id)))
    return {"fileId": file_ids.encode(file.space_id, file.file_id)}


def _refused(error: ApiError | IsthmusError, provider_id: str) -> dict[str, Any]:
    """The error as it would be answered alone, without its status."""
    told = error if isinstance(error, ApiError) else from_error(error, provider_id=provider_id)
    return {"error": told.inner()}


class _Reading:
    """Reads operations. The same few directories are named again and again, so they are looked at once."""

    def __init__(self, call: PlainCall, *, with_path: bool) -> None:
        self._call = call
        self._with_path = with_path
        self._files: dict[str, FileId] = {}
        self._kinds: dict[str, Callable[[Params], tuple[str, bulk_pb2.BulkOperation]]] = {
            "stat": self._stat,
            "create": self._create,
            "rename": self._rename,
            "delete": self._delete,
        }

    def read(self, operation: Any) -> tuple[str, bulk_pb2.BulkOperation]:
        """The space and the operation as it travels. Raises what it is refused with."""
        if not isinstance(operation, dict):
            raise ApiError("badValueJSON", {"key": "operations"})
        params = Params(operation)
        kind = params.required_string("operation")
        if kind not in self._kinds:
            raise ApiError("badValueNotAllowed", {"key": "operation", "allowed": list(self._kinds)})
        return self._kinds[kind](params)

    def _stat(self, params: Params) -> tuple[str, bulk_pb2.BulkOperation]:
        file = self._file(params, "fileId")
        get = files_pb2.GetFileRequest(file=ref(file, _names(params)), with_path=self._with_path)
        return file.space_id, bulk_pb2.BulkOperation(get=get)

    def _create(self, params: Params) -> tuple[str, bulk_pb2.BulkOperation]:
        parent = self._file(params, "parentFileId")
        kind = params.choice("type", "REG", tuple(_TYPES))
        target = params.required_string("targetFilePath") if kind == "SYMLNK" else ""
        create = files_pb2.CreateFileRequest(
            parent=ref(parent, _names(params)),
            name=params.required_string("name"),
            type=_TYPES[kind],
            mode=params.mode(),
            symlink_target=target,
        )
        return parent.space_id, bulk_pb2.BulkOperation(create=create)

    def _rename(self, params: Params) -> tuple[str, bulk_pb2.BulkOperation]:
        file = self._file(params, "fileId")
        rename = files_pb2.RenameFileRequest(
            source=ref(file, _names(params)),
            target_parent=ref(self._file(params, "newParentFileId")),
            target_name=params.required_string("newName"),
            no_replace=not params.boolean("replace", True),
        )
        return file.space_id, bulk_pb2.BulkOperation(rename=rename)

    def _delete(self, params: Params) -> tuple[str, bulk_pb2.BulkOperation]:
        file = self._file(params, "fileId")
        delete = files_pb2.DeleteFileRequest(file=ref(file, _names(params)))
        return file.space_id, bulk_pb2.BulkOperation(delete=delete)

    def _file(self, params: Params, key: str) -> FileId:
        text = params.required_string(key)
        file = self._files.get(text)
        if file is None:
            file = self._files[text] = self._resolve(text, key)
        return file

    def _resolve(self, text: str, key: str) -> FileId:
        identity = self._call.identity
        file = file_ids.decode(text) or (FileId(text, "") if text in identity.spaces else None)
        if file is None or file.share_id is not None:
            raise ApiError("badValueIdentifier", {"key": key})
        check_member(identity, file, provider_id=self._call.provider_id)
        if file.is_user_root:
            raise NotPermitted("this directory only lists spaces")
        return file


def _names(params: Params) -> list[str]:
    return [name for name in (params.string("path") or "").split("/") if name]
