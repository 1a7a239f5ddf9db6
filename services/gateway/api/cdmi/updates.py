"""Writes of what is no content: user metadata, media type, encoding."""

from __future__ import annotations

import orjson
from isthmus.metadata.v1 import xattrs_pb2

from runtime.http.file_ids import FileId
from runtime.request import request_id
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.metadata import Change


class Updates:
    """Applies the part of a body that is metadata, in one step: all of it or nothing."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def apply(
        self, node: Node, body: Body, *, mimetype: str | None = None, encoding: str | None = None
    ) -> None:
        """User items of the body, and media type and encoding where given. `node` may be without a record."""
        if body.metadata is None and mimetype is None and encoding is None:
            return
        where = ref(node.id) if node.record is not None else ref(FileId(node.space_id, ""), node.names[1:])
        change = body.metadata or Change()
        await self._metadata.update_xattrs(
            xattrs_pb2.UpdateXattrsRequest(
                # The same user request has changed this file already, under its plain id.
                request_id=f"{request_id()}/metadata",
                file=where,
                set=[
                    xattrs_pb2.Xattr(name=name, value_json=orjson.dumps(value))
                    for name, value in change.set.items()
                ],
                remove=change.remove,
                replace_all=change.replace_all,
                mimetype=mimetype,
                value_transfer_encoding=encoding,
            )
        )
