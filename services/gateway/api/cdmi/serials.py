"""Bodies that ask for serialisation and deserialisation."""

from __future__ import annotations

from typing import Any

from runtime.http.cdmi import Query
from runtime.http.errors import ApiError, posix
from services.gateway.api.cdmi.deserializing import Deserializing
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.serializing import Serializing
from services.gateway.api.cdmi.told_values import pieces_of
from services.gateway.api.cdmi.updates import planned
from services.gateway.api.ports import DataPort
from services.gateway.domain.cdmi import addresses
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.values import Streamed

_JSON = "application/json"


class Serials:
    """Finds what is to be serialised, or where the serialisation is."""

    def __init__(
        self, tree: Tree, data_port: DataPort, serializing: Serializing, deserializing: Deserializing
    ) -> None:
        self._tree = tree
        self._data_port = data_port
        self._serializing = serializing
        self._deserializing = deserializing

    async def serialize(self, node: Node, body: Body, query: Query) -> None:
        """Makes JSON of the source the value that the body has for this place."""
        if node.container:
            raise ApiError("badData", {"key": "serialize"})
        if query.values:
            raise ApiError("badData", {"key": "range"})
        source = await self._source(node, body.serialize, "serialize")
        body.value = Streamed(self._serializing.serialized(source))
        body.mimetype = body.mimetype or _JSON
        body.encoding = body.encoding or "utf-8"

    async def deserialize(self, node: Node, body: Body) -> None:
        """Makes what is not there yet of JSON in another object, or in the body."""
        encoding, mimetype = (None, None) if node.container else (body.encoding, body.mimetype)
        update = planned(body.metadata, directory=node.container, mimetype=mimetype, encoding=encoding)
        if body.serialized is not None:
            await self._deserializing.make(node, body.serialized.pieces(), update)
            return
        source = await self._source(node, body.deserialize, "deserialize")
        if source.is_directory:
            raise posix("eisdir")
        content = await self._data_port.open(source.id)
        try:
            await self._deserializing.make(node, pieces_of(content), update)
        finally:
            await content.close()

    async def _source(self, node: Node, text: Any, key: str) -> Node:
        source = await self._tree.find(node.identity, addresses.parse_source(text, key))
        if source.record is None:
            raise posix("enoent")
        if source.is_top:
            raise posix("eperm")
        return source
