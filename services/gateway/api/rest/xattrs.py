"""`/data/{id}/metadata/xattrs`: extended attributes. The reserved ones keep the rules of the original."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import NoData, NoSuchFile, NotPermitted
from runtime.http.declared import flag, required_texts, text
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId
from runtime.request import request_id
from services.gateway.api.http import Answer, empty, json_answer
from services.gateway.api.namespace import ref, xattrs_of
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import Call
from services.gateway.domain import xattrs
from services.gateway.domain.files import FileRecord

ATTRIBUTE = text("attribute", "Tell this one only.", empty=False)
INHERITED = flag("inherited", "Whether the nearest directory above that has a missing key gives it.")
SHOW_INTERNAL = flag("show_internal", "Whether keys of the system are told, too.")
RESOLVE_SYMLINK = flag(
    "resolve_symlink", "Whether a symbolic link stands for what it leads to.", default=True
)
KEYS = required_texts("keys", "The keys to remove; those that are not there are fine.")

#: Ancestors looked through for inherited attributes; as deep as a path may be.
_MAX_ANCESTORS = 1024


class XattrRoutes:
    """Reading, merging and removing extended attributes."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def get(self, call: Call) -> Answer:
        """`GET`: one (`attribute`), or all."""
        name, follow = call[ATTRIBUTE], call[RESOLVE_SYMLINK]
        _check(call)
        if name is not None and xattrs.is_reserved(name):
            file = await self._file(call.file, follow=follow)
            return json_answer({name: xattrs.read_reserved(name, file)})
        found = await self._collect(call.file, inherited=call[INHERITED], follow=follow)
        if name is not None:
            if name not in found:
                raise NoData(f"no attribute {name}")
            return json_answer({name: found[name]})
        if call[SHOW_INTERNAL]:
            found |= xattrs.shown_reserved(await self._file(call.file, follow=follow))
        return json_answer(found)

    async def _collect(self, file: FileId, *, inherited: bool, follow: bool) -> dict[str, Any]:
        found = await xattrs_of(self._metadata, file, follow=follow)
        if not inherited:
            return found
        record: FileRecord = await self._file(file, follow=follow)
        for _ in range(_MAX_ANCESTORS):
            if not record.parent_id:
                break
            parent = FileId(file.space_id, record.parent_id)
            record = await self._file(parent, follow=False)
            if record.has_custom_metadata:
                found = await xattrs_of(self._metadata, parent) | found
        return found

    async def _file(self, file: FileId, *, follow: bool) -> files_pb2.File:
        answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=ref(file, follow=follow)))
        return answer.file

    async def put(self, call: Call) -> Answer:
        """`PUT`: a JSON object, merged key by key."""
        if not isinstance(call.value, dict):
            raise ApiError("badValueJSON", {"key": "metadata"})
        _check(call)
        change = xattrs.plan_set(call.value)
        if change is not None:
            request = xattrs_pb2.UpdateXattrsRequest(
                request_id=request_id(),
                file=ref(call.file, follow=call[RESOLVE_SYMLINK]),
                set=[
                    xattrs_pb2.Xattr(name=name, value_json=orjson.dumps(value))
                    for name, value in change.set.items()
                ],
                mimetype=change.mimetype,
                value_transfer_encoding=change.value_transfer_encoding,
            )
            await self._metadata.update_xattrs(request)
        return empty()

    async def delete(self, call: Call) -> Answer:
        """`DELETE`: the named ones; those that are not there are fine."""
        _check(call)
        keys: list[str] = call[KEYS]
        removed = xattrs.plan_remove(keys)
        await self._metadata.update_xattrs(
            xattrs_pb2.UpdateXattrsRequest(
                request_id=request_id(), file=ref(call.file, follow=call[RESOLVE_SYMLINK]), remove=removed
            )
        )
        return empty()


def _check(call: Call) -> None:
    call.check_member()
    if call.file.is_user_root:
        if call.request.method == "GET":
            raise NoSuchFile
        raise NotPermitted("this directory only lists spaces")
