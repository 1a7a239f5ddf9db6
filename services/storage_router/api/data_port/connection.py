"""One client connection: bytes in, bytes out, time limits.

Requests of one connection are served one after another by one task (`routes.serve`); what a client sends
ahead waits in the buffer and, past its bound, in the client's own kernel.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import time
from typing import Protocol, cast

from services.storage_router.api.data_port.head import BadRequest, Head, find_end, parse
from services.storage_router.api.data_port.limits import Limits

#: What the kernel may hold of an answer on a Unix socket, as far as `net.core.wmem_max` lets it. Measured: a
#: quarter less processor time of ours for a large body.
UNIX_SEND_BUFFER_BYTES = 1 << 20
#: Bytes that may wait in the buffer before reading pauses; a small body and a head fit.
MAX_BUFFERED_BYTES = 320 * 1024


class ClientGone(Exception):
    """The client closed, broke or stalled the connection; nobody is left to answer."""


class Owner(Protocol):
    """Who listens and keeps the connections."""

    limits: Limits
    stopping: bool

    def trusts(self, peer_ip: str) -> bool:
        """Whether a TCP peer is the front door or a service of this provider."""
        ...

    def connected(self, connection: Connection) -> None:
        """A client came."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """It is gone."""
        ...


class Connection(asyncio.Protocol):
    """The protocol of one connection. All methods run on the event loop."""

    def __init__(self, port: Owner) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._data_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._eof = False
        self.buffer = bytearray()
        self.lost = False
        self.idle = True
        self.deadline_s = math.inf
        #: Whether the peer is the front door, whose word on clients is taken.
        self.is_trusted = False
        self.peer_ip = ""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Large bodies bypass the transport; its own buffer only ever holds heads and small bodies.
        self._transport.set_write_buffer_limits(high=256 * 1024)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer_ip = str(peer[0])
            self.is_trusted = self._port.trusts(self.peer_ip)
        else:
            self.is_trusted = True
            # The default holds three pieces of a large body: the front door and we would wait for each other.
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, UNIX_SEND_BUFFER_BYTES
            )
        self._port.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        _wake(self._data_waiter)
        _wake(self._drain_waiter)
        self._port.disconnected(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > MAX_BUFFERED_BYTES:
            self.pause_reading()
        _wake(self._data_waiter)

    def eof_received(self) -> bool:
        self._eof = True
        _wake(self._data_waiter)
        return True  # The client may still read; the answer goes out before the connection closes.

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        _wake(self._drain_waiter)

    # -- reading ---------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Leaves what comes in the kernel. Takes effect at once."""
        if not self._reading_paused and self._transport is not None and not self.lost:
            self._transport.pause_reading()
            self._reading_paused = True

    async def more(self) -> None:
        """Returns when the buffer has grown. ClientGone when it never will."""
        if self.lost or self._eof:
            raise ClientGone
        if self._reading_paused and self._transport is not None:
            self._transport.resume_reading()
            self._reading_paused = False
        self._data_waiter = self._loop.create_future()
        try:
            await self._data_waiter
        finally:
            self._data_waiter = None
        if self.lost:
            raise ClientGone

    async def read_head(self) -> Head | None:
        """The next request, or None when the client has none. BadRequest, ClientGone."""
        limits = self._port.limits
        self.idle = True
        self.set_timeout(limits.idle_timeout_s)
        scanned = 0
        while True:
            while self.buffer[:2] == b"\r\n":
                del self.buffer[:2]  # Some clients end a body with a line break nobody asked for.
            if self.buffer:
                if self.idle:
                    self.idle = False
                    self.set_timeout(limits.head_timeout_s)
                end = find_end(self.buffer, scanned)
                if end >= 0:
                    return self._take_head(end)
                scanned = len(self.buffer)
            elif self._eof:
                return None
            await self.more()

    def _take_head(self, end: int) -> Head:
        raw = bytes(self.buffer[:end])
        del self.buffer[:end]
        self.set_timeout(None)
        return parse(raw)

    def set_timeout(self, seconds: float | None) -> None:
        """The connection ends unless this is called again in time; None is for ever."""
        self.deadline_s = math.inf if seconds is None else time.monotonic() + seconds

    # -- writing ---------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends, or queues in memory. Small things only; `drain` before more. ClientGone."""
        if self.lost or self._transport is None:
            raise ClientGone
        self._transport.write(data)

    async def drain(self) -> None:
        """Returns when little is queued. ClientGone when the client does not take it in time."""
        if not self._writing_paused or self.lost:
            return
        self.set_timeout(self._port.limits.stall_timeout_s)
        self._drain_waiter = self._loop.create_future()
        try:
            await self._drain_waiter
        finally:
            self._drain_waiter = None
            self.set_timeout(None)
        if self.lost:
            raise ClientGone

    async def flushed(self) -> None:
        """Returns when nothing is queued any more, so that somebody else may write to the socket."""
        if self._transport is None or self.lost:
            raise ClientGone
        if self._transport.get_write_buffer_size() == 0:
            return
        self._transport.set_write_buffer_limits(high=0)
        self._writing_paused = True
        try:
            await self.drain()
        finally:
            if not self.lost:
                self._transport.set_write_buffer_limits(high=256 * 1024)

    def gather(self, *, on: bool) -> None:
        """Whether the kernel may wait for more before it sends the end of what it was given.

        Off but for the middle of a large body, where sending each piece at once costs a tenth of the rate.
        Turning it off sends what has gathered.
        """
        if self.lost or self._transport is None or not self.peer_ip:
            return  # Unix sockets have no such thing
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not on)

    def borrow_descriptor(self) -> int:
        """A second descriptor of the socket, which the borrower closes.

        A number of its own: if the connection breaks meanwhile, the number of the first may be given to
        the next client.
        """
        if self.lost or self._transport is None:
            raise ClientGone
        return os.dup(self._transport.get_extra_info("socket").fileno())

    # -- the end ---------------------------------------------------------------------------------------

    def end_of_input(self) -> None:
        """Tells the client that no more will be sent."""
        if not self.lost and self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Closes after what is queued was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Breaks the connection off, so that the client cannot take half an answer for a whole one."""
        if self._transport is not None:
            self._transport.abort()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


__all__ = ["MAX_BUFFERED_BYTES", "BadRequest", "ClientGone", "Connection"]
