"""The `value` of a data object: how it stands in JSON, and how it is cut into pieces.

A value may be large, so it is never decoded whole: it is checked once piece by piece, then decoded again
piece by piece while it is sent.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from runtime.http.errors import ApiError
from services.gateway.domain.files import DEFAULT_MIMETYPE

UTF8: Final = "utf-8"
BASE64: Final = "base64"
ENCODINGS: Final = (UTF8, BASE64)

#: Media types that may stand in a header as they are.
_PLAIN_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it came in JSON: pieces of the inside of a string. `size_bytes`: decoded."""

    raw: Sequence[bytes | bytearray]
    encoding: str
    size_bytes: int

    @classmethod
    def check(cls, raw: Sequence[bytes | bytearray], encoding: str) -> Value:
        """Raises ApiError `malformedData` for what is no text, and `badData`, key `base64`, for what does
        not decode."""
        return cls(raw, encoding, sum(len(piece) for piece in _decoded(raw, encoding)))

    async def pieces(self) -> AsyncIterator[bytes]:
        """The decoded bytes."""
        for piece in _decoded(self.raw, self.encoding):
            yield piece


@dataclass(frozen=True, slots=True)
class InParts:
    """A value that comes as parts of a body, and is not read yet.

    `pieces`: the body from the value's first part on, to be read once. `ranges`: where the query says that
    the parts go.
    """

    boundary: bytes
    pieces: AsyncIterator[bytes]
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Streamed:
    """A value that is made while it is written. `pieces` are read once."""

    pieces: AsyncIterator[bytes]


def _decoded(raw: Sequence[bytes | bytearray], encoding: str) -> Iterator[bytes]:
    texts = map(unescaped, raw)
    return texts if encoding == UTF8 else _from_base64(texts)


def unescaped(piece: bytes | bytearray) -> bytes:
    """A piece of the inside of a JSON string as text. Raises ApiError `malformedData`."""
    try:
        return str(orjson.loads(b"".join((b'"', piece, b'"')))).encode()
    except ValueError:
        raise ApiError("malformedData") from None


def _from_base64(texts: Iterable[bytes]) -> Iterator[bytes]:
    decoder = Base64Decoder()
    for text in texts:
        if piece := decoder.feed(text):
            yield piece
    decoder.close()


class Base64Decoder:
    """Takes base64 in pieces of any length. Raises ApiError `badData`, key `base64`, for what is none."""

    def __init__(self) -> None:
        self._rest = b""
        self._padded = False

    def feed(self, text: bytes) -> bytes:
        """What can be decoded so far."""
        rest = self._rest + text
        cut = len(rest) - len(rest) % 4
        self._rest = rest[cut:]
        if not cut:
            return b""
        # Padding belongs at the very end.
        if self._padded:
            raise _bad_base64()
        piece = _decode(rest[:cut])
        self._padded = len(piece) != cut // 4 * 3
        return piece

    def close(self) -> None:
        """No more comes."""
        if self._rest:
            raise _bad_base64()


def _decode(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise _bad_base64() from None


def _bad_base64() -> ApiError:
    return ApiError("badData", {"key": "base64"})


def base64_length(size_bytes: int) -> int:
    """Characters of so many bytes in base64."""
    return -(-size_bytes // 3) * 4


async def to_base64(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Base64 of pieces of any length, as one text."""
    rest = b""
    async for piece in pieces:
        whole = rest + piece
        cut = len(whole) - len(whole) % 3
        rest = whole[cut:]
        if cut:
            yield base64.b64encode(whole[:cut])
    if rest:
        yield base64.b64encode(rest)


async def to_text(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The inside of a JSON string with this content. Raises UnicodeDecodeError for what is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    async for piece in pieces:
        yield orjson.dumps(decoder.decode(piece))[1:-1]
    decoder.decode(b"", final=True)


async def text_length(pieces: AsyncIterator[bytes]) -> int | None:
    """Bytes that `to_text` gives of this content, or None when it is no UTF-8."""
    try:
        return sum([len(piece) async for piece in to_text(pieces)])
    except UnicodeDecodeError:
        return None


def value_range(asked: tuple[int, int] | None, size_bytes: int) -> str:
    """The field `valuerange`: what was asked, else the whole, which is `0--1` when there is nothing."""
    first, last = asked or (0, size_bytes - 1)
    return f"{first}-{last}"


def content_type_of(mimetype: str | None, encoding: str) -> tuple[str, str | None]:
    """`Content-Type` of a new value; and its media type where that cannot stand in a header."""
    in_header = mimetype is None or _PLAIN_TYPE.fullmatch(mimetype) is not None
    told = mimetype if mimetype and in_header else DEFAULT_MIMETYPE
    return told + ("; charset=utf-8" if encoding == UTF8 else ""), None if in_header else mimetype
