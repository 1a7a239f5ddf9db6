"""Chunked bodies, decoded so that it is known where they end: what follows is the next request."""

from __future__ import annotations

import re

from services.storage_router.api.data_port.head import BadRequest

#: Longest line of a chunk's size with its extensions.
MAX_LINE_BYTES = 1024
#: Most bytes of trailers, which are thrown away.
MAX_TRAILER_BYTES = 8 * 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_CRLF = b"\r\n"


class ChunkedDecoder:
    """Takes a body out of a buffer piece by piece. BadRequest for what is no chunked body."""

    def __init__(self) -> None:
        self._left = 0
        self._after_chunk = False
        self._in_trailers = False
        self._trailer_bytes = 0
        self.done = False

    def take(self, buffer: bytearray, limit: int) -> bytearray:
        """Removes what can be decoded from the start of `buffer`; at most `limit` bytes come out."""
        found = bytearray()
        while not self.done and len(found) < limit:
            if self._left:
                part = min(self._left, len(buffer), limit - len(found))
                if not part:
                    break
                with memoryview(buffer) as view:
                    found += view[:part]
                del buffer[:part]
                self._left -= part
                self._after_chunk = not self._left
            elif not self._take_line(buffer):
                break
        return found

    def _take_line(self, buffer: bytearray) -> bool:
        end = buffer.find(_CRLF, 0, MAX_LINE_BYTES + 2)
        if end < 0:
            if len(buffer) > MAX_LINE_BYTES:
                raise BadRequest()
            return False
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        if self._after_chunk:
            if line:
                raise BadRequest()
            self._after_chunk = False
        elif self._in_trailers:
            self._take_trailer(line)
        else:
            self._take_size(line)
        return True

    def _take_size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise BadRequest()
        self._left = int(match[1], 16)
        self._in_trailers = not self._left

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line) + 2
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise BadRequest()
        self.done = not line
