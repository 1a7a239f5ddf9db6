"""The body of one request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from runtime.http.errors import ApiError
from runtime.http.hearing import is_reset_when_refused
from services.storage_router.api.data_port.chunked import ChunkedDecoder
from services.storage_router.api.data_port.connection import ClientGone, Connection
from services.storage_router.api.data_port.head import BadRequest, Head

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: A rest of a refused body up to this size is read and thrown away; beyond, the connection ends.
MAX_DISCARDED_BYTES = 64 * 1024
#: Pieces of a body that does not go straight to a descriptor.
PIECE_BYTES = 1 << 20

#: How long, and how much, a client may go on sending before it is told of a refusal.
_HEAR_OUT_S = 20.0
_HEAR_OUT_BYTES = 1 << 30


class Body:
    """Bytes behind a head. Nothing is taken before `allow`."""

    def __init__(self, connection: Connection, head: Head, stall_timeout_s: float) -> None:
        self._connection = connection
        self._decoder = ChunkedDecoder() if head.content_length is None else None
        self._left = head.content_length or 0
        self._continue_due = head.expects_continue and head.has_body
        self._is_reset_when_refused = is_reset_when_refused(head.headers)
        self._ahead = bytearray()
        self._stall_timeout_s = stall_timeout_s
        self.received_bytes = 0

    @property
    def length(self) -> int | None:
        """Bytes still to come; None while that is unknown."""
        if self._decoder is None:
            return self._left
        return len(self._ahead) if self._decoder.done else None

    @property
    def done(self) -> bool:
        """Whether all of it was taken."""
        return self.length == 0

    @property
    def can_keep_alive(self) -> bool:
        """Whether the connection can go on after an answer that is given now."""
        length = self.length
        return self.done or (not self._continue_due and length is not None and length <= MAX_DISCARDED_BYTES)

    @property
    def is_held_back(self) -> bool:
        """Whether the client sends nothing of it before it is told that it may."""
        return self._continue_due

    def hold(self) -> None:
        """Leaves the body in the client's hands until it is asked for."""
        self._connection.pause_reading()

    def peek(self, limit: int) -> None:
        """Decodes what has already arrived of a chunked body: `length` may be known then."""
        if self._decoder is not None and not self._continue_due and len(self._ahead) < limit:
            self._ahead += self._decoder.take(self._connection.buffer, limit - len(self._ahead))

    def allow(self) -> None:
        """The body is welcome: says so if the client waits for that."""
        if self._continue_due:
            self._continue_due = False
            self._connection.write(_CONTINUE)

    def take_buffered(self) -> bytearray:
        """What has arrived of a body of known length; the rest is `length` bytes on the descriptor."""
        return self._take(self._left)

    def took(self, count: int) -> None:
        """Somebody else read `count` bytes from the descriptor."""
        self._left -= count
        self.received_bytes += count

    async def pieces(self) -> AsyncIterator[bytearray]:
        """The body in pieces of 1 MiB, the last one shorter. ClientGone, BadRequest."""
        self.allow()
        piece = bytearray()
        while not self.done:
            piece += self._take(PIECE_BYTES - len(piece))
            if len(piece) == PIECE_BYTES:
                yield piece
                piece = bytearray()
            elif not self.done:
                await self._more()
        if piece:
            yield piece

    async def read(self, limit: int) -> bytearray:
        """All of it. ApiError `malformedData` when it is longer than `limit`."""
        self.allow()
        found = self._take(limit + 1)
        while not self.done:
            if len(found) > limit:
                raise ApiError("malformedData")
            await self._more()
            found += self._take(limit + 1 - len(found))
        if len(found) > limit:
            raise ApiError("malformedData")
        return found

    async def discard(self) -> None:
        """Reads what is left and throws it away, so that the next request can be found."""
        while not self.done:
            self._take(PIECE_BYTES)
            if not self.done:
                await self._more()

    async def hear_out(self, *, limit_bytes: int = _HEAR_OUT_BYTES, timeout_s: float = _HEAR_OUT_S) -> None:
        """Before a refusal: throws away what the client sends unasked, up to a bound. ClientGone.

        Many clients send all before they read, and a front door that has an answer stops reading: its close
        would then be a reset, which takes the answer with it. What is announced to be beyond the bound is not
        waited for, nor what a client holds back, unless the front door would reset its stream.
        """
        if self._left > limit_bytes or (self._continue_due and not self._is_reset_when_refused):
            return
        self.allow()
        end = self.received_bytes + limit_bytes
        with contextlib.suppress(TimeoutError, BadRequest):
            async with asyncio.timeout(timeout_s):
                while not self.done and self.received_bytes < end:
                    self._take(PIECE_BYTES)
                    if not self.done:
                        await self._more()

    def _take(self, limit: int) -> bytearray:
        if self._decoder is not None:
            taken = self._take_chunked(limit)
        else:
            count = min(limit, self._left, len(self._connection.buffer))
            taken = self._connection.buffer[:count]
            del self._connection.buffer[:count]
            self._left -= count
        self.received_bytes += len(taken)
        return taken

    def _take_chunked(self, limit: int) -> bytearray:
        assert self._decoder is not None  # noqa: S101  # for the type checker
        ahead, self._ahead = self._ahead[:limit], self._ahead[limit:]
        if len(ahead) < limit:
            ahead += self._decoder.take(self._connection.buffer, limit - len(ahead))
        return ahead

    async def _more(self) -> None:
        self._connection.set_timeout(self._stall_timeout_s)
        try:
            await self._connection.more()
        finally:
            self._connection.set_timeout(None)


__all__ = ["MAX_DISCARDED_BYTES", "Body", "ClientGone"]
