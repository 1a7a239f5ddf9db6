"""Whatever a client sends, the answer is one of the contract's, and no service stumbles over it.

Requests are written byte by byte: libraries mend much of what is tried here before it leaves.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from clients.zone_rest import ZoneClient
from tests.support.folder import API, CLIENT, OBJECT, Folder, V, errno, error
from tests.support.raw_http import Answer, RawClient
from tests.support.stack import RunningStack

ZONE = "/api/v3/onezone"
OCTETS = {"content-type": "application/octet-stream"}
CONTAINER = {**V, "content-type": "application/cdmi-container"}
# What services log when something happened that they do not know.
STUMBLES = ("Traceback", "call_failed", "request_failed", "data_port_failed", "connection_failed")
# A verdict on a token is asked for anew after two seconds.
VERDICT_TIMEOUT_S = 15.0


@pytest.fixture(autouse=True, scope="module")
def nothing_stumbles(stack: RunningStack) -> Iterator[None]:
    """No service logs a failure while the tests of this file run."""
    before = {name: len(text) for name, text in stack.logs().items()}
    yield
    for name, text in stack.logs().items():
        new = text[before.get(name, 0) :]
        assert not [word for word in STUMBLES if word in new], f"{name}: {new[-4000:]}"


class Door:
    """The front door, one connection for each request."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._tls = stack.tls()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[RawClient]:
        """A new one."""
        client = await RawClient.connect(urlsplit(self._stack.url).port or 443, self._tls)
        try:
            yield client
        finally:
            client.abort()

    async def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        *,
        token: str | None = None,
    ) -> Answer:
        """The answer, by default to the owner. It is never the server's fault."""
        told = {"host": "localhost", "x-auth-token": self._stack.token if token is None else token}
        async with self.connection() as client:
            answer = await client.request(method, target, {**told, **(headers or {})}, body)
        assert answer.status < 500, f"{method} {target[:200]}: {answer}"
        return answer


@pytest.fixture
def door(stack: RunningStack) -> Door:
    return Door(stack)


def told(answer: Answer) -> tuple[int, str, Any]:
    """Status, id and details of an error in the envelope."""
    assert answer.headers.get("content-type") == "application/json", answer
    inner = json.loads(answer.body)["error"]
    assert inner["description"]
    return answer.status, inner["id"], inner.get("details")


def refusal(answer: Answer) -> str:
    """The id of a 400, for POSIX errors the errno."""
    status, id, details = told(answer)
    assert status == 400, answer
    return str(details["errno"]) if id == "posix" else id


# -- tokens ----------------------------------------------------------------------------------------------


def each_door(stack: RunningStack) -> list[tuple[str, str]]:
    """One request at every place that checks tokens by itself."""
    return [
        ("GET", f"{API}/data/{stack.space_id}"),
        ("GET", f"{API}/data/{stack.space_id}/path/nothing"),
        ("PUT", f"{API}/data/{stack.space_id}/path/nothing"),
        ("GET", f"/cdmi/{stack.space}/"),
        ("GET", f"/cdmi/{stack.space}/nothing"),
        ("GET", f"{ZONE}/user"),
    ]


async def verdicts(stack: RunningStack, token: str) -> set[str]:
    """Why a token is refused, at all doors; "" where it is not."""
    found = set()
    door = Door(stack)
    for method, target in each_door(stack):
        answer = await door.ask(method, target, token=token, body=b"x" if method == "PUT" else None)
        if answer.status != 401:
            found.add("")
            continue
        _, id, details = told(answer)
        assert id == "unauthorized"
        found.add(details["authError"]["id"] if details else "nobody")
    return found


async def until_refused(stack: RunningStack, token: str) -> set[str]:
    deadline = time.monotonic() + VERDICT_TIMEOUT_S
    while "" in (found := await verdicts(stack, token)):
        assert time.monotonic() < deadline, f"not refused everywhere: {found}"
        await asyncio.sleep(0.2)
    return found


@pytest.mark.parametrize("token", ["", "x", "x" * 60_000, "MDAx", "ż" * 40, "a b", "=" * 80])
async def test_gibberish_is_a_bad_token(stack: RunningStack, token: str) -> None:
    assert await verdicts(stack, token) == {"badToken"}


async def test_without_a_token_there_is_no_reason(stack: RunningStack, guest: httpx.AsyncClient) -> None:
    for method, target in each_door(stack):
        answer = await guest.request(method, target, content=b"x" if method == "PUT" else None)
        assert error(answer) == (401, "unauthorized", None)


async def test_a_forged_signature_is_an_invalid_token(stack: RunningStack) -> None:
    """One character in the middle is another. Where that is no part of the signature, nothing fits."""
    middle = len(stack.token) // 2
    other = "A" if stack.token[middle] != "A" else "B"
    forged = stack.token[:middle] + other + stack.token[middle + 1 :]
    assert await verdicts(stack, forged) <= {"tokenInvalid", "badToken"}


async def test_a_token_ends_with_its_time(stack: RunningStack) -> None:
    ends = int(time.time()) + 6
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        id, token = zone.create_token(
            f"short-{os.urandom(4).hex()}", caveats=[{"type": "time", "validUntil": ends}]
        )
    assert await verdicts(stack, token) == {""}
    assert await until_refused(stack, token) == {"tokenCaveatUnverified"}
    assert time.time() > ends
    async with stack.client() as client:
        await client.delete(f"{ZONE}/tokens/named/{id}")


async def test_a_revoked_token_opens_nothing(stack: RunningStack) -> None:
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        id, token = zone.create_token(f"lost-{os.urandom(4).hex()}")
    assert await verdicts(stack, token) == {""}
    async with stack.client() as client:
        answer = await client.patch(f"{ZONE}/tokens/named/{id}", json={"revoked": True})
        assert answer.status_code == 204
        assert await until_refused(stack, token) == {"tokenRevoked"}
        await client.delete(f"{ZONE}/tokens/named/{id}")
    assert await until_refused(stack, token) <= {"tokenRevoked", "tokenInvalid"}


async def test_nobody_says_who_he_is(stack: RunningStack, door: Door) -> None:
    """Identities between services are signed, and not even looked at when they come from outside."""
    operator = Path(stack.env["ISTHMUS_OPERATOR_TOKEN_FILE"]).read_text().strip()
    for header in ("isthmus-identity", "isthmus-identity-bin", "authorization"):
        for method, target in each_door(stack)[:5]:
            value = f"Bearer {operator}" if header == "authorization" else operator
            body = b"x" if method == "PUT" else None
            async with door.connection() as client:
                await client.send(
                    f"{method} {target} HTTP/1.1\r\nhost: localhost\r\n{header}: {value}\r\n"
                    f"content-length: {len(body or b'')}\r\n\r\n".encode()
                    + (body or b"")
                )
                assert (await client.answer()).status == 401


# -- names -----------------------------------------------------------------------------------------------

# How they are percent-encoded in a path, and what everybody says to them.
BAD_NAMES = {
    "a%2Fb": "einval",
    "..%2F..%2Fetc%2Fpasswd": "einval",
    "%2F": "einval",
    "a%00b": "badValueFilePath",
    "%00": "badValueFilePath",
    "x" * 256: "enametoolong",
    "%C5%BC" * 128: "enametoolong",
    "%ED%A0%80": "badValueFilePath",  # half of a surrogate pair
    "%FF": "badValueFilePath",
    "%C0%AF": "badValueFilePath",  # a slash, written longer than allowed
    "%F4%90%80%80": "badValueFilePath",  # beyond Unicode
}


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_impossible_names_are_told_alike_everywhere(folder: Folder, door: Door, name: str) -> None:
    by_id, by_path = f"{API}/data/{folder.id}/path/{name}", f"/cdmi/{folder.path()}/{name}"
    requests: list[tuple[str, str, dict[str, str], bytes | None]] = [
        ("GET", by_id, {}, None),
        ("PUT", by_id, OCTETS, b"x"),
        ("DELETE", by_id, {}, None),
        ("POST", f"{API}/lookup-file-id/{folder.path()}/{name}", CLIENT, None),
        ("GET", by_path, {}, None),
        ("GET", by_path, V, None),
        ("PUT", by_path, OCTETS, b"x"),
        ("PUT", by_path, OBJECT, b'{"value": "x"}'),
        ("PUT", f"{by_path}/", CONTAINER, b"{}"),
        ("DELETE", by_path, {}, None),
    ]
    for method, target, headers, body in requests:
        assert refusal(await door.ask(method, target, headers, body)) == BAD_NAMES[name], (method, target)
    assert (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"] == []


@pytest.mark.parametrize("name", ["", ".", "..", "%2e", "%2E%2e", ".%2e", "/", "//.//"])
async def test_dots_and_nothing_are_folded_and_make_no_file(folder: Folder, door: Door, name: str) -> None:
    for method in ("PUT", "DELETE", "GET"):
        answer = await door.ask(
            method, f"{API}/data/{folder.id}/path/{name}", OCTETS, b"x" if method == "PUT" else None
        )
        assert answer.status in (400, 204), answer
    for name_of_child in ("", ".", "..", "a%2Fb", "%00"):
        answer = await door.ask("POST", f"{API}/data/{folder.id}/children?name={name_of_child}", CLIENT)
        assert refusal(answer) in ("badValueEmpty", "einval")
    listed = await folder.http.get(f"{API}/data/{folder.space_id}/children")
    assert {"", ".", ".."}.isdisjoint(child["name"] for child in listed.json()["children"])


async def test_names_that_look_alike_are_different(folder: Folder) -> None:
    """Names are bytes: composed and decomposed, with and without an invisible sign, upper and lower."""
    names = [
        "é",
        "e\u0301",
        "a",
        "a\u200b",
        "A",
        "ﬁ",
        "fi",
        "שלום\u202e",
        "שלום",
        "🐢",
        "🐢\ufe0f",
        "\ufeffbom",
    ]
    ids = {name: await folder.put(name, name.encode()) for name in names}
    assert len(set(ids.values())) == len(names)
    for name in names:
        assert (await folder.http.get(folder.cdmi(name))).content == name.encode()
    listed = (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"]
    assert [child["name"] for child in listed] == sorted(names, key=str.encode)


async def test_nothing_leaves_the_storage(stack: RunningStack, folder: Folder, door: Door) -> None:
    """Names never become paths of the storage; a link leads into the space or nowhere."""
    root = stack.layout.first.storage
    before = {path for path in root.parent.iterdir() if not path.name.startswith(".")}
    for climb in ("../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "....//" * 6, "..%5c" * 6, "/" * 5):
        target = f"{climb}etc/passwd"
        for url in (f"/cdmi/{folder.path()}/{target}", f"{API}/data/{folder.id}/path/{target}"):
            assert b"root:" not in (await door.ask("GET", url)).body
            assert (await door.ask("PUT", url, OCTETS, b"x")).status >= 400
    for number, target in enumerate(("/etc/passwd", "../" * 12 + "etc/passwd", f"{root}/.isthmus")):
        made = await folder.create(f"link{number}", type="SYMLNK", target_file_path=target)
        assert made.status_code == 201
        answer = await folder.http.get(f"{API}/data/{made.json()['fileId']}/content")
        assert errno(answer) == "enoent"
    assert {path for path in root.parent.iterdir() if not path.name.startswith(".")} == before


@pytest.mark.parametrize("space", ["no-such-space", "%FF", "%00", "a%2Fb", "x" * 5000])
async def test_unknown_spaces_are_told_as_such(stack: RunningStack, door: Door, space: str) -> None:
    assert (await door.ask("GET", f"/cdmi/{space}/file")).status in (400, 404)
    assert (await door.ask("PUT", f"/cdmi/{space}/file", OCTETS, b"x")).status in (400, 404)
    looked_up = await door.ask("POST", f"{API}/lookup-file-id/{space}/file", CLIENT)
    assert refusal(looked_up) in ("enoent", "badValueFilePath", "einval", "enametoolong")
    status, id, details = told(await door.ask("GET", f"{API}/data/{quote(space, safe='')}/children"))
    assert (status, id) == (400, "spaceNotSupportedBy")
    assert details["providerId"] == stack.env["ISTHMUS_PROVIDER_ID"]


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
