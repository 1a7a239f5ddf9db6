"""Bytes through the data port, over TCP and a Unix socket; metadata is a twin in memory."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.integration.storage_router.conftest import Connect
from tests.support.data_port import SPACE, RunningPort, run_data_port
from tests.support.raw_http import RawClient, chunked, request_bytes
from tests.support.router_rules import MemoryDrivers

FILE = "/cdmi/space1/file"
REST = f"/api/v3/oneprovider/data/{SPACE}"
SIZES = [0, 1, 4096, 64 * 1024, 64 * 1024 + 1, 256 * 1024, 256 * 1024 + 1, 3_000_001]
LARGE = random.Random(7).randbytes(5_000_000)


@pytest.mark.parametrize("size", SIZES)
async def test_what_goes_in_comes_out(client: RawClient, size: int) -> None:
    data = os.urandom(size)
    assert (await client.request("PUT", FILE, body=data)).status == 201
    answer = await client.request("GET", FILE)
    assert (answer.status, answer.headers["content-length"]) == (200, str(size))
    assert answer.body == data


@pytest.mark.parametrize("size", SIZES)
async def test_chunked_bodies_come_out_whole(client: RawClient, size: int) -> None:
    data = os.urandom(size)
    pieces = [data[at : at + 100_000] for at in range(0, size, 100_000)]
    answer = await client.request("PUT", FILE, {"transfer-encoding": "chunked"}, chunked(*pieces))
    assert answer.status == 201
    assert (await client.request("GET", FILE)).body == data


async def test_a_replacement_leaves_one_storage_file_more_to_remove(
    client: RawClient, port: RunningPort
) -> None:
    await client.request("PUT", FILE, body=b"old")
    assert (await client.request("PUT", FILE, body=LARGE)).status == 204
    assert (await client.request("GET", FILE)).body == LARGE
    assert len(port.stored()) == 2
    assert len(port.twin.garbage) == 1


async def test_head_tells_what_get_would(client: RawClient) -> None:
    await client.request("PUT", FILE, {"content-type": "text/plain"}, LARGE)
    head, get = await client.request("HEAD", FILE), await client.request("GET", FILE)
    for headers in (head.headers, get.headers):
        headers.pop("date")
    assert (head.status, head.body, head.headers) == (200, b"", get.headers)
    assert get.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("asked", "told", "body"),
    [
        ("bytes=5-", "bytes 5-9/10", b"56789"),
        ("bytes=0-99", "bytes 0-9/10", b"0123456789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-99", "bytes 0-9/10", b"0123456789"),
        ("bytes=2-2", "bytes 2-2/10", b"2"),
    ],
)
async def test_one_range(client: RawClient, asked: str, told: str, body: bytes) -> None:
    await client.request("PUT", FILE, body=b"0123456789")
    answer = await client.request("GET", FILE, {"range": asked})
    assert (answer.status, answer.headers["content-range"], answer.body) == (206, told, body)


@pytest.mark.parametrize("asked", ["bytes=10-12", "unicorns", "bytes=5-3", "bytes=0-1,99-", "bytes:0-1"])
async def test_ranges_that_are_none(client: RawClient, asked: str) -> None:
    await client.request("PUT", FILE, body=b"0123456789")
    answer = await client.request("GET", FILE, {"range": asked})
    assert (answer.status, answer.headers["content-range"], answer.body) == (416, "bytes */10", b"")


async def test_any_range_of_nothing_is_none(client: RawClient) -> None:
    await client.request("PUT", FILE, body=b"")
    answer = await client.request("GET", FILE, {"range": "bytes=0-0"})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */0")


async def test_large_ranges_are_exact(client: RawClient) -> None:
    await client.request("PUT", FILE, body=LARGE)
    answer = await client.request("GET", FILE, {"range": "bytes=1000001-4000000"})
    assert answer.body == LARGE[1_000_001:4_000_001]


@pytest.mark.parametrize("scale", [1, 400_000])
async def test_several_ranges_come_as_parts(client: RawClient, scale: int) -> None:
    data = LARGE[: 10 * scale]
    await client.request("PUT", FILE, {"content-type": "text/x"}, data)
    asked = f"bytes={7 * scale}-{8 * scale - 1},0-{scale - 1}, -{scale}"
    answer = await client.request("GET", FILE, {"range": asked})
    boundary = answer.headers["content-type"].partition("multipart/byteranges; boundary=")[2].encode()
    parts = answer.body.split(b"--" + boundary)
    assert (answer.status, len(parts), parts[0], parts[-1]) == (206, 5, b"", b"--\r\n")
    for part, first in zip(parts[1:-1], (7 * scale, 0, 9 * scale), strict=True):
        head, _, body = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
        told = f"content-range: bytes {first}-{first + scale - 1}/{len(data)}".encode()
        assert b"content-type: text/x" in head
        assert told in head
        assert body == data[first : first + scale]


async def test_unchanged_content_is_not_sent_again(client: RawClient) -> None:
    await client.request("PUT", FILE, body=b"one")
    tag = (await client.request("GET", FILE)).headers["etag"]
    assert (await client.request("GET", FILE, {"if-none-match": f'"x", {tag}'})).status == 304
    assert (await client.request("GET", FILE, {"range": "bytes=0-0", "if-range": tag})).status == 206
    await client.request("PUT", FILE, body=b"two")
    assert (await client.request("GET", FILE, {"if-none-match": tag})).status == 200
    answer = await client.request("GET", FILE, {"range": "bytes=0-0", "if-range": tag})
    assert (answer.status, answer.body) == (200, b"two")


@pytest.mark.parametrize("size", [10, 300_000])
async def test_writing_at_an_offset_keeps_the_rest(client: RawClient, port: RunningPort, size: int) -> None:
    data = bytearray(os.urandom(size))
    await client.request("PUT", FILE, body=bytes(data))
    content = f"/api/v3/oneprovider/data/{port.id_of('file')}/content"
    for offset, piece in ((2, b"abc"), (size, LARGE[:300_000]), (5, b""), (0, LARGE[:1])):
        assert (await client.request("PUT", f"{content}?offset={offset}", body=piece)).status == 204
        data[offset : offset + len(piece)] = piece
        assert (await client.request("GET", content)).body == data
    assert len(port.stored()) == 1


async def test_gaps_read_as_zeros(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=b"")
    content = f"/api/v3/oneprovider/data/{port.id_of('file')}/content"
    await client.request("PUT", f"{content}?offset=200000", body=b"end")
    assert (await client.request("GET", content)).body == bytes(200_000) + b"end"
    [stored] = port.stored()
    [file_id] = port.twin.files
    assert stored.name == file_id


async def test_content_range_writes_in_place(client: RawClient) -> None:
    await client.request("PUT", FILE, body=b"0123456789")
    answer = await client.request("PUT", FILE, {"content-range": "bytes 3-4/*"}, b"ab")
    assert answer.status == 204
    for wrong in ("bytes 0-1,3-4/*", "bytes 3-5/*", "items 3-4/10"):
        answer = await client.request("PUT", FILE, {"content-range": wrong}, b"ab")
        assert (answer.status, '"key":"content-range"' in answer.text) == (400, True)
    assert (await client.request("GET", FILE)).body == b"012ab56789"


async def test_requests_sent_ahead_are_answered_in_order(client: RawClient) -> None:
    large = LARGE[:700_000]
    await client.send(
        request_bytes("PUT", FILE, body=large)
        + request_bytes("GET", FILE)
        + request_bytes("PUT", FILE, {"transfer-encoding": "chunked"}, chunked(b"small", b"er"))
        + request_bytes("GET", FILE)
        + request_bytes("GET", "/nothing")
    )
    answers = [await client.answer() for _ in range(5)]
    assert [answer.status for answer in answers] == [201, 200, 204, 200, 404]
    assert answers[1].body == large
    assert answers[3].body == b"smaller"


async def test_many_clients_at_once_get_their_own_bytes(port: RunningPort, connect: Connect) -> None:
    async def one(number: int) -> None:
        client = await connect(port.uds if number % 2 else port.port.port)
        data = LARGE[number * 1000 : number * 1000 + (400_000 if number % 3 else 4096)]
        for _ in range(3):
            await client.request("PUT", f"{FILE}{number}", body=data)
            assert (await client.request("GET", f"{FILE}{number}")).body == data

    await asyncio.gather(*(one(number) for number in range(24)))


async def test_a_slow_reader_gets_everything(port: RunningPort, client: RawClient, connect: Connect) -> None:
    await client.request("PUT", FILE, body=LARGE)
    slow = await connect(port.uds)
    slow.writer.transport.pause_reading()
    await slow.send(request_bytes("GET", FILE))
    await asyncio.sleep(0.5)
    slow.writer.transport.resume_reading()
    assert (await slow.answer()).body == LARGE


async def test_a_slow_writer_loses_nothing(port: RunningPort, client: RawClient) -> None:
    raw = request_bytes("PUT", FILE, body=LARGE[:1_000_000])
    for at in range(0, len(raw), 130_000):
        await client.send(raw[at : at + 130_000])
        await asyncio.sleep(0.12)
    assert (await client.answer()).status == 201
    assert (await client.request("GET", FILE)).body == LARGE[:1_000_000]


@pytest.mark.parametrize("size", [100, 300_000, 3_000_001])
async def test_storages_without_descriptors_are_streamed(tmp_path: Path, connect: Connect, size: int) -> None:
    drivers = MemoryDrivers()
    async with run_data_port(tmp_path, drivers=drivers) as port:
        client, data = await connect(port.uds), os.urandom(size)
        assert (await client.request("PUT", FILE, body=data)).status == 201
        assert (await client.request("GET", FILE)).body == data
        ranges = f"bytes=10-{size - 10},0-0"
        assert data[10 : size - 9] in (await client.request("GET", FILE, {"range": ranges})).body
        content = f"/api/v3/oneprovider/data/{port.id_of('file')}/content"
        await client.request("PUT", f"{content}?offset={size + 200_000}", body=data)
        assert (await client.request("GET", content)).body == data + bytes(200_000) + data
