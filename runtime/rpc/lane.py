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
from collections.abc import Callable
from typing import Any, cast

import structlog
from google.protobuf.message import DecodeError, Message
from isthmus.common.v1 import mux_pb2

from runtime.auth import MAX_BLOB_BYTES, ClusterKey
from runtime.errors import Unauthenticated
from runtime.identity import Identity
from runtime.rpc.mux_limits import CLOSE_MESSAGE_BYTES, MAX_REQUEST_BYTES, MAX_RESULT_BYTES
from runtime.rpc.mux_server import BadMessage, MuxServicer, ServedStream
from runtime.rpc.wire import ignore, nothing, settle

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
    """One end of a connection that carries messages, each as a frame: a `Wire`.

    `decode` makes a message of a frame. A frame longer than `limit_bytes`, or one that `decode` or
    `on_message` raises on, ends the connection.
    """

    def __init__(
        self,
        limit_bytes: int,
        decode: Callable[[bytes], Any],
        on_open: Callable[[Frames], None] | None = None,
    ) -> None:
        self.limit_bytes = limit_bytes
        self.decode = decode
        self.on_message: Callable[[Any], None] = ignore
        self.on_writable: Callable[[], None] = nothing
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._on_open = on_open
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._paused = False
        self._writing_paused = False
        self.closed = False

    @property
    def writable(self) -> bool:
        """False while the other end does not take what was sent, and once the connection has ended."""
        return not self._writing_paused and not self.closed

    def send(self, message: Message) -> None:
        """Sends a message as a frame."""
        self.send_frame(message.SerializeToString())

    def send_frame(self, frame: bytes) -> None:
        """Sends a frame."""
        if self._transport is not None:
            self._transport.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)

    def pause(self) -> None:
        """No frame is taken until `resume`; what was received of the next ones is kept."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Goes on with what was kept."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
            self._loop.call_soon(self._take_frames)

    def close(self) -> None:
        """Ends the connection after what was sent."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._take_frames()

    def _take_frames(self) -> None:
        buffer, begin, have = self._buffer, 0, len(self._buffer)
        while have - begin >= _LENGTH_BYTES and not self._paused and not self.closed:
            length = int.from_bytes(buffer[begin : begin + _LENGTH_BYTES], "big")
            if length > self.limit_bytes:
                log.warning("lane_frame_too_long", size_bytes=length)
                self.abort()
                break
            end = begin + _LENGTH_BYTES + length
            if end > have:
                break
            frame = bytes(memoryview(buffer)[begin + _LENGTH_BYTES : end])
            begin = end
            try:
                self.on_message(self.decode(frame))
            except Exception as error:  # noqa: BLE001  # told to whoever waits for the end
                settle(self.ended, error)
                self.abort()
        del buffer[:begin]

    def eof_received(self) -> bool:
        return False  # neither end ever closes one direction alone

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        settle(self.ended, None)
        self.on_writable()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self.on_writable()


async def open_lane(name: str, identity: bytes) -> Frames:
    """The client's end, connected to the lane of an instance on this host. OSError when there is none."""
    loop = asyncio.get_running_loop()
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.setblocking(False)
        await loop.sock_connect(connected, _address(name))
        _, frames = await loop.create_unix_connection(
            lambda: Frames(_MAX_RESPONSE_FRAME, mux_pb2.ExchangeResponse.FromString), sock=connected
        )
    except BaseException:
        connected.close()
        raise
    frames.send_frame(identity)
    return frames


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
            lambda: Frames(MAX_BLOB_BYTES, self._identify, self._opened),
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

    def _identify(self, blob: bytes) -> Identity:
        return self._key.verify(blob, time.time_ns() // 1_000_000)

    def _opened(self, frames: Frames) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            frames.abort()
            return
        loop = asyncio.get_running_loop()
        known: asyncio.Future[ServedStream] = loop.create_future()

        def begin(_: Identity) -> None:
            frames.limit_bytes, frames.decode = _MAX_REQUEST_FRAME, mux_pb2.ExchangeRequest.FromString
            known.set_result(self._servicer.open(frames))

        frames.on_message = begin
        client = loop.create_task(self._serve(frames, known))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, frames: Frames, known: asyncio.Future[ServedStream]) -> None:
        """`known` has the client's stream once the client has said who it is."""
        either: set[asyncio.Future[Any]] = {known, frames.ended}
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if known.done():
                await known.result().run()
            else:
                frames.ended.result()
        except (Unauthenticated, TimeoutError, BadMessage, DecodeError) as error:
            log.warning("lane_refused", error=repr(error))
        except Exception:
            log.exception("lane_failed")
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is going
                frames.close()


def _address(name: str) -> str:
    return "\0" + name
