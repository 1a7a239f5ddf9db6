"""Bodies of several parts at the data port: values that the gateway sends on, and forms."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import orjson
import pytest

from runtime.auth import to_text
from runtime.errors import NoSpace
from tests.integration.storage_router.conftest import Connect
from tests.support.data_port import USER, RunningPort
from tests.support.raw_http import Answer, RawClient, chunked, request_bytes
from tests.support.waiting import until

FILE = "/cdmi/space1/file"
OLD = b"0123456789"
LARGE = random.Random(7).randbytes(5_000_000)


def parts(*parts: tuple[str, bytes], end: bytes = b"\r\n--b--") -> bytes:
    """A body of parts: lines of their heads, and their content."""
    return b"".join(b"\r\n--b\r\n%b\r\n\r\n%b" % part for part in _encoded(parts)) + end


def _encoded(parts: tuple[tuple[str, bytes], ...]) -> list[tuple[bytes, bytes]]:
    return [(head.replace("\n", "\r\n").encode() or b"X: y", content) for head, content in parts]


def at(first: int, last: int, total: str = "*") -> str:
    """The line that places a part."""
    return f"Content-Range: bytes {first}-{last}/{total}"


async def put(
    client: RawClient, port: RunningPort, body: bytes, *, ranges: str = "", **headers: str
) -> Answer:
    """Sends a body on as the gateway does, in chunks."""
    told = {
        "isthmus-identity": to_text(port.key.sign(USER)),
        "isthmus-parts": "b",
        "transfer-encoding": "chunked",
        **({"isthmus-ranges": ranges} if ranges else {}),
        **headers,
    }
    pieces = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
    return await client.request("PUT", FILE, told, chunked(*pieces))


async def content(client: RawClient) -> bytes | None:
    """What is at the place now; None where nothing is."""
    answer = await client.request("GET", FILE)
    return answer.body if answer.status == 200 else None


def refusal(answer: Answer) -> tuple[str, Any]:
    assert answer.status == 400, answer
    error = orjson.loads(answer.body)["error"]
    return error["id"], error.get("details", {}).get("key") or error.get("details", {}).get("errno")


@pytest.mark.parametrize("content_type", ["Text/X; charset=UTF-8", "text/x", ""])
@pytest.mark.parametrize("data", [b"", b"short", LARGE], ids=["empty", "short", "large"])
async def test_one_part_is_the_whole_value(
    client: RawClient, port: RunningPort, data: bytes, content_type: str
) -> None:
    body = parts((f"Content-Type: {content_type}" if content_type else "", data))
    assert (await put(client, port, body)).status == 201
    assert await content(client) == data
    (file, _), *_ = port.twin.files.values()
    assert file.encoding == ("utf-8" if "UTF" in content_type else "base64")
    assert file.mimetype == ("text/x" if content_type else "")
    assert len(port.stored()) == (1 if data else 0)
    assert (await put(client, port, parts(("", b"new")))).status == 204
    assert await content(client) == b"new"


async def test_parts_without_a_place_follow_one_another(client: RawClient, port: RunningPort) -> None:
    body = parts(("", b"one, "), ("Content-Length: 5", b"two, "), ("", b""), ("", LARGE))
    assert (await put(client, port, body)).status == 201
    assert await content(client) == b"one, two, " + LARGE


PLACED = [
    (parts((at(2, 3), b"xy")), "", b"01xy456789"),
    (parts((at(8, 9), b"xy"), (at(0, 0, "10"), b"z")), "", b"z1234567xy"),
    (parts((at(3, 4), b"ab"), ("", b"cd")), "", b"012abcd789"),
    (parts(("", b"ab"), (at(12, 13), b"cd")), "", b"ab23456789\0\0cd"),
    (parts(("", b"ab"), ("", b"c")), "4-5,0-0", b"c123ab6789"),
    (parts((at(4, 5), b"ab"), ("", b"c")), "4-5,0-0", b"c123ab6789"),
]


@pytest.mark.cdmi("21.2.multipart")
@pytest.mark.parametrize(("body", "ranges", "expected"), PLACED)
async def test_parts_are_placed_into_what_is_there(
    client: RawClient, port: RunningPort, body: bytes, ranges: str, expected: bytes
) -> None:
    await client.request("PUT", FILE, {"content-type": "text/x; charset=utf-8"}, OLD)
    assert (await put(client, port, body, ranges=ranges)).status == 204
    assert await content(client) == expected
    (file, _), *_ = port.twin.files.values()
    assert (file.encoding, file.mimetype) == ("utf-8", "text/x")
    assert len(port.stored()) == 1


@pytest.mark.parametrize(("body", "ranges", "expected"), PLACED)
async def test_parts_of_nothing_are_placed_as_well(
    client: RawClient, port: RunningPort, body: bytes, ranges: str, expected: bytes
) -> None:
    assert (await put(client, port, body, ranges=ranges)).status == 201
    # Digits are what would have been there; behind the last part there is nothing.
    assert await content(client) == re.sub(rb"[0-9]", b"\0", expected.rstrip(OLD))


async def test_large_parts_are_placed(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=LARGE)
    swapped = LARGE[3_000_000:4_000_000], LARGE[1_000_000:2_000_000]
    body = parts((at(1_000_000, 1_999_999), swapped[0]), (at(3_000_000, 3_999_999), swapped[1]))
    assert (await put(client, port, body)).status == 204
    expected = LARGE[:1_000_000] + swapped[0] + LARGE[2_000_000:3_000_000] + swapped[1] + LARGE[4_000_000:]
    assert await content(client) == expected


REFUSED = [
    (b"", "", ("badData", "multipart")),
    (b"--b--", "", ("badData", "multipart")),
    (parts(("", b"x"), end=b""), "", ("badData", "multipart")),
    (parts((at(0, 0), b"x"), end=b"\r\n--b\r\n"), "", ("badData", "multipart")),
    (parts((at(0, 0), b"x"), ("no header", b"")), "", ("badData", "multipart")),
    (parts((at(0, 3), b"x")), "", ("badData", "content-range")),
    (parts((at(0, 0), b"xx")), "", ("badData", "content-range")),
    (parts((at(3, 2), b"x")), "", ("badData", "content-range")),
    (parts(("Content-Range: bytes 0-0,2-2/3", b"x")), "", ("badData", "content-range")),
    (parts((at(0, 1, "2"), b"xx"), (at(2, 3, "4"), b"xx")), "", ("badData", "content-range")),
    (parts((at(0, 1, "1"), b"xx")), "", ("badData", "content-range")),
    (parts((at(0, 4), b"xxxxx"), (at(4, 5), b"xx")), "", ("badData", "content-range")),
    (parts((at(5, 6), b"xx"), (at(4, 5), b"xx")), "", ("badData", "content-range")),
    (parts((at(1, 1), b"x")), "2-2", ("badData", "content-range")),
    (parts(("", b"xx")), "2-2", ("badData", "range")),
    (parts(("", b"x")), "2-2,4-4", ("badData", "range")),
    (parts(("", b"x"), ("", b"y")), "2-2", ("badData", "range")),
    (parts(("Content-Length: 2", b"x")), "", ("badData", "content-length")),
    (parts(("Content-Length: x", b"x")), "", ("badData", "content-length")),
    (parts((f"Content-Length: 2\n{at(0, 0)}", b"x")), "", ("badData", "content-length")),
    (parts(("Content-Transfer-Encoding: base64", b"x")), "", ("badData", "content-transfer-encoding")),
    (parts((at(1 << 62, 1 << 62), b"x")), "", ("posix", "efbig")),
    (parts(("", LARGE), end=b""), "", ("badData", "multipart")),
]


@pytest.mark.cdmi("21.2.multipart")
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize(("body", "ranges", "told"), REFUSED)
async def test_what_is_refused_changes_nothing(
    port: RunningPort, connect: Connect, exists: bool, body: bytes, ranges: str, told: tuple[str, str]
) -> None:
    client = await connect(port.uds)
    if exists:
        await client.request("PUT", FILE, body=OLD)
    assert refusal(await put(client, port, body, ranges=ranges)) == told
    assert await content(client) == (OLD if exists else None)
    assert len(port.stored()) == exists


async def test_a_body_that_breaks_off_changes_nothing(port: RunningPort, connect: Connect) -> None:
    client = await connect(port.uds)
    await client.request("PUT", FILE, body=OLD)
    body = parts((at(0, 9), b"x" * 10), (at(10, 5_000_009), LARGE))
    sending = await connect(port.uds)
    headers = {"isthmus-identity": to_text(port.key.sign(USER)), "isthmus-parts": "b"}
    whole = request_bytes("PUT", FILE, headers, body)
    await sending.send(whole[:-10])
    sending.abort()
    await until(lambda: len(port.twin.aborted) == 1 and len(port.stored()) == 1)
    assert await content(client) == OLD


async def test_the_quota_holds_while_parts_come(client: RawClient, port: RunningPort) -> None:
    port.twin.quota_bytes = 1_000_000
    answer = await put(client, port, parts(("", LARGE)))
    assert refusal(answer) == ("posix", NoSpace.reason.lower())
    assert port.stored() == []


async def test_content_replaced_meanwhile_takes_the_parts(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", FILE, body=OLD)
    port.twin.stale_commits = 2
    assert (await put(client, port, parts((at(0, 0), b"x"), (at(5, 5), b"y")))).status == 204
    assert await content(client) == b"x1234y6789"


async def test_nobody_else_may_say_that_a_body_has_parts(client: RawClient) -> None:
    body = parts(("", b"x"))
    assert (await client.request("PUT", FILE, {"isthmus-parts": "b"}, body)).status == 201
    assert await content(client) == body


def form(*fields: tuple[str, bytes]) -> bytes:
    return parts(*((f"Content-Disposition: form-data; {head}", content) for head, content in fields))


async def post(client: RawClient, body: bytes, *, boundary: str = "b", path: str = "/cdmi/space1/") -> Answer:
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return await client.request("POST", path, headers, body)


@pytest.mark.cdmi("21.4.form")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b.txt", "a%20b.txt"), ("dir/ü%22.txt", "%C3%BC%22.txt"), ('\\"x', "%22x"), ("%41", "%2541")],
)
async def test_the_file_of_a_form_keeps_its_name(client: RawClient, name: str, expected: str) -> None:
    fields = (('name="f"', b"field"), (f'name="x"; filename="{name}"\nContent-Type: text/x', LARGE))
    answer = await post(client, form(*fields, ('name="g"', b"after")))
    assert (answer.status, answer.headers["location"]) == (201, f"https://test/cdmi/space1/{expected}")
    found = await client.request("GET", f"/cdmi/space1/{expected}")
    assert (found.body, found.headers["content-type"]) == (LARGE, "text/x")
    assert refusal(await post(client, form(*fields))) == ("posix", "eexist")


@pytest.mark.parametrize("name", ["", ".", "..", "a/"])
async def test_a_file_without_a_name_gets_one(client: RawClient, name: str) -> None:
    answer = await post(client, form((f'name="x"; filename="{name}"', b"x")))
    assert answer.status == 201
    assert len(answer.headers["location"]) == len("https://test/cdmi/space1/") + 32


@pytest.mark.cdmi("21.4.form")
async def test_forms_that_are_none_are_refused(client: RawClient, port: RunningPort) -> None:
    one = ('name="x"; filename="a"', b"x")
    assert refusal(await post(client, form(one, one))) == ("badData", "file")
    assert refusal(await post(client, form(('name="x"', b"x")))) == ("badData", "file")
    assert refusal(await post(client, form(one)[:-1])) == ("badData", "multipart")
    assert refusal(await post(client, form(one), boundary="")) == ("badData", "boundary")
    assert (await post(client, form(one), path="/cdmi/no-such-space/")).status == 404
    assert port.stored() == []
    assert port.twin.files == {}


async def test_parts_are_taken_from_many_at_once(port: RunningPort, connect: Connect) -> None:
    clients = [await connect(port.uds) for _ in range(8)]
    bodies = [parts((at(10 * n, 10 * n + 9), b"%d" % n * 10)) for n in range(8)]
    await clients[0].request("PUT", FILE, body=bytes(80))
    answers = await asyncio.gather(*(put(c, port, body) for c, body in zip(clients, bodies, strict=True)))
    assert {answer.status for answer in answers} == {204}
    assert await content(clients[0]) == b"".join(b"%d" % n * 10 for n in range(8))
