"""What is read and written is counted, for whom it was."""

from __future__ import annotations

import re

from isthmus.storage_router.v1 import tickets_pb2

from runtime import tickets
from tests.integration.storage_router.conftest import Connect
from tests.support.data_port import SPACE, USER, RunningPort
from tests.support.raw_http import RawClient, chunked, request_bytes
from tests.support.waiting import until

FILE = "/cdmi/space1/file"
LARGE = bytes(3_000_000)
WHO = USER.subject_id


async def require_noted(port: RunningPort, *noted: tuple[str, str, str, int]) -> None:
    """All that was counted; what the kernel sends is counted a moment after it was read."""
    await until(lambda: len(port.accesses.noted) >= len(noted))
    assert port.accesses.noted == list(noted)


async def test_published_bodies_are_written(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=b"hello")
    await client.request("PUT", FILE, body=LARGE)
    await client.request("PUT", FILE, {"transfer-encoding": "chunked"}, chunked(b"ab", b"c"))
    rest = f"/api/v3/oneprovider/data/{port.id_of('file')}/content"
    await client.request("PUT", f"{rest}?offset=1", body=b"xy")
    sizes = (5, len(LARGE), 3, 2)
    await require_noted(port, *(("wrote", SPACE, WHO, size) for size in sizes))


async def test_sent_content_is_read(client: RawClient, port: RunningPort) -> None:
    for size in (10, len(LARGE)):
        await client.request("PUT", FILE, body=bytes(size))
        port.accesses.noted.clear()
        assert (await client.request("GET", FILE)).status == 200
        assert (await client.request("GET", FILE, {"range": "bytes=2-4"})).status == 206
        await require_noted(port, ("read", SPACE, WHO, size), ("read", SPACE, WHO, 3))


async def test_what_moves_no_content_is_not_counted(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=b"hello")
    port.accesses.noted.clear()
    etag = (await client.request("HEAD", FILE)).headers["etag"]
    assert (await client.request("GET", FILE, {"if-none-match": etag})).status == 304
    assert (await client.request("GET", FILE, {"range": "bytes=9-"})).status == 416
    assert (await client.request("GET", "/cdmi/space1/absent")).status >= 400
    assert (await client.request("PUT", "/cdmi/nowhere/file", body=b"x")).status >= 400
    assert port.accesses.noted == []


async def test_of_a_download_that_breaks_off_what_was_sent_counts(
    client: RawClient, port: RunningPort, connect: Connect
) -> None:
    await client.request("PUT", FILE, body=LARGE * 20)
    port.accesses.noted.clear()
    slow = await connect(port.uds)
    slow.writer.transport.pause_reading()
    await slow.send(request_bytes("GET", FILE))
    await until(lambda: len(port.port._connections) == 2)
    slow.abort()
    await until(lambda: bool(port.accesses.noted))
    [(kind, space_id, user_id, size_bytes)] = port.accesses.noted
    assert (kind, space_id, user_id) == ("read", SPACE, WHO)
    assert size_bytes < len(LARGE) * 20


async def test_a_reading_ticket_has_no_user(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=b"hello")
    [(file, location)] = port.twin.files.values()
    ticket = tickets_pb2.Ticket(
        method="GET",
        space_id=SPACE,
        file_id=file.file_id,
        storage_id=location.storage_id,
        storage_file_id=location.storage_file_id,
        size_bytes=5,
        expires_at_ms=1 << 50,
    )
    port.accesses.noted.clear()
    answer = await client.request("GET", tickets.PATH_PREFIX + tickets.sign(port.key, ticket))
    assert answer.body == b"hello"
    await require_noted(port, ("read", SPACE, "", 5))


async def test_an_archive_is_read_by_who_asked_for_it(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=b"hello")
    port.accesses.noted.clear()
    offered = await client.request("GET", f"/api/v3/oneprovider/data/{SPACE}/content")
    path = re.sub("^https://[^/]*", "", offered.headers["location"])
    await client.send(request_bytes("GET", path, {"x-auth-token": ""}))
    await until(lambda: bool(port.accesses.noted))
    [(kind, space_id, user_id, size_bytes)] = port.accesses.noted
    assert (kind, space_id, user_id) == ("read", SPACE, WHO)
    assert size_bytes % 512 == 0
