"""The HTTP server of a process: whole answers, and all that uvicorn's protocol does around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.http.protocol import WHOLE
from runtime.http.server import HttpServer

BODY = b"x" * 100
LARGE = bytes(range(256)) * 16_384
JSON = (b"content-type", b"application/json")


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`/two...` answers in two messages, all else in one; what follows says how."""
    assert WHOLE in scope["extensions"]
    way, _, what = scope["raw_path"].decode().lstrip("/").partition("/")
    status, headers, body = 200, [JSON], BODY
    match what:
        case "empty":
            status, headers, body = 204, [], b""
        case "large":
            body = LARGE
        case "target":
            body = b"%b|%b|%b" % (scope["path"].encode(), scope["raw_path"], scope["query_string"])
        case "slow":
            await asyncio.sleep(0.1)
        case "split":
            headers = [(b"location", b"a\r\nset-cookie: b")]
        case "closes":
            headers = [(b"connection", b"keep-alive")]
        case "named":
            headers = [(b"X-Name", b"Value"), (b"x-long", b"v" * 1000)]
        case "echo":
            body = b""
            while True:
                message = await receive()
                body += message["body"]
                if not message["more_body"]:
                    break
    if status != 204:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    if way == "two":
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await send({"type": WHOLE, "status": status, "headers": headers, "body": body})


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    server = HttpServer(app, host="127.0.0.1", port=0, uds="", max_concurrent_requests=20, drain_s=0)
    await server.start()
    yield server
    await server.stop()


async def talk(server: HttpServer, *pieces: bytes, linger_s: float = 0.3) -> bytes:
    """All that comes for these bytes until the server closes or says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)
    got = b""
    try:
        async with asyncio.timeout(10):
            while True:
                more = await asyncio.wait_for(reader.read(1 << 20), linger_s)
                if not more:
                    break
                got += more
    except TimeoutError:
        pass
    writer.close()
    return got


def request(target: str, method: str = "GET", version: str = "1.1", *lines: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in ("Host: door", *lines))
    return f"{method} {target} HTTP/{version}\r\n{head}\r\n".encode()


def dateless(answer: bytes) -> bytes:
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.startswith(b"date: "))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("what", ["body", "empty", "large", "named"])
@pytest.mark.parametrize(("version", "lines"), [("1.1", ()), ("1.0", ()), ("1.1", ("Connection: close",))])
async def test_one_message_and_two_make_the_same_answer(
    server: HttpServer, method: str, what: str, version: str, lines: tuple[str, ...]
) -> None:
    one, two = [
        dateless(await talk(server, request(f"/{way}/{what}", method, version, *lines)))
        for way in ("one", "two")
    ]
    assert one == two
    assert one.startswith(b"HTTP/1.1 204" if what == "empty" else b"HTTP/1.1 200")
    assert (b"connection: close" in one) == bool(version == "1.0" or lines)
    if what == "large":
        assert one.endswith(LARGE) == (method != "HEAD")


@pytest.mark.parametrize("way", ["one", "two"])
async def test_requests_sent_ahead_are_answered_in_order(server: HttpServer, way: str) -> None:
    first, second = request(f"/{way}/slow"), request(f"/{way}/target?n=2")
    answers = await talk(server, first + second)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.index(BODY) < answers.index(f"/{way}/target|".encode())


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/one/target", b"/one/target|/one/target|"),
        ("/one/target?a=b?c&d=%20", b"/one/target|/one/target|a=b?c&d=%20"),
        ("/%6Fne/target", b"/one/target|/%6Fne/target|"),
        ("http://door/one/target?q", b"/one/target|/one/target|q"),
    ],
)
async def test_a_target_is_path_and_query(server: HttpServer, target: str, told: bytes) -> None:
    answer = await talk(server, request(target))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n" + told)


@pytest.mark.parametrize("target", ["/one/\u00e9", "/one/a b c"])
async def test_what_is_no_target_is_refused_as_ever(server: HttpServer, target: str) -> None:
    raw = request("/-/").replace(b"/-/", target.encode("latin-1"))
    assert (await talk(server, raw)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("what", ["split", "closes"])
async def test_a_header_no_answer_may_have_is_an_error_and_never_sent(server: HttpServer, what: str) -> None:
    answer = await talk(server, request(f"/one/{what}"))
    assert answer.startswith(b"HTTP/1.1 500") or not answer
    assert b"set-cookie" not in answer


@pytest.mark.parametrize("way", ["one", "two"])
async def test_a_client_that_waits_to_be_asked_for_its_body_is(server: HttpServer, way: str) -> None:
    head = request(f"/{way}/echo", "POST", "1.1", "Content-Length: 5", "Expect: 100-continue")
    answer = await talk(server, head, b"hello")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
    assert answer.endswith(b"hello")


async def test_a_client_that_leaves_before_the_answer_hurts_nobody(server: HttpServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request("/one/slow"))
    await writer.drain()
    writer.transport.abort()
    await asyncio.sleep(0.2)
    assert BODY in await talk(server, request("/one/body"))


async def test_more_connections_than_may_be_are_told_so(server: HttpServer) -> None:
    open_ones = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
    assert (await talk(server, request("/one/body"))).startswith(b"HTTP/1.1 503")
    for _, writer in open_ones:
        writer.close()


async def test_a_slow_reader_gets_all_of_many_large_answers(server: HttpServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 16)
    writer.write(request("/one/large") * 5)
    await asyncio.sleep(0.3)
    async with asyncio.timeout(20):
        for _ in range(5):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(LARGE)) == LARGE
    writer.close()


async def test_a_connection_ends_when_no_request_comes_in_time(server: HttpServer) -> None:
    server._server.config.timeout_keep_alive = 1
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        writer.write(request("/one/body"))
        await reader.readuntil(BODY)
        last_s = loop.time()
        await asyncio.sleep(0.5)
    # Each request began the time anew: the first second is over, and the connection is there.
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    assert 0.9 <= loop.time() - last_s < 2
    writer.close()
