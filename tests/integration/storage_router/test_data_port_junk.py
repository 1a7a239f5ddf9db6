"""Whatever arrives, the port goes on and keeps no descriptor of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

from tests.integration.storage_router.conftest import Connect
from tests.support.data_port import SPACE, RunningPort
from tests.support.raw_http import RawClient

ROUNDS = 300
WORDS = [
    b"GET ", b"PUT ", b"HEAD ", b"POST ", b"OPTIONS ", b"/", b"/cdmi/", b"space1", b"/file", b"%00", b"%2F",
    b"%ff", b"/../", b"?", b";", b"offset=1", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\r\n\r\n", b"\n",
    b"\0", b"host: x\r\n", b"x-auth-token: good\r\n", b"content-length: 5\r\n", b"content-length: 999999\r\n",
    b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n",
    b"range: bytes=0-1,2-3\r\n", b"content-range: bytes 0-4/5\r\n", b"connection: close\r\n",
    b"upgrade: h2c\r\nconnection: upgrade\r\n", b"/api/v3/oneprovider/data/", SPACE.encode(), b"/content",
    b"/path/a", b"/children?name=x", b"/ticket/", b"isthmus-identity: AAAA\r\n", b"accept: image/png\r\n",
]  # fmt: skip


def junk(random_: random.Random) -> bytes:
    """Something between a request and noise."""
    words = [random_.choice(WORDS) for _ in range(random_.randrange(1, 16))]
    if random_.random() < 0.5:
        words = [b"PUT /cdmi/space1/file HTTP/1.1\r\nx-auth-token: good\r\n", *words]
    if random_.random() < 0.2:
        words.insert(random_.randrange(len(words) + 1), random_.randbytes(40))
    return b"".join(words)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_junk_breaks_nothing_and_leaks_nothing(port: RunningPort, connect: Connect) -> None:
    random_ = random.Random(11)
    for _ in range(3):
        await (await RawClient.connect(port.uds)).close()
    before = descriptors()
    for number in range(ROUNDS):
        client = await RawClient.connect(port.uds if number % 2 else port.port.port)
        with contextlib.suppress(ConnectionError):
            await client.send(junk(random_))
            if number % 3 == 0:
                client.writer.write_eof()
                async with asyncio.timeout(5):
                    while await client.read_some():
                        pass
        client.abort()
    async with asyncio.timeout(10):
        while port.port._connections:
            await asyncio.sleep(0.05)
    assert descriptors() <= before
    client = await connect(port.uds)
    assert (await client.request("GET", "/healthz")).body == b"ok\n"


async def test_a_good_request_before_junk_is_answered(client: RawClient) -> None:
    await client.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\njunk\r\n\r\n")
    assert (await client.answer()).status == 200
    assert (await client.answer()).status == 400
    assert await client.is_closed()


async def test_heads_that_are_too_large_are_told_so(client: RawClient) -> None:
    await client.send(b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000)
    assert (await client.answer()).status == 431


async def test_a_refusal_does_not_wait_for_what_is_announced_beyond_all_bounds(client: RawClient) -> None:
    async with asyncio.timeout(5):
        await client.send(
            b"PUT /cdmi/space1/file HTTP/1.1\r\nhost: x\r\nx-auth-token: bad\r\n"
            b"content-length: 1099511627776\r\n\r\nhello"
        )
        assert (await client.answer()).status == 401
