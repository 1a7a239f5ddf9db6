"""Whatever a client sends, the answer is one of the contract's, and no service stumbles over it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.folder import API, CLIENT, OBJECT, Folder, V, errno
from tests.support.raw_door import CONTAINER, OCTETS, ZONE, Door, each_door, refusal, told
from tests.support.stack import RunningStack

pytestmark = pytest.mark.usefixtures("nothing_stumbles")

# -- ranges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    ["bytes=10-", "bytes=5-2", "bytes=-0", "bytes=a-b", "bytes=", "bytes=-", "items=0-1", "bytes=1", "",
     "bytes=" + "9" * 40 + "-", "bytes=0x1-0x2", "bytes=1_0-", "bytes=\u0661-", "bytes=0-1," * 400],
)  # fmt: skip
async def test_ranges_that_cannot_be_are_416(folder: Folder, door: Door, wanted: str) -> None:
    id = await folder.put("a", b"0123456789")
    for url in (f"{API}/data/{id}/content", folder.cdmi("a")):
        answer = await door.ask("GET", url, {"range": wanted})
        assert (answer.status, answer.body, answer.headers["content-range"]) == (416, b"", "bytes */10")


@pytest.mark.parametrize(
    "part",
    [
        "bytes 5-2/*",
        "bytes 0-99/*",
        "bytes */10",
        "bytes 0-",
        "xx",
        "bytes -1-2/3",
        "bytes 0-" + "9" * 40 + "/*",
    ],
)
async def test_parts_that_do_not_fit_change_nothing(folder: Folder, door: Door, part: str) -> None:
    await folder.put("a", b"0123456789")
    answer = await door.ask("PUT", folder.cdmi("a"), {**OCTETS, "content-range": part}, b"ab")
    assert told(answer) == (400, "badData", {"key": "content-range"})
    assert (await folder.http.get(folder.cdmi("a"))).content == b"0123456789"


@pytest.mark.parametrize(
    ("offset", "id"),
    [("-1", "badValueTooLow"), ("abc", "badValueInteger"), ("", "badValueInteger"),
     ("1.5", "badValueInteger"), ("9" * 23, "efbig"), (str(2**63 - 1), "efbig"), (str(2**62), "efbig"),
     ("9" * 5000, "efbig")],
)  # fmt: skip
async def test_offsets_that_cannot_be_change_nothing(
    folder: Folder, door: Door, offset: str, id: str
) -> None:
    file = await folder.put("a", b"0123456789")
    url = f"{API}/data/{file}/content?offset={offset}"
    assert refusal(await door.ask("PUT", url, OCTETS, b"ab")) == id
    assert (await folder.http.get(folder.cdmi("a"))).content == b"0123456789"


# -- bodies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"[" * 10_000, b'{"a":' * 10_000, b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", b"\xff", b"nul", b"[]",
     b'"x"', b'{"a":"\\ud800"}', b'{"a":NaN}', b"{}{}", b"\x00"],
)  # fmt: skip
async def test_bad_json_is_told_as_such_everywhere(folder: Folder, door: Door, body: bytes) -> None:
    id = await folder.put("a", b"x")
    for method, url, headers, expected in (
        ("GET", f"{API}/data/{id}", CLIENT, "malformedData"),
        ("PUT", f"{API}/data/{id}", CLIENT, "malformedData"),
        ("PUT", f"{API}/data/{id}/metadata/xattrs", CLIENT, "badValueJSON"),
        ("PUT", folder.cdmi("a"), OBJECT, "malformedData"),
        ("PUT", folder.cdmi("d/"), CONTAINER, "malformedData"),
        ("POST", f"{ZONE}/user/spaces", CLIENT, "malformedData"),
    ):
        assert refusal(await door.ask(method, url, headers, body)) == expected, url
    listed = (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"]
    assert [child["name"] for child in listed] == ["a"]


async def test_what_may_be_stored_can_be_read_again(folder: Folder, door: Door) -> None:
    """Deep metadata comes back inside other JSON, which is deeper still."""
    id = await folder.put("a", b"x")
    deep = b'{"deep":' + b"[" * 127 + b"]" * 127 + b"}"
    assert (await door.ask("PUT", f"{API}/data/{id}/metadata/xattrs", CLIENT, deep)).status == 204
    assert (await door.ask("GET", f"{API}/data/{id}/metadata/xattrs")).body == deep
    for url in (f"{API}/data/{folder.id}/children?attribute=xattr.deep", f"{folder.cdmi('a')}?metadata"):
        assert b"[" * 127 in (await door.ask("GET", url, V)).body


async def test_a_body_cut_short_changes_nothing(stack: RunningStack, folder: Folder, door: Door) -> None:
    await folder.put("a", b"old")
    for name, headers, sent in (
        ("a", OCTETS, b"new"),
        ("b", OCTETS, b"new"),
        ("a", OBJECT, b'{"value": "new"}'),
        ("b", OBJECT, b'{"value": "new"}'),
        ("b/", CONTAINER, b"{}"),
    ):
        more = {"host": "localhost", "x-auth-token": stack.token, "content-length": str(len(sent) + 50)}
        async with door.connection() as client:
            lines = "".join(f"{key}: {value}\r\n" for key, value in {**headers, **more}.items())
            await client.send(f"PUT {folder.cdmi(name)} HTTP/1.1\r\n{lines}\r\n".encode() + sent)
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    listed = (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"]
    assert [child["name"] for child in listed] == ["a"]
    assert (await folder.http.get(folder.cdmi("a"))).content == b"old"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-length": "-1"}, b""),
        ({"content-length": "abc"}, b""),
        ({"content-length": "9" * 30}, b"x"),
        ({"transfer-encoding": "chunked", "content-length": "5"}, b"0\r\n\r\n"),
        ({"transfer-encoding": "chunked"}, b"zz\r\nabc\r\n0\r\n\r\n"),
    ],
)
async def test_lengths_that_lie_are_refused(
    folder: Folder, door: Door, headers: dict[str, str], body: bytes
) -> None:
    answer = await door.ask("PUT", f"{API}/data/{folder.id}/path/a", {**OCTETS, **headers}, body)
    assert answer.status == 400
    assert errno(await folder.lookup("a")) == "enoent"


async def test_too_much_json_is_refused_before_it_is_read(folder: Folder, door: Door) -> None:
    answer = await door.ask(
        "PUT", f"{API}/data/{folder.id}", {**CLIENT, "content-length": str(1 << 40)}, b'{"mode": "'
    )
    assert refusal(answer) == "limitReached"


# -- requests --------------------------------------------------------------------------------------------


async def test_giant_heads_are_refused(stack: RunningStack, door: Door) -> None:
    for method, target in each_door(stack):
        for headers, path in (
            ({"x-large": "a" * 200_000}, target),
            ({f"x-{number}": "a" for number in range(2000)}, target),
            ({}, f"{target}?{'a' * 200_000}"),
            ({}, f"{target}/{'a/' * 40_000}"),
        ):
            answer = await door.ask(method, path, headers)
            assert answer.status in (400, 404, 414, 431), answer


@pytest.mark.parametrize(
    "headers",
    [
        {"accept": "\udcff\udcff"},
        {"accept": "nonsense;;q=x"},
        {"x-cdmi-specification-version": "\udcff"},
        {"traceparent": "\udcff" * 300},
        {"x-request-id": "\udcff" * 300},
        {"range": "\udcff"},
        {"if-none-match": '"' * 900},
        {"expect": "nonsense"},
        {"x-forwarded-for": "\udcff, ::1"},
        {"host": ""},
        {"content-type": "\udcff"},
        {"upgrade": "websocket", "connection": "upgrade"},
    ],
)
async def test_odd_headers_break_nothing(stack: RunningStack, door: Door, headers: dict[str, str]) -> None:
    for method, target in each_door(stack):
        answer = await door.ask(method, target, headers, b"x" if method == "PUT" else None)
        assert answer.status in (200, 201, 400, 403, 404, 406, 415, 416), answer
    async with stack.client() as client:
        await client.delete(f"{API}/data/{stack.space_id}/path/nothing")


async def test_other_methods_are_405_and_say_which_are_not(folder: Folder, door: Door) -> None:
    id = await folder.put("a", b"x")
    allowed = {
        f"{API}/data/{id}": "get, put, delete",
        f"{API}/data/{id}/content": "get, head, put",
        f"{API}/data/{folder.id}/path/a": "get, head, put, delete",
        f"{API}/data/{folder.id}/children": "get, post",
        f"{API}/data/{id}/metadata/xattrs": "get, put, delete",
        f"{API}/lookup-file-id/{folder.path('a')}": "post",
    }
    for url, methods in allowed.items():
        for method in ("PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            answer = await door.ask(method, url)
            assert (answer.status, answer.body) == (405, b"")
            assert set(answer.headers["allow"].lower().split(", ")) == set(methods.split(", ")), url
    assert (await door.ask("PATCH", folder.cdmi("a"))).status == 405
    assert (await folder.http.get(folder.cdmi("a"))).content == b"x"


@pytest.mark.parametrize(
    "junk",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET * HTTP/1.1\r\nhost: a\r\n\r\n",
     b"GET /a\x80b HTTP/1.1\r\nhost: a\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nx\x00y: z\r\n\r\n"],
)  # fmt: skip
async def test_junk_is_turned_away(door: Door, junk: bytes) -> None:
    async with door.connection() as client:
        await client.send(junk + b"\r\n\r\n")
        assert (await client.answer()).status == 400
