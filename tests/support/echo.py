"""A small HTTP/1.1 server that answers with what it received, byte for byte.

`python -m tests.support.echo NAME PORT [SOCKET]` runs it as a process that a test can kill. The answer is
JSON: the server's name, the request line and headers as they came (latin-1), length and SHA-256 of the
body. A path with `/slow-body` is read at 100 kB/s; one with `/refuse` is refused before the body is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from typing import Any

SLOW_BYTES_PER_S = 100_000


async def serve(name: str, port: int, socket_path: str = "") -> list[asyncio.Server]:
    """Listen on the port and, if given, on the Unix socket too."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one_request(name, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    servers = [await asyncio.start_server(handle, "127.0.0.1", port)]
    if socket_path:
        servers.append(await asyncio.start_unix_server(handle, socket_path))
    return servers


async def _one_request(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    line = head[0]
    headers = dict(header.split(": ", 1) for header in head[1:] if ": " in header)
    lower = {key.lower(): value for key, value in headers.items()}
    if "/refuse" in line:
        _answer(writer, "403 Forbidden", {"name": name})
        await writer.drain()
        return False
    if lower.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    digest, length = await _body(reader, lower, is_slow="/slow-body" in line)
    _answer(
        writer,
        "200 OK",
        {"name": name, "line": line, "headers": headers, "body_bytes": length, "sha256": digest},
    )
    await writer.drain()
    return True


async def _body(reader: asyncio.StreamReader, headers: dict[str, str], *, is_slow: bool) -> tuple[str, int]:
    digest, length = hashlib.sha256(), 0
    async for part in _parts(reader, headers):
        digest.update(part)
        length += len(part)
        if is_slow:
            await asyncio.sleep(len(part) / SLOW_BYTES_PER_S)
    return digest.hexdigest(), length


async def _parts(reader: asyncio.StreamReader, headers: dict[str, str]) -> Any:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return
    left = int(headers.get("content-length", "0"))
    while left:
        part = await reader.read(min(left, 65536))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(part)
        yield part


def _answer(writer: asyncio.StreamWriter, status: str, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _main(name: str, port: str, socket_path: str = "") -> None:
    await serve(name, int(port), socket_path)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
