"""Data objects in CDMI form: the value travels inside JSON."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import orjson

from runtime.http import file_ids
from runtime.http.errors import ApiError
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.updates import Updates
from services.gateway.api.http import Answer, Request, empty, json_answer
from services.gateway.api.namespace import xattrs_of
from services.gateway.api.ports import Content, DataPort, Metadata
from services.gateway.domain.cdmi import values
from services.gateway.domain.cdmi.addresses import to_url_path
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.fields import common_fields
from services.gateway.domain.cdmi.queries import Query, Range
from services.gateway.domain.cdmi.values import BASE64, UTF8, Value
from services.gateway.domain.cdmi.versions import OBJECT
from services.gateway.domain.files import DEFAULT_MIMETYPE

_HEADERS = ((b"content-type", OBJECT.encode()),)

#: Media types that may stand in a header as they are; others are stored afterwards.
_PLAIN_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+", re.ASCII)
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
        *,
        value_limit_bytes: int,
    ) -> None:
        self._tree = tree
        self._metadata = metadata
        self._data_port = data_port
        self._updates = updates
        self._limit = value_limit_bytes

    async def get(self, node: Node, query: Query, *, head: bool) -> Answer:
        """Fields, and the value where it is wanted."""
        fields = await self._fields(node, query)
        encoding = node.file.value_transfer_encoding or BASE64
        if head or not query.wants("value"):
            if query.wants("valuetransferencoding"):
                fields["valuetransferencoding"] = encoding
            if query.wants("valuerange"):
                fields["valuerange"] = values.value_range(query.value, node.file.size_bytes)
            return json_answer(fields, 200, _HEADERS)
        first, last = query.value or (0, None)
        content = await self._data_port.open(node.id, first, last)
        return await self._with_value(fields, query, encoding, content)

    async def _fields(self, node: Node, query: Query) -> dict[str, Any]:
        items = {}
        if query.wants("metadata") and node.file.has_custom_metadata:
            items = await xattrs_of(self._metadata, node.id)
        return common_fields(node.file, node.names, query, items, node.identity.subject_id)

    async def _with_value(
        self, fields: dict[str, Any], query: Query, encoding: str, content: Content
    ) -> Answer:
        length = _length_of(query.value, content.size_bytes)
        text: bytes | None = None
        if encoding == UTF8 and length <= self._limit:
            # Whether it is text at all shows only at its end, and is told before it.
            whole = await _collect(content)
            text = values.as_text(whole)
            if text is None:
                content, encoding = _Collected(whole, content.size_bytes), BASE64
        else:
            encoding = BASE64
        if query.wants("valuetransferencoding"):
            fields["valuetransferencoding"] = encoding
        if query.wants("valuerange"):
            fields["valuerange"] = values.value_range(query.value, content.size_bytes)
        opening = orjson.dumps(fields)[:-1] + (b',"value":' if fields else b'"value":')
        if text is not None:
            return Answer(200, b"%s%s}" % (opening, text), _HEADERS)
        total = len(opening) + values.base64_length(length) + len(b'""}')
        return Answer(200, headers=_HEADERS, stream=_in_json(opening, content), length=total)

    async def get_raw(self, node: Node, *, head: bool) -> Answer:
        """The bytes alone, for who prefers them although the request came in CDMI form."""
        media_type = node.file.mimetype or DEFAULT_MIMETYPE
        headers = ((b"content-type", media_type.encode("latin-1", "replace")),)
        if head:
            return Answer(200, headers=headers)
        content = await self._data_port.open(node.id)
        return Answer(200, headers=headers, stream=_pieces_of(content), length=content.size_bytes)

    async def create(self, node: Node, body: Body, query: Query, request: Request) -> Answer:
        """A new file with the body's value, or empty."""
        node.parent_ref()
        encoding = body.encoding or UTF8
        in_header = body.mimetype is None or _PLAIN_TYPE.fullmatch(body.mimetype) is not None
        media_type = body.mimetype if body.mimetype and in_header else DEFAULT_MIMETYPE
        headers = {"content-type": media_type + ("; charset=utf-8" if encoding == UTF8 else "")}
        await self._put(node.inside_path(), body.value, query.value, request, headers)
        await self._updates.apply(node, body, mimetype=None if in_header else body.mimetype)
        return await self.described(await self._tree.refresh(node), 201)

    async def update(self, node: Node, body: Body, query: Query, request: Request) -> Answer:
        """Replaces the content or a part of it, where the body has a value, and changes the rest."""
        if query.value is not None and body.value is None:
            raise ApiError("badData", {"key": "range"})
        if body.value is not None:
            path = to_url_path(
                ("cdmi_objectid", file_ids.encode(node.id.space_id, node.id.uuid)), container=False
            )
            await self._put(path, body.value, query.value, request, {})
        # Part of a value says nothing about how the whole is to be told.
        encoding = None if query.value else body.encoding
        await self._updates.apply(node, body, mimetype=body.mimetype, encoding=encoding)
        return empty(204)

    async def _put(
        self,
        path: str,
        value: Value | None,
        where: Range | None,
        request: Request,
        headers: dict[str, str],
    ) -> None:
        partial = request.header(b"x-cdmi-partial")
        if partial is not None:
            headers["x-cdmi-partial"] = "true" if partial == "true" else "false"
        if value is None:
            await self._data_port.put(path, b"", 0, headers)
            return
        if where is not None:
            headers["content-range"] = f"bytes {where[0]}-{where[1]}/*"
        if value.size_bytes <= _SMALL:
            whole = b"".join([piece async for piece in value.pieces()])
            await self._data_port.put(path, whole, len(whole), headers)
            return
        await self._data_port.put(path, value.pieces, value.size_bytes, headers)

    async def described(self, node: Node, status: int) -> Answer:
        """The answer to a creation: all fields but those of the value."""
        return json_answer(await self._fields(node, Query()), status, _HEADERS)


def _length_of(asked: Range | None, size_bytes: int) -> int:
    """How many bytes a range has once cut at the end of the file."""
    if asked is None:
        return size_bytes
    return max(0, min(asked[1], size_bytes - 1) - asked[0] + 1)


async def _collect(content: Content) -> bytes:
    try:
        return b"".join([piece async for piece in content.pieces()])
    finally:
        await content.close()


async def _pieces_of(content: Content) -> AsyncIterator[bytes]:
    try:
        async for piece in content.pieces():
            yield piece
    finally:
        await content.close()


async def _in_json(opening: bytes, content: Content) -> AsyncIterator[bytes]:
    yield opening + b'"'
    async for piece in values.to_base64(_pieces_of(content)):
        yield piece
    yield b'"}'


class _Collected:
    """Content that is in memory already."""

    def __init__(self, whole: bytes, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._whole = whole

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._whole

    async def close(self) -> None:
        """Nothing is open."""
