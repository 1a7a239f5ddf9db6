"""Data objects in CDMI form: the value travels inside JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from runtime.http import file_ids
from runtime.http.cdmi import OBJECT, Query, Range, is_partial
from runtime.http.errors import ApiError
from services.gateway.api.cdmi.digests import Digests
from services.gateway.api.cdmi.items import items_of
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.parts import ValueInParts
from services.gateway.api.cdmi.repeats import CHANGED, CREATED
from services.gateway.api.cdmi.told_values import ToldValue, pieces_of, tell
from services.gateway.api.cdmi.updates import Updates, planned
from services.gateway.api.http import Answer, Request, empty, json_answer
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.acls import PrincipalNames
from services.gateway.domain.cdmi import hashes, values
from services.gateway.domain.cdmi.addresses import to_url_path
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.fields import common_fields
from services.gateway.domain.cdmi.values import BASE64, UTF8, InParts, Streamed, Value

_HEADERS = ((b"content-type", OBJECT.encode()),)

#: Headers of a plain GET that are meant for who has the bytes.
_OF_PLAIN_HTTP = (b"range", b"if-range", b"if-none-match", b"if-modified-since")
_WITH_CONTENT = (200, 206)
#: End of an object whose last field is a text.
_CLOSING = b'"}'
#: Values up to this size are sent as one piece.
_SMALL = 1 << 20


class Objects:
    """Reading and writing of files through CDMI."""

    def __init__(
        self,
        tree: Tree,
        metadata: Metadata,
        data_port: DataPort,
        updates: Updates,
        principals: PrincipalNames,
        digests: Digests,
    ) -> None:
        self._digests = digests
        self._principals = principals
        self._tree = tree
        self._metadata = metadata
        self._data_port = data_port
        self._updates = updates

    async def get(self, node: Node, query: Query, *, head: bool) -> Answer:
        """Fields, and the value where it is wanted."""
        fields = await self._fields(node, query)
        encoding = node.file.value_transfer_encoding or BASE64
        if head or not query.wants("value"):
            if query.wants("valuetransferencoding"):
                fields["valuetransferencoding"] = encoding
            if query.wants("valuerange"):
                fields["valuerange"] = values.value_range(query.value, node.file.size_bytes)
            if query.wants("value"):
                # The length of the whole answer is known once the value was read, which a HEAD spares.
                return Answer(200, headers=_HEADERS, stream=_nothing())
            return json_answer(fields, 200, _HEADERS)
        return await self._with_value(node, fields, query, encoding)

    async def get_parts(self, node: Node, query: Query) -> Answer:
        """The same, the value as a part of its own."""
        fields = await self._fields(node, query)
        if query.wants("valuetransferencoding"):
            fields["valuetransferencoding"] = node.file.value_transfer_encoding or BASE64
        if query.wants("valuerange"):
            asked = [values.value_range(each, node.file.size_bytes) for each in query.values or (None,)]
            fields["valuerange"] = ",".join(asked)
        told = ValueInParts(self._data_port, node.file, orjson.dumps(fields))
        return await told.answer(query.values) if query.wants("value") else told.without()

    async def _fields(self, node: Node, query: Query) -> dict[str, Any]:
        items = await items_of(self._metadata, self._principals, node.file, query)
        items |= await self._hash_items(node, query)
        return common_fields(node.file, node.names, query, items, node.identity.subject_id)

    async def _hash_items(self, node: Node, query: Query) -> dict[str, Any]:
        if not query.wants("metadata") or not node.file.value_hash:
            return {}
        digest = ""
        if hashes.shows(query.metadata) or hashes.asks_for(query.metadata):
            digest = await self._digests.of(node, waits=hashes.asks_for(query.metadata))
        return hashes.items(node.file.value_hash, digest)

    async def _with_value(self, node: Node, fields: dict[str, Any], query: Query, encoding: str) -> Answer:
        told = await tell(self._data_port, node.id, query.value, encoding)
        if query.wants("valuetransferencoding"):
            fields["valuetransferencoding"] = told.encoding
        if query.wants("valuerange"):
            fields["valuerange"] = values.value_range(query.value, told.size_bytes)
        opening = orjson.dumps(fields)[:-1] + (b',"value":"' if fields else b'"value":"')
        total = len(opening) + told.length + len(_CLOSING)
        return Answer(200, headers=_HEADERS, stream=_in_json(opening, told), length=total)

    async def get_raw(self, node: Node, request: Request) -> Answer:
        """The bytes alone, for who prefers them although the request came in CDMI form: with ranges and
        conditions, as in plain HTTP form."""
        asked = {name.decode(): text for name in _OF_PLAIN_HTTP if (text := request.header(name)) is not None}
        head = request.method == "HEAD"
        found = await self._data_port.fetch(node.id, asked, head=head)
        if head or found.status not in _WITH_CONTENT:
            await found.close()
            return Answer(found.status, headers=found.headers, stream=_nothing(), length=found.length)
        return Answer(found.status, headers=found.headers, stream=pieces_of(found), length=found.length)

    async def create(self, node: Node, body: Body, query: Query, request: Request) -> Answer:
        """A new file with the body's value, or empty."""
        node.parent_ref()
        headers: dict[str, str] = {}
        if isinstance(body.value, InParts):
            update = planned(body.metadata, directory=False, mimetype=body.mimetype, encoding=body.encoding)
        else:
            # What a body does not say is text, as clients expect.
            told, mimetype = values.content_type_of(body.mimetype, body.encoding or UTF8)
            update = planned(body.metadata, directory=False, mimetype=mimetype)
            headers["content-type"] = told
        await self._put(node.inside_path(), body.value, query.value, request, headers)
        await self._updates.apply(node, update, CREATED)
        return await self.described(await self._tree.refresh(node), 201)

    async def update(self, node: Node, body: Body, query: Query, request: Request) -> Answer:
        """Replaces the content or a part of it, where the body has a value, and changes the rest."""
        if query.value is not None and body.value is None:
            raise ApiError("badData", {"key": "range"})
        # Part of a value says nothing about how the whole is to be told.
        encoding = None if query.value else body.encoding
        update = planned(body.metadata, directory=False, mimetype=body.mimetype, encoding=encoding)
        made = False
        if body.value is not None:
            await self._updates.check(node, update)
            path = to_url_path(
                ("cdmi_objectid", file_ids.encode(node.id.space_id, node.id.uuid)), container=False
            )
            made = await self._put(path, body.value, query.value, request, {})
        await self._updates.apply(node, update, CREATED if made else CHANGED)
        if made:
            # By an earlier try of this very request, whose answer was lost.
            return await self.described(await self._tree.refresh(node), 201)
        return empty(204)

    async def _put(
        self,
        path: str,
        value: Value | InParts | Streamed | None,
        where: Range | None,
        request: Request,
        headers: dict[str, str],
    ) -> bool:
        if is_partial(request.header(b"x-cdmi-partial")):
            headers["x-cdmi-partial"] = "true"
        if value is None:
            return await self._data_port.put(path, b"", 0, headers)
        if isinstance(value, InParts):
            return await self._data_port.put_parts(path, value.boundary, value.pieces, value.ranges, headers)
        if isinstance(value, Streamed):
            return await self._data_port.put_stream(path, value.pieces, headers)
        if where is not None:
            headers["content-range"] = f"bytes {where[0]}-{where[1]}/*"
        if value.size_bytes <= _SMALL:
            whole = b"".join([piece async for piece in value.pieces()])
            return await self._data_port.put(path, whole, len(whole), headers)
        return await self._data_port.put(path, value.pieces, value.size_bytes, headers)

    async def described(self, node: Node, status: int) -> Answer:
        """The answer to a creation: all fields but those of the value."""
        return json_answer(await self._fields(node, Query()), status, _HEADERS)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _in_json(opening: bytes, told: ToldValue) -> AsyncIterator[bytes]:
    """A JSON object whose last field is this value."""
    yield opening
    async for piece in told.pieces():
        yield piece
    yield _CLOSING
