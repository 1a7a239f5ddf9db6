"""Bodies of several parts (RFC 2046), taken apart while they come.

Nothing is held but the head of one part and what may be the beginning of a delimiter. Where the chunks of a
body end changes nothing of what is found or refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from runtime.http.errors import ApiError
from runtime.http.media import split_parameters

#: Headers of one part.
MAX_HEAD_BYTES: Final = 16 * 1024
#: What may stand before the first delimiter, for readers who know no multipart.
MAX_PREAMBLE_BYTES: Final = 64 * 1024
#: Parts of one body.
MAX_PARTS: Final = 256
#: Blanks that gateways of mail may leave behind a delimiter.
_MAX_PADDING: Final = 64

_CRLF: Final = b"\r\n"
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]", re.ASCII)
_HEADER: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


@dataclass(frozen=True, slots=True)
class PartHead:
    """What stands before the content of a part. Names of headers are lower-case."""

    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """Type and subtype, lower-case; empty where none is told."""
        return split_parameters(self.headers.get("content-type", ""))[0]

    @property
    def charset(self) -> str:
        """The charset of the content, lower-case; empty where none is told."""
        return split_parameters(self.headers.get("content-type", ""))[1].get("charset", "").lower()

    @property
    def length(self) -> int | None:
        """Bytes of the content, where that is told. Raises ApiError `badData`, key `content-length`."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > 19:
            raise ApiError("badData", {"key": "content-length"})
        return int(text)


class PartEnd:
    """The content of a part is over."""


#: A part comes as its head, its content in pieces of any length, and its end.
Event = PartHead | bytes | PartEnd


def boundary_of(content_type: str) -> bytes:
    """The boundary a `Content-Type` names. Raises ApiError `badData`, key `boundary`."""
    boundary = split_parameters(content_type)[1].get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise ApiError("badData", {"key": "boundary"})
    return boundary.encode()


def malformed() -> ApiError:
    """A body that is no multipart, or breaks off."""
    return ApiError("badData", {"key": "multipart"})


class _State(Enum):
    PREAMBLE = 1
    DELIMITER = 2
    HEAD = 3
    CONTENT = 4
    EPILOGUE = 5


class Parser:
    """Fed with a body chunk by chunk; tells what it finds. What follows the last delimiter is ignored."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = _CRLF + b"--" + boundary
        # The first delimiter may be the very first line.
        self._buffer = _CRLF
        self._state = _State.PREAMBLE
        #: The line end after the head belongs to it, unless the delimiter follows at once.
        self._lead = 0
        self._preamble_bytes = 0
        self._parts = 0

    @property
    def done(self) -> bool:
        """Whether the last delimiter was found."""
        return self._state is _State.EPILOGUE

    @property
    def pending(self) -> bytes:
        """What was fed and not told of yet."""
        return self._buffer

    def feed(self, chunk: bytes | bytearray) -> Iterator[Event]:
        """What the next bytes complete; to be exhausted before more are fed.

        Raises ApiError `badData`, key `multipart`, for what is none, and `limitReached`.
        """
        self._buffer = self._buffer + chunk if self._buffer else bytes(chunk)
        steps = {
            _State.PREAMBLE: self._skip_preamble,
            _State.DELIMITER: self._take_delimiter,
            _State.HEAD: self._take_head,
            _State.CONTENT: self._take_content,
        }
        while not self.done:
            state = self._state
            yield from steps[state]()
            if self._state is state:
                return
        self._buffer = b""

    def close(self) -> None:
        """The body is over. Raises ApiError `badData`, key `multipart`, when it broke off."""
        if not self.done:
            raise malformed()

    def _skip_preamble(self) -> Iterator[Event]:
        end = self._buffer.find(self._delimiter)
        skipped = end if end >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        self._preamble_bytes += skipped
        if self._preamble_bytes > MAX_PREAMBLE_BYTES:
            raise malformed()
        self._buffer = self._buffer[skipped:]
        if end >= 0:
            self._pass_delimiter(0)
        yield from ()

    def _pass_delimiter(self, at: int) -> None:
        self._buffer = self._buffer[at + len(self._delimiter) :]
        self._state = _State.DELIMITER

    def _take_delimiter(self) -> Iterator[Event]:
        """What follows a delimiter says whether it was the last one."""
        yield from ()
        if self._buffer.startswith(b"--"):
            self._state = _State.EPILOGUE
            return
        rest = self._buffer.lstrip(b" \t")
        padding = len(self._buffer) - len(rest)
        if padding > _MAX_PADDING:
            raise malformed()
        if rest.startswith(_CRLF):
            self._buffer = rest
            self._begin_part()
        elif rest not in (b"", b"\r") and (padding or rest != b"-"):
            raise malformed()

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ApiError("limitReached", {"limit": MAX_PARTS, "resourceDescription": "parts of a body"})
        self._state = _State.HEAD

    def _take_head(self) -> Iterator[Event]:
        end = self._buffer.find(_CRLF + _CRLF)
        if max(end, len(self._buffer) - 3 if end < 0 else 0) > MAX_HEAD_BYTES:
            raise ApiError(
                "limitReached",
                {"limit": MAX_HEAD_BYTES, "resourceDescription": "bytes in the head of a part"},
            )
        if end < 0:
            return
        head = PartHead(dict(_headers(self._buffer[2:end])) if end else {})
        self._buffer = self._buffer[end + 2 :]
        self._lead = 2
        self._state = _State.CONTENT
        yield head

    def _take_content(self) -> Iterator[Event]:
        end = self._buffer.find(self._delimiter)
        safe = end if end >= 0 else self._safe()
        if safe > self._lead:
            content = self._buffer[self._lead : safe]
            self._buffer = self._buffer[safe:]
            self._lead = 0
            yield content
            end = 0 if end >= 0 else end
        if end >= 0:
            self._pass_delimiter(end)
            yield PartEnd()

    def _safe(self) -> int:
        """How much of the buffer cannot belong to a delimiter whose rest is still to come."""
        start = max(0, len(self._buffer) - len(self._delimiter) + 1)
        at = self._buffer.find(b"\r", start)
        while at >= 0 and not self._delimiter.startswith(self._buffer[at:]):
            at = self._buffer.find(b"\r", at + 1)
        return len(self._buffer) if at < 0 else at


def _headers(block: bytes) -> Iterator[tuple[str, str]]:
    seen = set()
    try:
        lines = block.decode().split("\r\n")
    except UnicodeDecodeError:
        raise malformed() from None
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None or (name := match[1].lower()) in seen:
            raise malformed()
        seen.add(name)
        yield name, match[2].rstrip(" \t")
