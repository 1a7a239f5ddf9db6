"""HTTP spoken byte by byte, for servers that must stand what no library would send."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Answer:
    """One response. Header names are lower-case; a repeated header keeps its last value."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class RawClient:
    """One connection. Every wait is bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: int | Path, tls: ssl.SSLContext | None = None) -> RawClient:
        """To a local port, or a Unix socket."""
        if isinstance(address, Path):
            return cls(*await asyncio.open_unix_connection(str(address)))
        name = "localhost" if tls else None
        return cls(*await asyncio.open_connection("127.0.0.1", address, ssl=tls, server_hostname=name))

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """A whole request with the good token, and its answer."""
        await self.send(request_bytes(method, target, headers, body))
        return await self.answer(has_body=method != "HEAD")

    async def answer(self, *, has_body: bool = True) -> Answer:
        """The next response; interim ones are skipped."""
        async with asyncio.timeout(20):
            while True:
                status, headers = await self.head()
                if status >= 200:
                    break
            length = int(headers.get("content-length", "0"))
            body = await self._reader.readexactly(length) if has_body and length else b""
            return Answer(status, headers, body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response, interim ones too."""
        async with asyncio.timeout(20):
            raw = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("utf-8", "surrogateescape").split("\r\n")[:-2]
        pairs = (line.partition(": ") for line in lines)
        return int(first.split(" ")[1]), {name: value for name, _, value in pairs}

    async def read_some(self, limit: int = 65536) -> bytes:
        """Whatever comes next; empty at the end."""
        async with asyncio.timeout(20):
            return await self._reader.read(limit)

    async def is_closed(self) -> bool:
        """Whether the server closes the connection, sending nothing more."""
        try:
            return await self.read_some() == b""
        except ConnectionError:
            return True

    async def close(self) -> None:
        """Closes this side."""
        self.writer.close()

    def abort(self) -> None:
        """Breaks the connection off."""
        self.writer.transport.abort()


def request_bytes(
    method: str, target: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """A request with the good token, unless the headers name one."""
    told = {"host": "test", "x-auth-token": "good", **(headers or {})}
    if body is not None and "transfer-encoding" not in told:
        told.setdefault("content-length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + (body or b"")


def chunked(*pieces: bytes) -> bytes:
    """Pieces as a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
