"""References: names that lead to another URI of CDMI, kept as symbolic links."""

from __future__ import annotations

from isthmus.metadata.v1 import files_pb2

from runtime.http.errors import posix
from runtime.request import request_id
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.repeats import has_done
from services.gateway.api.http import Answer, empty
from services.gateway.api.ports import Metadata


class References:
    """`{"reference": URI}` in a PUT or POST. Once made, a reference can only be removed."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def create(self, node: Node, uri: str) -> Answer:
        """A new reference, whatever form its place has. It may lead to what is not there yet."""
        parent = node.parent_ref()
        if node.record is not None and not has_done(node.record, ""):
            raise posix("eexist")
        if node.record is None:
            await self._metadata.create_file(
                files_pb2.CreateFileRequest(
                    request_id=request_id(),
                    parent=parent,
                    name=node.names[-1],
                    type=files_pb2.FILE_TYPE_SYMLINK,
                    symlink_target=uri,
                )
            )
        return empty(201)
