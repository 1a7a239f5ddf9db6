"""Data objects in parts: JSON first, then the value as it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesParser
from typing import Any

import httpx
import orjson
import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import V, bad, errno, get

IN_PARTS = {**V, "content-type": "multipart/mixed; boundary=b"}
JSON = b"Content-Type: application/cdmi-object"


def body(fields: object, *parts: tuple[bytes, bytes], head: bytes = JSON, end: bytes = b"\r\n--b--") -> bytes:
    """JSON and parts, each with the lines of its head."""
    first = fields if isinstance(fields, bytes) else orjson.dumps(fields)
    return b"".join(b"\r\n--b\r\n%b\r\n\r\n%b" % part for part in ((head, first), *parts)) + end


async def put(gateway: GatewayTwin, path: str, content: bytes, **headers: str) -> httpx.Response:
    return await gateway.http.put(f"/cdmi/{path}", content=content, headers={**IN_PARTS, **headers})


def told_parts(answer: httpx.Response) -> list[tuple[Message, bytes]]:
    """The parts of an answer, as the standard library reads them."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.content)
    assert message.is_multipart()
    assert not message.defects
    assert int(answer.headers["content-length"]) == len(answer.content)
    return [(part, part.get_payload(decode=True)) for part in message.get_payload()]  # type: ignore[misc,union-attr]


async def read(gateway: GatewayTwin, path: str, method: str = "GET") -> httpx.Response:
    answer = await gateway.http.request(method, f"/cdmi/{path}", headers={**V, "accept": "multipart/mixed"})
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.cdmi("21.2.multipart")
async def test_a_value_in_parts_is_created_and_replaced(gateway: GatewayTwin) -> None:
    fields = {"metadata": {"k": "v"}}
    value = (b"Content-Type: text/x; charset=utf-8", b"hello")
    answer = await put(gateway, "home/a", body(fields, value))
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cdmi-object")
    assert answer.json()["mimetype"] == "text/x"
    told = await get(gateway, "home/a")
    assert (told["value"], told["valuetransferencoding"]) == ("hello", "utf-8")
    assert told["metadata"]["k"] == "v"  # type: ignore[index]
    answer = await put(gateway, "home/a", body({}, (b"X: y", b"a"), (b"X: y", b"\xff")))
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await get(gateway, "home/a?value"))["value"] == "Yf8="


@pytest.mark.cdmi("21.2.multipart")
async def test_what_the_json_says_goes_before_what_the_part_says(gateway: GatewayTwin) -> None:
    fields = {"mimetype": "a/b", "valuetransferencoding": "base64"}
    value = (b"Content-Type: text/x; charset=utf-8", b"hello")
    assert (await put(gateway, "home/a", body(fields, value))).status_code == 201
    told = await get(gateway, "home/a")
    assert (told["mimetype"], told["valuetransferencoding"]) == ("a/b", "base64")


@pytest.mark.cdmi("21.2.multipart")
async def test_parts_are_placed_by_the_query_or_by_themselves(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"0123456789")
    for query, part in (("?value:1-2", b"X: y"), ("", b"Content-Range: bytes 5-6/*")):
        assert (await put(gateway, f"home/a{query}", body({}, (part, b"xy")))).status_code == 204
    assert (await get(gateway, "home/a?value"))["value"] == "0xy34xy789"
    several = await put(gateway, "home/b?value:2-2;value:0-1", body({}, (b"X: y", b"c"), (b"X: y", b"ab")))
    assert several.status_code == 201
    assert (await get(gateway, "home/b?value"))["value"] == "YWJj"


async def test_a_body_without_a_value_is_as_json_alone(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"x")
    assert (await put(gateway, "home/a", body({"mimetype": "text/y"}))).status_code == 204
    assert (await get(gateway, "home/a?value;mimetype")) == {"value": "x", "mimetype": "text/y"}
    assert (await put(gateway, "home/b", body({"copy": "home/a"}))).status_code == 201
    assert (await put(gateway, "home/c", body(b""))).status_code == 201
    assert bad(await put(gateway, "home/a?value:0-0", body({}))) == ("badData", "range")


@pytest.mark.cdmi("21.2.multipart", "21.4.post")
async def test_parts_are_posted(gateway: GatewayTwin) -> None:
    content = body({"metadata": {"k": 1}}, (b"X: y", b"\0"))
    answer = await gateway.http.post("/cdmi/home/", content=content, headers=IN_PARTS)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith("/" + answer.json()["objectName"])
    told = await get(gateway, f"home/{answer.json()['objectName']}")
    assert (told["value"], told["metadata"]["k"]) == ("AA==", 1)  # type: ignore[index]


REFUSED = [
    (b"", "boundary", {"content-type": "multipart/mixed"}),
    (b"", "boundary", {"content-type": "multipart/mixed; boundary="}),
    (b"", "multipart", {}),
    (b"--b\r\n\r\n{}", "multipart", {}),
    (body({}, end=b"\r\n--b"), "multipart", {}),
    (body({}, end=b"\r\n--b\r\nno header\r\n\r\nx\r\n--b--"), "multipart", {}),
    (body({}, (b"X: y", b"x"), end=b""), "multipart", {}),
    (body({}, (b"X: y", b"x"), head=b"Content-Type: text/plain"), "multipart", {}),
    (body({}, (b"X: y", b"x"), head=b"X: y"), "multipart", {}),
    (body({"value": "x"}, (b"X: y", b"x")), "value", {}),
    (body({"value": "x"}), "value", {}),
    (body({"mimetype": 1}, (b"X: y", b"x")), "mimetype", {}),
    (body({}, (b"Content-Range: bytes 0-1/*", b"x")), "content-range", {}),
    (body({"metadata": 1}, (b"X: y", b"x")), "metadata", {}),
]


@pytest.mark.cdmi("21.2.multipart")
@pytest.mark.parametrize(("content", "key", "headers"), REFUSED)
@pytest.mark.parametrize("path", ["home/a", "home/new"])
async def test_what_is_refused_changes_nothing(
    gateway: GatewayTwin, content: bytes, key: str, headers: dict[str, str], path: str
) -> None:
    await gateway.make("a", content=b"old")
    assert bad(await put(gateway, path, content, **headers)) == ("badData", key)
    assert (await get(gateway, "home/?children"))["children"] == ["a"]
    assert (await get(gateway, "home/a?value;mimetype")) == {
        "value": "old", "mimetype": "application/octet-stream",
    }  # fmt: skip


@pytest.mark.cdmi("21.2.multipart", "12.4.exclusive")
async def test_a_value_has_one_source_and_a_place(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"old", mode=0o644)
    for key in ("copy", "move"):
        answer = await put(gateway, "home/b", body({key: "home/a"}, (b"X: y", b"x")))
        assert answer.json()["error"]["id"] == "malformedData"
    for content in (body(b"[]", (b"X: y", b"x")), body(b'{"a": 1, "a": 2}')):
        assert (await put(gateway, "home/b", content)).json()["error"]["id"] == "malformedData"
    large = await put(gateway, "home/b", body(b'{"a": "' + b"x" * (2 << 20), (b"X: y", b"x")))
    assert large.json()["error"]["id"] == "limitReached"
    assert bad(await put(gateway, "home/b/", body({}))) == ("badValueIdentifier", "path")
    assert errno(await put(gateway, "home/no/b", body({}, (b"X: y", b"x")))) == "enoent"
    member = await put(gateway, "home/a", body({}, (b"X: y", b"x")), **{"x-auth-token": "member"})
    assert errno(member) == "eacces"
    assert (await get(gateway, "home/?children"))["children"] == ["a"]


async def test_a_client_that_goes_away_changes_nothing(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"old")

    async def broken() -> AsyncIterator[bytes]:
        yield body({}, (b"X: y", b"x"), end=b"")

    assert bad(await gateway.http.put("/cdmi/home/a", content=broken(), headers=IN_PARTS)) == (
        "badData",
        "multipart",
    )
    assert (await get(gateway, "home/a?value"))["value"] == "old"


async def test_several_ranges_are_for_what_has_parts(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"old")
    answer = await gateway.http.get("/cdmi/home/a?value:0-0;value:1-1", headers=V)
    assert bad(answer) == ("badData", "query string")
    headers = {**V, "content-type": "application/cdmi-object", "accept": "multipart/mixed"}
    answer = await gateway.http.put("/cdmi/home/a?value:0-0;value:1-1", json={}, headers=headers)
    assert bad(answer) == ("badData", "query string")


@pytest.mark.cdmi("21.2.multipart")
async def test_an_object_is_told_in_parts(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", body({"metadata": {"k": 1}}, (b"Content-Type: text/x", b"\r\n\xff--")))
    (first, described), (second, value) = told_parts(await read(gateway, "home/a"))
    fields = orjson.loads(described)
    assert (first.get_content_type(), fields["objectName"], fields["metadata"]["k"]) == (
        "application/cdmi-object", "a", 1,
    )  # fmt: skip
    assert (fields["valuerange"], fields["valuetransferencoding"]) == ("0-4", "base64")
    assert "value" not in fields
    assert (second.get_content_type(), second["content-length"], value) == ("text/x", "5", b"\r\n\xff--")
    head = await read(gateway, "home/a", "HEAD")
    assert (head.content, head.headers["content-type"][:15]) == (b"", "multipart/mixed")


@pytest.mark.cdmi("21.2.multipart")
async def test_each_range_is_a_part(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"0123456789")
    answer = await read(gateway, "home/a?value:7-99;valuerange;value:0-1;value:10-12;objectName")
    (_, described), *values = told_parts(answer)
    assert orjson.loads(described) == {"objectName": "a", "valuerange": "7-99,0-1,10-12"}
    assert [(part["content-range"], value) for part, value in values] == [
        ("bytes 7-9/10", b"789"), ("bytes 0-1/10", b"01"), ("bytes */10", b""),
    ]  # fmt: skip
    assert values[0][0].get_content_charset() == "utf-8"


async def test_parts_without_a_value_are_one(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"x")
    ((_, described),) = told_parts(await read(gateway, "home/a?objectName"))
    assert orjson.loads(described) == {"objectName": "a"}
    await gateway.make("empty")
    *_, (_, value) = told_parts(await read(gateway, "home/empty"))
    assert value == b""


async def test_only_objects_in_cdmi_form_come_in_parts(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"x")
    wanted = {"accept": "multipart/mixed"}
    assert (await gateway.http.get("/cdmi/home/", headers={**V, **wanted})).status_code == 406
    preferred = {**V, "accept": "multipart/mixed;q=0.5, */*;q=0.1"}
    answer = await gateway.http.get("/cdmi/home/a", headers=preferred)
    assert answer.headers["content-type"].startswith("multipart/mixed")
    told: Any = (await gateway.http.get("/cdmi/home/a", headers={**V, "accept": "*/*"})).headers
    assert told["content-type"] == "application/cdmi-object"


async def test_what_was_told_in_parts_can_be_put_again(gateway: GatewayTwin) -> None:
    await put(
        gateway, "home/a", body({"metadata": {"k": 1}}, (b"Content-Type: text/x; charset=utf-8", b"hi"))
    )
    answer = await read(gateway, "home/a")
    boundary = re.fullmatch(r"multipart/mixed; boundary=(\w+)", answer.headers["content-type"])
    assert boundary is not None
    headers = {**V, "content-type": answer.headers["content-type"]}
    again = await gateway.http.put("/cdmi/home/b", content=answer.content, headers=headers)
    assert again.status_code == 201, again.text
    first, second = await get(gateway, "home/a"), await get(gateway, "home/b")
    for name in ("value", "mimetype", "valuetransferencoding"):
        assert first[name] == second[name]
