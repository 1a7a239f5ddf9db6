"""The value of a data object as it stands in JSON, in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from runtime.errors import Aborted
from runtime.http.cdmi import Range
from runtime.http.file_ids import FileId
from services.gateway.api.ports import Content, DataPort, Fetched
from services.gateway.domain.cdmi import values
from services.gateway.domain.cdmi.values import BASE64, UTF8

#: Values up to this size are read as one piece.
_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class ToldValue:
    """A value that is open. `length`: bytes of its pieces. `size_bytes`: of the whole content."""

    encoding: str
    length: int
    size_bytes: int
    content: Content

    async def pieces(self) -> AsyncIterator[bytes]:
        """The inside of the JSON string.

        Raises Aborted when the content was replaced since it was opened.
        """
        left = self.length
        pieces = pieces_of(self.content)
        try:
            async for piece in values.to_text(pieces) if self.encoding == UTF8 else values.to_base64(pieces):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
        except UnicodeDecodeError as error:
            raise Aborted("the content was replaced while it was read") from error
        if left:
            raise Aborted("the content was replaced while it was read")

    async def close(self) -> None:
        """For a value that is not read."""
        await self.content.close()


async def tell(data_port: DataPort, file: FileId, asked: Range | None, encoding: str) -> ToldValue:
    """Opens a value, or a part of it. What is no text is told in base64, whatever `encoding` says."""
    first, last = asked or (0, None)
    text_length: int | None = None
    content = await data_port.open(file, first, last)
    if _length_of(asked, content.size_bytes) <= _SMALL:
        content = await _Held.of(content)
    if encoding == UTF8:
        # Whether it is text at all shows only at its end, and is told before it: so it is read twice.
        text_length = await values.text_length(pieces_of(content))
        if not isinstance(content, _Held):
            content = await data_port.open(file, first, last)
    if text_length is not None:
        return ToldValue(UTF8, text_length, content.size_bytes, content)
    length = values.base64_length(_length_of(asked, content.size_bytes))
    return ToldValue(BASE64, length, content.size_bytes, content)


async def pieces_of(content: Content | Fetched) -> AsyncIterator[bytes]:
    """What is open, closed at the end."""
    try:
        async for piece in content.pieces():
            yield piece
    finally:
        await content.close()


def _length_of(asked: Range | None, size_bytes: int) -> int:
    """How many bytes a range has once cut at the end of the file."""
    if asked is None:
        return size_bytes
    return max(0, min(asked[1], size_bytes - 1) - asked[0] + 1)


@dataclass(frozen=True, slots=True)
class _Held:
    """Little content, held in memory: it can be read again."""

    content: bytes
    size_bytes: int

    @classmethod
    async def of(cls, content: Content) -> Content:
        return cls(b"".join([piece async for piece in pieces_of(content)]), content.size_bytes)

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self.content

    async def close(self) -> None:
        """Nothing is open."""
