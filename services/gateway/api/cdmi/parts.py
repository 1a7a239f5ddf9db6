"""Data objects in parts (`multipart/mixed`): JSON first, then the value as it is."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from runtime.auth import as_caller, caller, caller_blob
from runtime.errors import Aborted
from runtime.http.cdmi import MULTIPART, OBJECT, Range
from runtime.http.multipart import Parser, PartEnd, boundary_of, malformed
from services.gateway.api.http import Answer, Headers, Request
from services.gateway.api.namespace import id_of
from services.gateway.api.ports import DataPort
from services.gateway.domain.cdmi.scanning import Scanner
from services.gateway.domain.cdmi.values import UTF8, InParts
from services.gateway.domain.files import DEFAULT_MIMETYPE, FileRecord

_PARTIAL = 206
#: What would end a line of a part's head.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
#: Only the storages bound what a body in parts may have.
_MAX_BODY_BYTES = 1 << 62


async def split(request: Request, ranges: Sequence[Range]) -> tuple[Scanner, InParts | None]:
    """The JSON of a body in parts, and the value that follows, None where none does.

    The value is not read yet. Raises ApiError `badData`: `boundary`, `multipart` for what is malformed and
    for a first part that is no CDMI object.
    """
    boundary = boundary_of(request.header(b"content-type") or "")
    chunks = request.chunks(_MAX_BODY_BYTES)
    parser, scanner = Parser(boundary), Scanner()
    async for chunk in chunks:
        if _scan(parser, chunk, scanner):
            break
    else:
        raise malformed()
    rest = parser.pending
    while len(rest) < len(b"--") and not parser.done:
        chunk = await anext(chunks, b"")
        if not chunk:
            raise malformed()
        rest += chunk
    if rest.startswith(b"--"):
        return scanner, None
    return scanner, InParts(boundary, _raw(b"--" + boundary + rest, chunks), tuple(ranges))


def _scan(parser: Parser, chunk: bytes, scanner: Scanner) -> bool:
    """Whether the first part is over."""
    for event in parser.feed(chunk):
        if isinstance(event, PartEnd):
            return True
        if isinstance(event, bytes):
            scanner.feed(event)
        elif event.media_type.removesuffix("+json") != OBJECT:
            raise malformed()
    return False


async def _raw(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the value: its head, and what is to be asked for, None where nothing is there."""

    head: bytes
    length: int
    asked: Mapping[str, str] | None


class ValueInParts:
    """The answer to a GET in parts. The value, or each range of it, is a part of its own.

    `described`: the JSON. `ranges`: cut at the end of the value; of what lies behind it there is nothing.
    """

    def __init__(self, data_port: DataPort, file: FileRecord, described: bytes) -> None:
        boundary = secrets.token_hex(16)
        self.headers: Headers = ((b"content-type", f"{MULTIPART}; boundary={boundary}".encode()),)
        self._data_port = data_port
        self._file = file
        self._caller = caller(), caller_blob()
        self._delimiter = b"\r\n--" + boundary.encode()
        opening = b"%b\r\nContent-Type: %b\r\n\r\n%b" % (self._delimiter, OBJECT.encode(), described)
        # The first delimiter is the first line.
        self._opening = opening[2:]
        self._closing = self._delimiter + b"--\r\n"

    def without(self) -> Answer:
        """The JSON alone."""
        return self._answer([])

    async def answer(self, ranges: Sequence[Range]) -> Answer:
        """With the value. Raises what reading it raises."""
        head = await self._data_port.fetch(id_of(self._file), {}, head=True)
        await head.close()
        tag = dict(head.headers).get(b"etag", b"").decode()
        size = head.length or 0
        if not ranges:
            return self._answer([self._part((0, size - 1), size, tag, is_range=False)])
        return self._answer([self._part(asked, size, tag, is_range=True) for asked in ranges])

    def _part(self, asked: Range, size: int, tag: str, *, is_range: bool) -> _Part:
        first, last = asked[0], min(asked[1], size - 1)
        length = max(0, last - first + 1)
        lines = [f"Content-Type: {self._media_type()}", f"Content-Length: {length}"]
        if is_range:
            lines.append(f"Content-Range: bytes {f'{first}-{last}' if length else '*'}/{size}")
        text = self._delimiter + "".join(f"\r\n{line}" for line in lines).encode() + b"\r\n\r\n"
        headers = {"range": f"bytes={first}-{last}", **({"if-range": tag} if tag else {})}
        return _Part(text, length, headers if length else None)

    def _media_type(self) -> str:
        stored = _UNSAFE.sub("", self._file.mimetype) or DEFAULT_MIMETYPE
        return f"{stored}; charset=utf-8" if self._file.value_transfer_encoding == UTF8 else stored

    def _answer(self, parts: Sequence[_Part]) -> Answer:
        length = len(self._opening) + len(self._closing) + sum(len(part.head) + part.length for part in parts)
        return Answer(200, headers=self.headers, stream=self._pieces(parts), length=length)

    async def _pieces(self, parts: Sequence[_Part]) -> AsyncIterator[bytes]:
        yield self._opening
        for part in parts:
            yield part.head
            if part.asked is not None:
                async for piece in self._content(part.asked, part.length):
                    yield piece
        yield self._closing

    async def _content(self, asked: Mapping[str, str], length: int) -> AsyncIterator[bytes]:
        """Raises Aborted when the content was replaced since, which breaks the answer off."""
        # The answer is sent when the request is no longer under way.
        with as_caller(*self._caller):
            found = await self._data_port.fetch(id_of(self._file), asked)
        try:
            if found.status != _PARTIAL or found.length != length:
                raise Aborted("the content was replaced while it was read")
            async for piece in found.pieces():
                yield piece
        finally:
            await found.close()
