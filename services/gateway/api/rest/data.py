"""`/data/{id}`: attributes, mode, removal, links."""

from __future__ import annotations

import orjson
from isthmus.metadata.v1 import files_pb2, links_pb2

from clients.leases import granted
from runtime.errors import InvalidName, IsADirectory, NotPermitted
from runtime.http import file_ids
from runtime.http.declared import optional_integer, required_mode
from runtime.http.errors import ApiError
from runtime.http.paths import split_path
from runtime.request import request_id
from services.gateway.api.gate import Gate
from services.gateway.api.http import JSON, Answer, empty, json_answer
from services.gateway.api.namespace import id_of, ref, user_root_record, view_of, wanted
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import OCTETS, Call
from services.gateway.api.rest.selection import selects_shared
from services.gateway.domain import attributes
from services.gateway.domain.attribute_memory import AttributeMemory, ToldAttributes
from services.gateway.domain.files import SYMLINK, inode
from services.gateway.domain.views import View

ATTRIBUTES = selects_shared(attributes.DEFAULT, attributes.PUBLIC_DEFAULT)
NEW_MODE = required_mode("mode", "Permission bits in octal digits, 0 to 1777.")
MAX_LINKS = optional_integer("limit", "Most ids to tell; all without it.", low=1)

_TIMES = ("atime_ms", "mtime_ms", "ctime_ms")
_OCTET_HEADERS = ((b"content-type", OCTETS.encode()),)


class DataRoutes:
    """Operations on one file by its id."""

    def __init__(self, metadata: Metadata, gate: Gate, memory: AttributeMemory) -> None:
        self._metadata = metadata
        self._gate = gate
        #: Of attributes.
        self.memory = memory

    async def get_attributes(self, call: Call) -> Answer:
        """`GET /data/{id}`. Symbolic links are not followed."""
        selection = call[ATTRIBUTES].of(call)
        call.check_member()
        if call.file.is_user_root:
            record = user_root_record(call.identity, call.provider_id)
            return json_answer(selection.encode(record, View("")))
        # What is shared is told to everybody alike, and not remembered.
        question = None if call.is_public else call.question
        lease_id = self.memory.lease_for(question, call.file.space_id)
        request = files_pb2.GetFileRequest(
            file=ref(call.file),
            with_path=selection.with_path,
            wanted=wanted(selection),
            lease_id=lease_id,
            without_sum="has_sum" not in selection.needs,
            without_times=selection.needs.isdisjoint(_TIMES),
        )
        told = await self._metadata.get_file(request)
        body = orjson.dumps(selection.encode(told.file, view_of(call.identity, call.file)))
        self.memory.put(question, ToldAttributes(call.file.space_id, body), granted(told, lease_id))
        return Answer(200, body, JSON)

    async def set_mode(self, call: Call) -> Answer:
        """`PUT /data/{id}`."""
        call.check_member()
        _refuse_user_root(call)
        await self._metadata.set_mode(
            files_pb2.SetModeRequest(request_id=request_id(), file=ref(call.file), mode=call[NEW_MODE])
        )
        return empty()

    async def delete(self, call: Call) -> Answer:
        """`DELETE /data/{id}`: a file, or a directory with all it holds."""
        call.check_member()
        await self._delete(call, ())
        return empty()

    async def delete_by_path(self, call: Call) -> Answer:
        """`DELETE /data/{id}/path/{path}`."""
        path = split_path(call.tail)
        call.check_member()
        await self._delete(call, path)
        return empty()

    async def _delete(self, call: Call, path: list[str] | tuple[()]) -> None:
        _refuse_user_root(call)
        await self._metadata.delete_file(
            files_pb2.DeleteFileRequest(request_id=request_id(), file=ref(call.file, path))
        )

    async def get_symlink_value(self, call: Call) -> Answer:
        """`GET /data/{id}/symlink_value`: the text of a symbolic link."""
        call.check_member()
        if call.file.is_user_root:
            raise InvalidName("not a symbolic link")
        file = await self._get(call.file)
        if file.type != SYMLINK:
            raise InvalidName("not a symbolic link")
        return Answer(200, file.symlink_target.encode(), _OCTET_HEADERS)

    async def list_hardlinks(self, call: Call) -> Answer:
        """`GET /data/{id}/hardlinks`: ids of all names of the inode, the oldest first."""
        call.check_member()
        if call.file.is_user_root:
            raise IsADirectory
        answer = await self._metadata.list_hard_links(links_pb2.ListHardLinksRequest(file=ref(call.file)))
        uuids = answer.file_ids[: call[MAX_LINKS]]
        return json_answer([file_ids.encode(call.file.space_id, uuid) for uuid in uuids])

    async def compare_hardlink(self, call: Call) -> Answer:
        """`GET /data/{id}/hardlinks/{hid}`: 204 when both are names of one inode, else 404."""
        other = await self._gate.resolve(call.tail.decode("latin-1"), call.identity)
        call.check_member()
        call.check_member(other)
        if call.file.is_user_root or other.is_user_root:
            raise IsADirectory
        first = id_of(await self._get(call.file))
        second = first if other == call.file else id_of(await self._get(other))
        if first.space_id != second.space_id or inode(first.uuid) != inode(second.uuid):
            raise ApiError("notFound")
        return empty()

    async def _get(self, file: file_ids.FileId) -> files_pb2.File:
        return (await self._metadata.get_file(files_pb2.GetFileRequest(file=ref(file)))).file


def _refuse_user_root(call: Call) -> None:
    if call.file.is_user_root:
        raise NotPermitted("this directory only lists spaces")
