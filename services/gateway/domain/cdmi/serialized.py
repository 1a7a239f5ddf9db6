"""Objects as JSON (CDMI serialisation), read while they come: values in pieces, trees object by object."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from runtime.http.cdmi import CONTAINER, OBJECT, is_reference
from runtime.http.errors import ApiError
from services.gateway.domain.cdmi.bodies import refuse_repeated
from services.gateway.domain.cdmi.json_tokens import Kind, Token, Tokenizer
from services.gateway.domain.cdmi.values import BASE64, ENCODINGS, UTF8, Base64Decoder, unescaped
from services.gateway.domain.files import DIRECTORY, REGULAR, SYMLINK

#: All of an object but its value and children: metadata has 2 MiB.
MAX_FIELDS_BYTES: Final = 4 << 20
#: JSON in each other inside one field.
_MAX_FIELD_DEPTH: Final = 128

_BEFORE_VALUE: Final = {"valuetransferencoding", "completionStatus"}
_TYPES: Final = {OBJECT: REGULAR, CONTAINER: DIRECTORY}


@dataclass(slots=True)
class Entry:
    """An object. `fields`: those before its value or children, all once `rest` was read.

    `content`: `value` or `children` where such is about to be read, else empty. `late`: names of the fields
    behind it.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    content: str = ""
    late: frozenset[str] = frozenset()

    @property
    def type(self) -> int:
        """Kind of file. Raises ApiError `badData`, key `objectType`."""
        if "reference" in self.fields:
            return SYMLINK
        kind = _TYPES.get(str(self.fields.get("objectType")))
        if kind is None or (self.content and (self.content == "children") != (kind == DIRECTORY)):
            raise _bad("objectType")
        return kind

    @property
    def name(self) -> str:
        """Its name in its container. Raises ApiError `badData`, key `objectName`."""
        name = self.fields.get("objectName")
        if not isinstance(name, str):
            raise _bad("objectName")
        mark = {DIRECTORY: "/", SYMLINK: "?"}.get(self.type, "")
        name = name.removesuffix(mark) if mark else name
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise _bad("objectName")
        return name

    @property
    def reference(self) -> str:
        """Where it leads. Raises ApiError `badData`, key `reference`."""
        uri = self.fields.get("reference")
        if not isinstance(uri, str) or not is_reference(uri):
            raise _bad("reference")
        return uri

    @property
    def encoding(self) -> str:
        """How its value is encoded. Raises ApiError `badData`, key `valuetransferencoding`."""
        encoding = self.fields.get("valuetransferencoding", UTF8)
        if encoding not in ENCODINGS:
            raise _bad("valuetransferencoding")
        return str(encoding)


class Reader:
    """Reads an object and what is in it, in the order of the text.

    Raises ApiError: `malformedData` for what is no such JSON, `limitReached` for more than `limit_bytes`.
    """

    def __init__(self, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> None:
        self._tokens = _tokens(chunks, limit_bytes)
        self._left = MAX_FIELDS_BYTES

    async def entry(self) -> Entry | None:
        """The next object of the array that is being read, or the outermost; None at the end of the array."""
        token = await self._next()
        if token.kind is Kind.CLOSE_ARRAY:
            return None
        if token.kind is not Kind.OPEN_OBJECT:
            raise _malformed()
        entry = Entry()
        self._left = MAX_FIELDS_BYTES
        await self._read_fields(entry)
        return entry

    async def value(self, encoding: str) -> AsyncIterator[bytes]:
        """The decoded pieces of the value that is about to be read.

        Raises ApiError `badData`, key `base64`.
        """
        decoder = Base64Decoder() if encoding == BASE64 else None
        while (token := await self._next()).kind is Kind.TEXT:
            piece = unescaped(token.raw)
            yield decoder.feed(piece) if decoder else piece
        if token.kind is not Kind.TEXT_END:
            raise _malformed()
        if decoder:
            decoder.close()

    async def rest(self, entry: Entry) -> None:
        """The fields behind a value or children that were read.

        Those that say how a value is to be written come too late here: ApiError `malformedData`.
        """
        if not entry.content:
            return
        self._left = MAX_FIELDS_BYTES
        before, content, entry.content = set(entry.fields), entry.content, ""
        await self._read_fields(entry)
        entry.late = frozenset(entry.fields.keys() - before)
        if entry.content or (content == "value" and entry.late & _BEFORE_VALUE):
            raise _malformed()

    async def end(self) -> None:
        """Makes sure that nothing follows the outermost object."""
        async for _ in self._tokens:
            raise _malformed()

    async def _next(self) -> Token:
        async for token in self._tokens:
            return token
        raise _malformed()

    async def _read_fields(self, entry: Entry) -> None:
        while (token := await self._next()).kind is Kind.NAME:
            name = token.raw.decode()
            if name in entry.fields:
                raise _malformed()
            if name == "value" or name == "children":
                entry.fields[name] = None
                await self._begin(entry, name)
                return
            entry.fields[name] = await self._field()

    async def _begin(self, entry: Entry, name: str) -> None:
        if name == "children" and (await self._next()).kind is not Kind.OPEN_ARRAY:
            raise _malformed()
        entry.content = name

    async def _field(self) -> Any:
        """A field of any kind, whole."""
        field = _Field()
        while True:
            token = await self._next()
            self._left -= len(token.raw) + 1
            if self._left < 0:
                raise _too_large(MAX_FIELDS_BYTES, "bytes in the fields of an object")
            if field.add(token):
                return field.parsed()


async def _tokens(chunks: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[Token]:
    tokenizer, left = Tokenizer(), limit_bytes
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise _too_large(limit_bytes, "bytes of a serialisation")
        for token in tokenizer.feed(chunk):
            yield token
    tokenizer.close()


class _Field:
    """JSON put together again of its tokens."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._depth = 0
        self._in_text = False

    def add(self, token: Token) -> bool:
        """Whether this was the last one."""
        if token.kind in (Kind.CLOSE_OBJECT, Kind.CLOSE_ARRAY):
            self._text += token.kind.value.encode()
            self._depth -= 1
        else:
            self._begin()
            self._write(token)
        return self._depth == 0 and not self._in_text

    def _begin(self) -> None:
        if self._text and not self._in_text and self._text[-1] not in b"{[:":
            self._text += b","

    def _write(self, token: Token) -> None:
        if token.kind in (Kind.OPEN_OBJECT, Kind.OPEN_ARRAY):
            self._text += token.kind.value.encode()
            self._depth += 1
            if self._depth > _MAX_FIELD_DEPTH:
                raise _malformed()
        elif token.kind is Kind.NAME:
            self._text += orjson.dumps(token.raw.decode()) + b":"
        elif token.kind is Kind.LITERAL:
            self._text += token.raw
        else:
            self._text += (b"" if self._in_text else b'"') + token.raw
            self._in_text = token.kind is Kind.TEXT
            self._text += b"" if self._in_text else b'"'

    def parsed(self) -> Any:
        """The value, every digit of it."""
        try:
            return json.loads(self._text, object_pairs_hook=refuse_repeated)
        except ValueError:
            raise _malformed() from None


def _bad(key: str) -> ApiError:
    return ApiError("badData", {"key": key})


def _malformed() -> ApiError:
    return ApiError("malformedData")


def _too_large(limit: int, what: str) -> ApiError:
    return ApiError("limitReached", {"limit": limit, "resourceDescription": what})
