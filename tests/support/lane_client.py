"""A client of the lane that reads and writes frame by frame, for tests of the lane's own rules."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from isthmus.common.v1 import mux_pb2


class LaneClient:
    """A connection to the lane `name`, on which the client has said that it is `identity`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, name: str, identity: bytes | None = None) -> Self:
        """Connects; without an identity it says nothing."""
        client = cls(*await asyncio.open_unix_connection("\0" + name))
        if identity is not None:
            client.send(identity)
        return client

    def send(self, frame: bytes) -> None:
        """Sends a frame."""
        self.send_raw(len(frame).to_bytes(4, "big") + frame)

    def send_raw(self, data: bytes) -> None:
        """Sends what need not be a frame."""
        self._writer.write(data)

    async def ask(self, message: mux_pb2.ExchangeRequest) -> mux_pb2.ExchangeResponse | None:
        """Sends a message, and reads the next one."""
        self.send(message.SerializeToString())
        return await self.read()

    async def read(self) -> mux_pb2.ExchangeResponse | None:
        """The next message; None once the server has gone."""
        try:
            async with asyncio.timeout(5):
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                return mux_pb2.ExchangeResponse.FromString(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def close(self) -> None:
        """Goes."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
