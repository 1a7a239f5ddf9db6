"""A server whose answers can be lost: the command is done, and who sent it does not hear of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class LostAnswers:
    """Passes on what clients and a server say; some answers end the connection instead."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._word = b""
        #: Answers still to be lost.
        self.left = 0

    def lose(self, count: int, word: bytes) -> None:
        """From now on this many answers to requests that hold `word` are lost."""
        self.left, self._word = count, word

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        there, to_there = await asyncio.open_connection(*self._target)
        asked = asyncio.Event()
        both = [
            asyncio.ensure_future(self._requests(reader, to_there, asked)),
            asyncio.ensure_future(self._answers(there, writer, asked)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.close()
            to_there.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 16):
            if self.left and self._word in data:
                asked.set()
            writer.write(data)
            await writer.drain()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 16):
            if asked.is_set():
                self.left -= 1
                return
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def losing_answers(mongo_url: str) -> AsyncIterator[tuple[LostAnswers, str]]:
    """What loses answers of a MongoDB server, and the URL of the server behind it."""
    between = LostAnswers(mongo_url)
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield between, f"mongodb://127.0.0.1:{port}/?directConnection=true"
