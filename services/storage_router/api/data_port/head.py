"""The head of a request: parsed by httptools, one parser for each head.

A parser is never shown anything behind the head. So what it believes about the length of a body cannot
differ from what `body` does, and a head in which it finds a second one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import httptools

#: Longest head. Tokens are the long part; the front door takes 60 KiB.
MAX_HEAD_BYTES = 64 * 1024
#: Most header lines.
MAX_HEADERS = 100

_END = b"\r\n\r\n"


class BadRequest(Exception):
    """What came is no request this server takes; the connection ends after the answer."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(f"answered with {status}")
        self.status = status


@dataclass(slots=True)
class Head:
    """One request without its body. Header names are lower-case; repeated ones are joined by commas.

    `content_length` is None for a chunked body and 0 without a body.
    """

    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    keep_alive: bool
    content_length: int | None
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        """Whether a body was announced; a chunked one may still turn out empty."""
        return self.content_length != 0


class _Collector:
    """What the parser calls."""

    __slots__ = ("begun", "complete", "count", "headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.count = 0
        self.begun = 0
        self.complete = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes | None) -> None:
        self.count += 1
        if self.count > MAX_HEADERS:
            raise BadRequest(431)
        name = name.lower()
        value = value or b""
        if name in self.headers:
            value = self.headers[name] + b", " + value
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        self.complete = True


def find_end(buffer: bytearray, scanned: int) -> int:
    """Length of the head at the start of a buffer, or -1 while it is not complete.

    The first `scanned` bytes were looked at before. BadRequest when it grows too long.
    """
    end = buffer.find(_END, max(0, scanned - 3), MAX_HEAD_BYTES)
    if end >= 0:
        return end + 4
    if len(buffer) >= MAX_HEAD_BYTES:
        raise BadRequest(431)
    return -1


def parse(raw: bytes) -> Head:
    """A complete head, up to and with its empty line. BadRequest."""
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # A request to change the protocol may be ignored.
    except httptools.HttpParserError as error:
        refusal = error.__context__
        raise refusal if isinstance(refusal, BadRequest) else BadRequest() from None
    if not collector.complete or collector.begun != 1:
        raise BadRequest()
    headers = collector.headers
    version = parser.get_http_version()
    if version not in ("1.0", "1.1"):
        raise BadRequest(505)
    http_1_1 = version == "1.1"
    path, _, query = _origin_form(collector.target).partition(b"?")
    return Head(
        method=parser.get_method().decode("ascii"),
        path=path,
        query=query,
        headers=headers,
        keep_alive=_keep_alive(headers, http_1_1),
        content_length=_content_length(headers, http_1_1),
        expects_continue=http_1_1 and headers.get(b"expect", b"").lower() == b"100-continue",
    )


def _origin_form(target: bytes) -> bytes:
    if target.startswith(b"/"):
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise BadRequest()
    return b"/" + rest.partition(b"/")[2]


def _keep_alive(headers: dict[bytes, bytes], http_1_1: bool) -> bool:
    words = headers.get(b"connection", b"").lower()
    return b"close" not in words if http_1_1 else b"keep-alive" in words


def _content_length(headers: dict[bytes, bytes], http_1_1: bool) -> int | None:
    coding = headers.get(b"transfer-encoding")
    length = headers.get(b"content-length")
    if coding is not None:
        if length is not None or not http_1_1 or coding.strip().lower() != b"chunked":
            raise BadRequest()
        return None
    if length is None:
        return 0
    if not length.isdigit() or len(length) > 19:
        raise BadRequest()
    return int(length)
