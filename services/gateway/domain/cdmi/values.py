"""The `value` of a data object: how it stands in JSON, and how it is cut into pieces.

A value may be large, so it is never decoded whole: it is checked once in slices, then decoded again slice by
slice while it is sent.
"""

from __future__ import annotations

import base64
import binascii
import codecs
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from runtime.http.errors import ApiError

UTF8: Final = "utf-8"
BASE64: Final = "base64"
ENCODINGS: Final = (UTF8, BASE64)

#: Characters decoded at a time; a multiple of 4, so that base64 may be cut there.
_SLICE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it came in JSON. `size_bytes`: decoded."""

    text: str
    encoding: str
    size_bytes: int

    @classmethod
    def check(cls, text: str, encoding: str) -> Value:
        """Raises ApiError `badData`, key `base64`, for what does not decode."""
        return cls(text, encoding, sum(len(piece) for piece in _decoded(text, encoding)))

    async def pieces(self) -> AsyncIterator[bytes]:
        """The decoded bytes."""
        for piece in _decoded(self.text, self.encoding):
            yield piece


def _decoded(text: str, encoding: str) -> Iterator[bytes]:
    for start in range(0, len(text), _SLICE):
        part = text[start : start + _SLICE]
        if encoding == UTF8:
            yield part.encode()
            continue
        piece = _from_base64(part)
        # Padding belongs at the very end.
        if start + _SLICE < len(text) and len(piece) != _SLICE // 4 * 3:
            raise ApiError("badData", {"key": "base64"})
        yield piece


def _from_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, and text that is not ASCII
        raise ApiError("badData", {"key": "base64"}) from None


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
