"""Values in parts over the front door: the bytes as they are, whatever their size, with JSON beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.folder import Folder, V, errno, error

IN_PARTS = {**V, "content-type": "multipart/mixed; boundary=b"}
FIRST = b"--b\r\nContent-Type: application/cdmi-object\r\n\r\n"
END = b"\r\n--b--"


def body(value: bytes, fields: bytes = b"{}", head: bytes = b"X: y", end: bytes = END) -> bytes:
    """JSON and one part."""
    return FIRST + fields + b"\r\n--b\r\n" + head + b"\r\n\r\n" + value + end


async def put(folder: Folder, path: str, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    return await folder.http.put(folder.cdmi(path), content=content, headers=IN_PARTS)


async def value_of(folder: Folder, path: str) -> bytes:
    return (await folder.http.get(folder.cdmi(path))).content


@pytest.mark.cdmi("21.2.multipart")
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
async def test_a_value_goes_and_comes_in_parts(folder: Folder, size: int) -> None:
    value = bytes(range(256)) * (size // 256) + b"\r\n" * (size % 256)
    fields = b'{"metadata": {"colour": "blue"}}'
    answer = await put(folder, "a", body(value, fields, b"Content-Type: text/x"))
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cdmi-object")
    assert answer.json()["metadata"]["colour"] == "blue"
    assert await value_of(folder, "a") == value
    told = await folder.http.get(folder.cdmi("a"), headers={**V, "accept": "multipart/mixed"})
    assert told.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert told.content.count(b"\r\n\r\n" + value + b"\r\n--") == 1
    assert (await put(folder, "a", body(b"new"))).status_code == 204
    assert await value_of(folder, "a") == b"new"


@pytest.mark.cdmi("21.2.multipart")
async def test_ranges_are_parts_both_ways(folder: Folder) -> None:
    await folder.put("a", b"0123456789")
    placed = b"\r\n--b\r\nContent-Range: bytes 8-9/*\r\n\r\nyz"
    content = body(b"ab", head=b"Content-Range: bytes 0-1/*", end=placed + END)
    assert (await put(folder, "a", content)).status_code == 204
    assert await value_of(folder, "a") == b"ab234567yz"
    url = folder.cdmi("a") + "?value:8-99;value:0-0"
    told = (await folder.http.get(url, headers={**V, "accept": "multipart/mixed"})).content
    assert b"Content-Range: bytes 8-9/10\r\n\r\nyz\r\n--" in told
    assert b"Content-Range: bytes 0-0/10\r\n\r\na\r\n--" in told


@pytest.mark.cdmi("21.2.multipart")
async def test_bad_parts_change_nothing(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.put("a", b"old", mode="600")
    placed = b"\r\n--b\r\nContent-Range: bytes 1-1/*\r\n\r\nx"
    for content, key in (
        (body(b"x" * 3_000_000, end=b""), "multipart"),
        (body(b"xy", head=b"Content-Range: bytes 0-1/*", end=placed + END), "content-range"),
        (body(b"x", b'{"value": "y"}'), "value"),
    ):
        for path in ("a", "new"):
            assert error(await put(folder, path, content)) == (400, "badData", {"key": key})
    refused = await member.put(folder.cdmi("a"), content=body(b"x"), headers=IN_PARTS)
    assert errno(refused) == "eacces"
    assert await value_of(folder, "a") == b"old"
    assert (await folder.http.get(folder.cdmi("") + "/?children", headers=V)).json() == {"children": ["a"]}


async def test_without_a_version_parts_are_content(folder: Folder) -> None:
    content = body(b"x")
    headers = {"content-type": IN_PARTS["content-type"]}
    assert (await folder.http.put(folder.cdmi("a"), content=content, headers=headers)).status_code == 201
    assert await value_of(folder, "a") == content


@pytest.mark.cdmi("21.2.multipart", "13.2.large")
async def test_a_large_value_goes_in_parts_as_it_is(folder: Folder) -> None:
    size = 1 << 30

    async def content() -> AsyncIterator[bytes]:
        yield body(b"", end=b"")
        for _ in range(size >> 20):
            yield bytes(1 << 20)
        yield END

    answer = await put(folder, "large", content())
    assert answer.status_code == 201, answer.text
    assert answer.json()["metadata"]["cdmi_size"] == str(size)
    end = await folder.http.get(folder.cdmi("large"), headers={"range": f"bytes={size - 5}-"})
    assert (end.status_code, end.content) == (206, bytes(5))
