"""The metadata client has every RPC, under its own name, on the right instance, in the right name."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from isthmus.metadata.v1 import (
    access_history_pb2,
    bulk_pb2,
    changes_pb2,
    contents_pb2,
    copies_pb2,
    dir_stats_pb2,
    distribution_pb2,
    downloads_pb2,
    files_pb2,
    links_pb2,
    queues_pb2,
    shares_pb2,
    spaces_pb2,
    subtrees_pb2,
    trash_pb2,
    xattrs_pb2,
)

from clients.metadata import MetadataClient
from runtime.rpc.mux import MuxClient

METHODS = [
    method
    for proto in (
        files_pb2,
        contents_pb2,
        xattrs_pb2,
        dir_stats_pb2,
        distribution_pb2,
        shares_pb2,
        spaces_pb2,
        changes_pb2,
        access_history_pb2,
        bulk_pb2,
        copies_pb2,
        downloads_pb2,
        links_pb2,
        queues_pb2,
        subtrees_pb2,
        trash_pb2,
    )
    for service in proto.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.name not in {"ListCopies", "StopCopy"}  # operators call these themselves
]
#: Called by users' requests; all others by the services themselves.
FOR_USERS = {
    "FileService", "XattrService", "DistributionService", "ShareService", "BulkService", "LinkService",
    "QueueService", "SubtreeService", "TrashService",
}  # fmt: skip
FOR_USERS_TOO = {
    "LocateContent",
    "BeginUpload",
    "CommitUpload",
    "PublishUpload",
    "AbortUpload",
    "RegisterFile",
    "ListChangedDocuments",
    "GetUsageHistory",
    "GetDirStats",
    "ListDirStats",
    "GetAccessHistory",
    "CreateDownload",
    "StartCopy",
    "PublishCopy",
    "FindCopy",
    "GetCopy",
    "CancelCopy",
}
#: Of services for users, called by services themselves.
FOR_SERVICES = {"SaveValueDigest"}


class Wire:
    """Takes the place of the stream and notes what would be sent."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, request: Message, response_class: type[Message], **how: Any) -> Message:
        self.calls.append((method, how))
        return response_class()


def name_in_python(method: MethodDescriptor) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()


def fill_in_space(message: Message) -> bool:
    """Sets the first `space_id` there is, here or one level down; that of what changes, not of a source."""
    for field in message.DESCRIPTOR.fields:
        if field.name in {"source", "accesses"} and message.DESCRIPTOR.name != "RenameFileRequest":
            continue
        if field.name == "space_id":
            message.space_id = "space-7"  # type: ignore[attr-defined]
            return True
        if field.message_type is not None:
            inner = getattr(message, field.name)
            if field.name == "removals":
                inner.add(space_id="space-7")
                return True
            if "space_id" in field.message_type.fields_by_name:
                return fill_in_space(inner)
    return False


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
async def test_each_rpc_goes_where_it_belongs(method: MethodDescriptor) -> None:
    wire = Wire()
    client = MetadataClient(cast(MuxClient, wire), timeout_s=3)
    request = GetMessageClass(method.input_type)()
    has_space = fill_in_space(request)
    answer = await getattr(client, name_in_python(method))(request)

    assert answer.DESCRIPTOR is method.output_type
    [(called, how)] = wire.calls
    service = method.containing_service
    assert called == f"/{service.full_name}/{method.name}"
    for_users = service.name in FOR_USERS or method.name in FOR_USERS_TOO
    for_users = for_users and method.name not in FOR_SERVICES
    assert how.get("as_service", False) is not for_users
    assert how["timeout_s"] in (3, 60)
    if has_space:
        assert how["routing_key"] == "space-7"
