"""The least of HTTP that the hot routes need: a request read lazily, an answer sent in one message or two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

import orjson

from runtime.http.errors import ApiError
from runtime.http.protocol import WHOLE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON: Headers = ((b"content-type", b"application/json"),)
#: On every answer: only tokens authenticate, so any page may read what its user can.
CORS: Headers = ((b"access-control-allow-origin", b"*"),)


class ClientGone(Exception):
    """The client went away while its body was being read; nobody is left to answer."""


class Request:
    """One request. `raw_path` is as sent, not decoded; header names are lower-case."""

    __slots__ = (
        "_receive", "headers", "is_endless", "method", "peer", "query", "raw_path", "scheme", "takes_whole",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.scheme: str = scope.get("scheme", "http")
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self._receive = receive
        #: Whether the server takes a whole answer as one message.
        self.takes_whole = WHOLE in scope.get("extensions", ())
        #: Whether the answer lasts for as long as the client listens.
        self.is_endless = False

    def header(self, name: bytes) -> str | None:
        """A header as text, blanks around it taken off."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    @property
    def media_type(self) -> str:
        """Type and subtype of `Content-Type`, lower-case, without parameters; empty when there is none."""
        value = self.headers.get(b"content-type", b"")
        return value.decode("latin-1").partition(";")[0].strip().lower()

    @property
    def announces_body(self) -> bool:
        """Whether the headers say that a body follows. A chunked one may still turn out empty."""
        length = self.headers.get(b"content-length")
        if length is not None:
            return length.strip() != b"0"
        return b"transfer-encoding" in self.headers

    async def gone(self) -> None:
        """Returns when the client has gone away. Only once the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def body(self, limit_bytes: int) -> bytearray:
        """The whole body. Raises as `chunks`."""
        body = bytearray()
        async for chunk in self.chunks(limit_bytes):
            body += chunk
        return body

    async def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ClientGone; ApiError `limitReached` for more than `limit_bytes`."""
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 18 or int(length) > limit_bytes):
            raise _too_large(limit_bytes)
        more, taken = True, 0
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            taken += len(chunk)
            if taken > limit_bytes:
                raise _too_large(limit_bytes)
            more = message.get("more_body", False)
            yield chunk


def _too_large(limit_bytes: int) -> ApiError:
    return ApiError(
        "limitReached", {"limit": limit_bytes, "resourceDescription": "bytes in the body of this request"}
    )


class Answer:
    """A status, headers and a body, whole or as a stream of pieces of known total length."""

    __slots__ = ("body", "headers", "length", "status", "stream")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: Headers = (),
        *,
        stream: AsyncIterator[bytes] | None = None,
        length: int | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.stream = stream
        self.length = length

    async def send(self, send: Send, *, head: bool = False, whole: bool = False) -> None:
        """Sends it; `head` keeps the body back. `whole`: in one message, if it is no stream."""
        headers = [*self.headers, *CORS]
        if self.stream is None:
            if self.body or self.status not in (204, 304):
                headers.append((b"content-length", str(len(self.body)).encode()))
        elif self.length is not None:
            headers.append((b"content-length", str(self.length).encode()))
        if whole and self.stream is None:
            body = b"" if head else self.body
            await send({"type": WHOLE, "status": self.status, "headers": headers, "body": body})
            return
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.stream is not None and not head:
            async for piece in self.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": b"" if head else self.body})


def json_answer(value: Any, status: int = 200, headers: Headers = JSON) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, orjson.dumps(value), headers)


def empty(status: int = 204, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer without a body."""
    return Answer(status, b"", to_headers(headers.items()) if headers else ())


def error_answer(error: ApiError) -> Answer:
    """The envelope of an error."""
    return Answer(error.status, error.body(), to_headers(error.headers.items()))


def to_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    """Headers as they go out. Characters that would end a header line never get in."""
    return tuple(
        (name.encode("latin-1"), value.replace("\r", "").replace("\n", "").encode("latin-1", "replace"))
        for name, value in headers
    )
