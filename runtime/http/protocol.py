"""uvicorn's HTTP protocol, with what a small request costs it taken out; how it behaves stays uvicorn's.

- An application may send its whole answer as one message (`WHOLE`, told as an extension of ASGI), which
  leaves in one write; the lines of headers, few of which differ, are checked and made once.
- A connection has one timer for the time it is kept without a request, not a new one after each answer.
- An ordinary target is divided, not parsed.
"""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

#: A message with `status`, `headers` and the whole `body`: what `http.response.start` and
#: `http.response.body` say in two. `content-length` is among the headers, where the answer has a length.
WHOLE = "isthmus.response.whole"

_EXTENSIONS: dict[str, dict[object, object]] = {WHOLE: {}}
#: The line of a longer value is not remembered.
_SHORT_BYTES = 128
#: A longer body is not copied behind its head.
_COPIED_BYTES = 16 * 1024
#: The server's own to say.
_RESERVED = frozenset({b"connection", b"transfer-encoding"})


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    #: When the connection ends if nothing comes, on the loop's clock; infinite while a request is answered.
    _kept_until_s = math.inf

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = _EXTENSIONS

    def on_headers_complete(self) -> None:
        scope, parser = self.scope, self.parser
        http_version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if http_version != "1.1":
            scope["http_version"] = http_version
        raw_path, query = _divided(self.url)
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        app = self.app
        limit = self.limit_concurrency
        if limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit):
            app = service_unavailable
            self.logger.warning("Exceeded concurrency limit.")
        before = self.cycle
        self.cycle = _Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=http_version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, app))

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._kept_until_s = self.loop.time() + self.timeout_keep_alive
        if self.timeout_keep_alive_task is None:
            self._ring_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        # The timer stays: nearly always it rings for a later end, or for none.
        self._kept_until_s = math.inf

    def timeout_keep_alive_handler(self) -> None:
        """Ends the connection, if it is time."""
        self.timeout_keep_alive_task = None
        left_s = self._kept_until_s - self.loop.time()
        if left_s <= 0:
            super().timeout_keep_alive_handler()
        elif left_s < math.inf:
            self._ring_in(left_s)

    def _ring_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)


class _Cycle(RequestResponseCycle):
    """One request and its answer."""

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI, and `WHOLE`."""
        whole = cast(dict[str, Any], message)
        if whole["type"] != WHOLE:
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            raise RuntimeError("the answer has begun already")
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[whole["status"]]]
        lines += [_line(name, value) for name, value in self.default_headers]
        lines += [_line(name, value) for name, value in whole["headers"]]
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        body = b"" if self.scope["method"] == "HEAD" else whole["body"]
        if len(body) <= _COPIED_BYTES:
            lines.append(body)
        self.transport.write(b"".join(lines))
        if len(body) > _COPIED_BYTES:
            self.transport.write(body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _divided(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target. Raises HttpParserInvalidURLError."""
    if url.startswith(b"/") and not url.startswith(b"//") and b"#" not in url and url.isascii():
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path, parsed.query or b""


def _line(name: bytes, value: bytes) -> bytes:
    """A header as it is sent. RuntimeError for one that no answer may have."""
    return _short_line(name, value) if len(value) <= _SHORT_BYTES else _made_line(name, value)


def _made_line(name: bytes, value: bytes) -> bytes:
    name = name.lower()
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) or name in _RESERVED:
        raise RuntimeError("Invalid HTTP header.")
    return b"%b: %b\r\n" % (name, value)


_short_line = lru_cache(4096)(_made_line)
