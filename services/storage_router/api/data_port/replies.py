"""The bytes of answers."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import quote
from wsgiref.handlers import format_date_time

Headers = list[tuple[bytes, bytes]]

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_VISIBLE = re.compile(r"[\x20-\x7e]+")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+*-]+/[\w!#$&^.+*-]+(?:[ \t]*;[\x20-\x7e]*)?", re.ASCII)

DEFAULT_MEDIA_TYPE = "application/octet-stream"


class _Date:
    """The `date` header, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = b"date: " + format_date_time(now).encode() + b"\r\n"
        return self._line


_date = _Date()


def head(status: int, headers: Headers, *, close: bool) -> bytes:
    """Status line and headers. ValueError for a header that would break out of its line."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    raw = b"".join(lines)
    if raw.count(b"\n") != len(lines) or raw.count(b"\r") != len(lines):
        raise ValueError("a header holds a line break")
    end = b"connection: close\r\n\r\n" if close else b"\r\n"
    return _STATUS_LINES[status] + _date.line() + raw + end


@lru_cache(256)
def media_type(stored: str) -> bytes:
    """A stored media type as a header value; what cannot be one becomes the default."""
    if not stored or not _MEDIA_TYPE.fullmatch(stored):
        return DEFAULT_MEDIA_TYPE.encode()
    return stored.encode()


@lru_cache(1024)
def attachment(name: str) -> bytes:
    """`content-disposition` of a download: a plain name for old clients, the exact one for the others."""
    if not name.strip():
        name = "_"
    if _VISIBLE.fullmatch(name) and '"' not in name and "\\" not in name:
        return f'attachment; filename="{name}"'.encode()
    # Raw UTF-8 in quotes is what clients of the original read; control characters must not get there.
    plain = "".join("_" if ord(letter) < 0x20 or ord(letter) == 0x7F else letter for letter in name)
    plain = plain.replace("\\", "\\\\").replace('"', '\\"')
    exact = quote(name.encode("utf-8", "surrogateescape"), safe="")
    return b"attachment; filename=\"%b\"; filename*=UTF-8''%b" % (
        plain.encode("utf-8", "replace"),
        exact.encode(),
    )


def etag(storage_file_id: str, revision: int) -> bytes:
    """A strong validator: replacing the content changes the storage file, patching it the revision."""
    return f'"{storage_file_id.rpartition("/")[2][:32]}-{revision}"'.encode()
