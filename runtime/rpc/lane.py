"""The multiplexed stream between two processes of one host: the same messages without HTTP/2.

gRPC remains the contract, and the only road between hosts. On one host most of what a small call costs is
gRPC's transport, so there the messages of `MuxService.Exchange` travel over a Unix socket, each behind its
length (4 bytes, big-endian). The first frame is the client's signed identity, as in the metadata of the gRPC
stream. The socket has an abstract name, which no crash leaves behind; an instance tells it in Consul as
`lane`, beside the `host_id` on which it can be reached (docs/decisions/0011).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, cast

import structlog
from google.protobuf.message import DecodeError
from isthmus.common.v1 import mux_pb2

from runtime.auth import MAX_BLOB_BYTES, ClusterKey
from runtime.errors import Unauthenticated
from runtime.rpc.mux_limits import CLOSE_MESSAGE_BYTES, MAX_REQUEST_BYTES, MAX_RESULT_BYTES
from runtime.rpc.mux_server import MuxServicer

log = structlog.get_logger(__name__)

#: Frames read ahead, in bytes, before reading pauses.
MAX_AHEAD_BYTES = 8 * 1024 * 1024
#: How long a client may take to say who it is.
HANDSHAKE_TIMEOUT_S = 2.0
#: Clients at the same time; one more is turned away.
MAX_CLIENTS = 1024
#: Longest that calls under way may take when the server stops.
STOP_GRACE_S = 5.0

_LENGTH_BYTES = 4
_BACKLOG = 128
_MAX_REQUEST_FRAME = MAX_REQUEST_BYTES + 2 * CLOSE_MESSAGE_BYTES
_MAX_RESPONSE_FRAME = MAX_RESULT_BYTES + 2 * CLOSE_MESSAGE_BYTES


class Frames(asyncio.Protocol):
    """One end of a connection that carries frames. A frame longer than `limit_bytes` ends it."""

    def __init__(self, limit_bytes: int, on_open: Callable[[Frames], None] | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.on_lost: Callable[[], object] | None = None
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._frames: deque[bytes] = deque()
        self._ahead_bytes = 0
        self._reading_paused = False
        self._writing_paused = False
        self._lost = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def read(self) -> bytes | None:
        """The next frame; None once the other end has gone."""
        while not self._frames:
            if self._lost:
                return None
            self._reader = self._loop.create_future()
            await self._reader
        frame = self._frames.popleft()
        self._ahead_bytes -= len(frame)
        if self._reading_paused and self._ahead_bytes < MAX_AHEAD_BYTES and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return frame

    async def write(self, frame: bytes) -> None:
        """Sends a frame; waits while the other end does not take what was sent. ConnectionError."""
        if self._lost or self._transport is None:
            raise ConnectionResetError("the other end has gone")
        self._transport.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)
        while self._writing_paused and not self._lost:
            self._writer = self._loop.create_future()
            await self._writer

    def close(self) -> None:
        """Ends the connection after what was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        begin, have = 0, len(self._buffer)
        while have - begin >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[begin : begin + _LENGTH_BYTES], "big")
            if length > self.limit_bytes:
                log.warning("lane_frame_too_long", size_bytes=length)
                self.abort()
                return
            end = begin + _LENGTH_BYTES + length
            if end > have:
                break
            self._frames.append(bytes(self._buffer[begin + _LENGTH_BYTES : end]))
            self._ahead_bytes += length
            begin = end
        del self._buffer[:begin]
        if self._ahead_bytes >= MAX_AHEAD_BYTES and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        return False  # neither end ever closes one direction alone

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        _wake(self._reader)
        _wake(self._writer)
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        _wake(self._writer)


class LaneStream:
    """The client's end, used like the stream of a gRPC call."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    @classmethod
    async def open(cls, name: str, identity: bytes) -> LaneStream:
        """Connects to the lane of an instance on this host. OSError when there is none."""
        loop = asyncio.get_running_loop()
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            await loop.sock_connect(connected, _address(name))
            _, frames = await loop.create_unix_connection(lambda: Frames(_MAX_RESPONSE_FRAME), sock=connected)
        except BaseException:
            connected.close()
            raise
        await frames.write(identity)
        return cls(frames)

    async def read(self) -> mux_pb2.ExchangeResponse | None:
        """The next message; None once the server has gone. DecodeError."""
        frame = await self._frames.read()
        return None if frame is None else mux_pb2.ExchangeResponse.FromString(frame)

    async def write(self, message: mux_pb2.ExchangeRequest) -> None:
        """Sends a message. ConnectionError."""
        await self._frames.write(message.SerializeToString())

    def cancel(self) -> None:
        """Ends the stream at once."""
        self._frames.abort()


class _ServedStream:
    """The server's end, used like the context of a gRPC stream."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def read(self) -> mux_pb2.ExchangeRequest | None:
        frame = await self._frames.read()
        return None if frame is None else mux_pb2.ExchangeRequest.FromString(frame)

    async def write(self, message: mux_pb2.ExchangeResponse) -> None:
        await self._frames.write(message.SerializeToString())

    async def abort(self, code: Any, details: str = "") -> NoReturn:
        raise ConnectionAbortedError(f"{code}: {details}")


class LaneServer:
    """Serves what a `MuxServicer` serves to processes of this host."""

    def __init__(self, servicer: MuxServicer, key: ClusterKey, *, label: str) -> None:
        self._servicer = servicer
        self._key = key
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        #: What instances tell each other; no two processes ever have the same.
        self.name = f"isthmus-{label}-{os.getpid()}-{secrets.token_hex(8)}"

    async def start(self) -> None:
        """Listens."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(_address(self.name))
        listener.listen(_BACKLOG)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            # Until a client has said who it is, it may send nothing longer than that.
            lambda: Frames(MAX_BLOB_BYTES, self._opened),
            sock=listener,
        )

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Waits so long for the streams to end; the servicer was told to drain before."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        if self._clients:
            _, late = await asyncio.wait(self._clients, timeout=grace_s)
            for client in late:
                client.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _opened(self, frames: Frames) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            frames.abort()
            return
        client = asyncio.get_running_loop().create_task(self._serve(frames))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)
        frames.on_lost = client.cancel

    async def _serve(self, frames: Frames) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                blob = await frames.read()
            self._key.verify(blob or b"", time.time_ns() // 1_000_000)
            frames.limit_bytes = _MAX_REQUEST_FRAME
            await self._servicer.serve(_ServedStream(frames))
        except (Unauthenticated, TimeoutError, ConnectionError, DecodeError) as error:
            log.warning("lane_refused", error=repr(error))
        except Exception:
            log.exception("lane_failed")
        finally:
            frames.on_lost = None
            with contextlib.suppress(RuntimeError):  # the loop is going
                frames.close()


def _address(name: str) -> str:
    return "\0" + name


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
