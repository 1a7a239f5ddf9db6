"""An answer leaves once its request has come in whole, whether or not anybody wanted to read it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from runtime.http.protocol import WHOLE

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


#: The front door says here which HTTP the client speaks.
_PROTOCOL = b"x-isthmus-protocol"


def is_reset_when_refused(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the front door resets the client's stream when the answer comes before all of the request."""
    return headers.get(_PROTOCOL) == b"HTTP/2"


class HearsOut:
    """An ASGI application around another one. What that leaves unread of a body is thrown away before its
    answer begins.

    A front door that has the answer stops taking the request, and over HTTP/2 tells so by a reset; a client
    in the midst of sending may take that for a failure and never look at the answer; over HTTP/1.1 it may
    find the connection broken. A body beyond the bounds is not heard out, nor one whose client waits to be
    asked for it (`Expect`) and never was, unless that is over HTTP/2: there the reset is all that some
    clients see, so they are asked for it.
    """

    def __init__(self, app: Asgi, *, limit_bytes: int = 1 << 30, timeout_s: float = 20.0) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not _brings_body(scope["headers"], self._limit_bytes):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        body = _Body(receive, is_coming=b"expect" not in headers or is_reset_when_refused(headers))

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", WHOLE):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timeout_s):
                        await body.discard(self._limit_bytes)
            await send(message)

        await self._app(scope, body.receive, answer)


class _Body:
    """What is received, and whether all of it has been. `is_coming`: the client sends it unasked."""

    def __init__(self, receive: Receive, *, is_coming: bool) -> None:
        self._receive = receive
        self._is_coming = is_coming
        self._unread = True

    async def receive(self) -> Message:
        """The next message."""
        self._is_coming = True
        message = await self._receive()
        self._unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def discard(self, limit_bytes: int) -> None:
        """Receives until there is no more, or more than allowed."""
        while self._is_coming and self._unread and limit_bytes > 0:
            limit_bytes -= len((await self.receive()).get("body", b""))


def _brings_body(headers: Iterable[tuple[bytes, bytes]], limit_bytes: int) -> bool:
    """Whether a body comes; one that is announced to be beyond the bounds is not waited for."""
    found = dict(headers)
    length = found.get(b"content-length")
    return b"transfer-encoding" in found if length is None else 0 < int(length) <= limit_bytes
