"""Data objects in CDMI form."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import OBJECT, V, bad, errno, get

TEXT = 'first żółw "quoted" \\ \n'


@pytest.fixture(params=["application", "server"])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def put(gateway: GatewayTwin, path: str, body: object, **headers: str) -> httpx.Response:
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.http.put(f"/cdmi/{path}", json=body, headers={**OBJECT, **extra})


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.cdmi("12.4.create", "16.3.system")
async def test_creation_answers_all_but_the_value(gateway: GatewayTwin) -> None:
    answer = await put(
        gateway, "home/a.txt", {"value": TEXT, "mimetype": "text/plain", "metadata": {"k": "v", "cdmi_x": 1}}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cdmi-object")
    told = answer.json()
    assert told["metadata"].keys() == {
        "k", "cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime", "cdmi_owner",
    }  # fmt: skip
    assert told["metadata"]["cdmi_size"] == str(len(TEXT.encode()))
    assert told.keys() == {
        "objectType", "objectID", "objectName", "parentURI", "parentID", "capabilitiesURI",
        "completionStatus", "mimetype", "metadata",
    }  # fmt: skip
    assert (told["objectName"], told["parentURI"], told["mimetype"]) == ("a.txt", "/home/", "text/plain")


@pytest.mark.cdmi("12.2.utf8")
async def test_text_comes_back_escaped(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a.txt", {"value": TEXT})
    told = await get(gateway, "home/a.txt")
    assert (told["value"], told["valuetransferencoding"]) == (TEXT, "utf-8")
    assert told["valuerange"] == f"0-{len(TEXT.encode()) - 1}"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 999, 1000, 1001, 100_000])
@pytest.mark.cdmi("12.2.base64")
async def test_bytes_come_back_in_base64(gateway: GatewayTwin, size: int) -> None:
    content = bytes(index % 256 for index in range(size))
    await put(gateway, "home/a", {"value": b64(content), "valuetransferencoding": "base64"})
    answer = await gateway.http.get("/cdmi/home/a", headers=V)
    assert answer.json()["value"] == b64(content)
    assert answer.json()["valuetransferencoding"] == "base64"
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.cdmi("12.3.large")
async def test_large_values_go_through_in_pieces(gateway: GatewayTwin) -> None:
    content = bytes(range(256)) * 12_000
    answer = await put(gateway, "home/a", {"value": b64(content), "valuetransferencoding": "base64"})
    assert answer.status_code == 201
    assert (await get(gateway, "home/a?value"))["value"] == b64(content)
    too_large = await put(gateway, "home/b", {"value": "x" * ((4 << 20) + 1)})
    assert too_large.json()["error"]["id"] == "limitReached"
    assert (await gateway.http.get("/cdmi/home/b", headers=V)).status_code == 404


@pytest.mark.cdmi("12.3.large", "12.2.utf8")
async def test_large_texts_are_told_as_texts(gateway: GatewayTwin) -> None:
    text = 'żółw "\n' * 200_000
    await put(gateway, "home/a", {"value": text})
    answer = await gateway.http.get("/cdmi/home/a?value;valuetransferencoding", headers=V)
    assert answer.json() == {"value": text, "valuetransferencoding": "utf-8"}
    assert int(answer.headers["content-length"]) == len(answer.content)
    part = await get(gateway, "home/a?value:1-1200001;valuetransferencoding")
    assert part["valuetransferencoding"] == "base64"


@pytest.mark.cdmi("12.4.create")
async def test_an_empty_body_makes_an_empty_object(gateway: GatewayTwin) -> None:
    assert (await gateway.http.put("/cdmi/home/a", headers=OBJECT)).status_code == 201
    told = await get(gateway, "home/a")
    assert (told["value"], told["valuerange"]) == ("", "0--1")


@pytest.mark.cdmi("7.fields")
async def test_fields_are_selected(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello"})
    assert await get(gateway, "home/a?objectName;valuerange") == {"objectName": "a", "valuerange": "0-4"}
    assert await get(gateway, "home/a?value:1-3;valuerange") == {"value": "ell", "valuerange": "1-3"}
    assert await get(gateway, "home/a?unknown") == {}
    assert await get(gateway, "home/a?value") == {"value": "hello"}


@pytest.mark.cdmi("12.2.slice")
async def test_ranges_are_cut_and_empty_behind_the_end(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello"})
    await put(gateway, "home/empty", {})
    assert await get(gateway, "home/a?value:3-99") == {"value": "lo"}
    assert await get(gateway, "home/a?value:5-9") == {"value": ""}
    assert await get(gateway, "home/empty?value:0-3") == {"value": ""}
    assert bad(await gateway.http.get("/cdmi/home/a?value:5-2", headers=V)) == ("badData", "query string")


@pytest.mark.cdmi("12.2.utf8")
async def test_what_is_no_text_is_told_in_base64(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "żó"})
    told = await get(gateway, "home/a?value:0-2;valuetransferencoding")
    assert told == {"value": b64("żó".encode()[:3]), "valuetransferencoding": "base64"}


@pytest.mark.cdmi("12.4.update", "12.4.encoding")
async def test_update_replaces_the_value(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello world", "mimetype": "text/plain"})
    answer = await put(gateway, "home/a", {"value": "new"})
    assert (answer.status_code, answer.content) == (204, b"")
    told = await get(gateway, "home/a")
    assert (told["value"], told["mimetype"]) == ("new", "text/plain")
    await put(gateway, "home/a", {"value": b64(b"raw"), "valuetransferencoding": "base64"})
    assert (await get(gateway, "home/a?value"))["value"] == b64(b"raw")


@pytest.mark.cdmi("12.4.range")
async def test_parts_are_written_in_base64(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello"})
    assert (await put(gateway, "home/a?value:0-2", {"value": b64(b"HEL")})).status_code == 204
    assert (await put(gateway, "home/a?value:7-8", {"value": b64(b"xy")})).status_code == 204
    assert (await get(gateway, "home/a?value"))["value"] == "HELlo\0\0xy"
    assert bad(await put(gateway, "home/a?value:0-5", {"value": b64(b"HEL")})) == ("badData", "range")
    assert bad(await put(gateway, "home/a?value:0-5", {})) == ("badData", "range")
    assert bad(await put(gateway, "home/a?value:0-2", {"value": "???"})) == ("badData", "base64")


@pytest.mark.cdmi("12.4.range-create")
async def test_a_part_of_nothing_is_placed(gateway: GatewayTwin) -> None:
    assert (await put(gateway, "home/a?value:2-4", {"value": b64(b"abc")})).status_code == 201
    assert (await get(gateway, "home/a?value"))["value"] == "\0\0abc"


@pytest.mark.cdmi("12.4.update")
async def test_media_type_and_encoding_change_alone(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello"})
    change = {"mimetype": "Odd Type", "valuetransferencoding": "base64"}
    assert (await put(gateway, "home/a", change)).status_code == 204
    told = await get(gateway, "home/a")
    assert (told["mimetype"], told["value"]) == ("Odd Type", b64(b"hello"))


async def test_odd_media_types_are_kept_from_the_start(gateway: GatewayTwin) -> None:
    answer = await put(gateway, "home/a", {"value": "x", "mimetype": "a; charset=b"})
    assert answer.json()["mimetype"] == "a; charset=b"


async def test_partial_uploads_show_as_processing(gateway: GatewayTwin) -> None:
    answer = await put(gateway, "home/a", {"value": "0123"}, x_cdmi_partial="true")
    assert answer.json()["completionStatus"] == "Processing"
    await put(gateway, "home/a?value:4-4", {"value": b64(b"4")}, x_cdmi_partial="true")
    await put(gateway, "home/a", {"metadata": {"k": 1}})
    assert (await get(gateway, "home/a?completionStatus"))["completionStatus"] == "Processing"
    await put(gateway, "home/a?value:5-9", {"value": b64(b"56789")})
    told = await get(gateway, "home/a")
    assert (told["completionStatus"], told["value"]) == ("Complete", "0123456789")


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"value": "?", "valuetransferencoding": "base64"}, "badData"),
     ({"copy": "a", "move": "b"}, "malformedData"), ([1], "malformedData"),
     ({"reference": "x"}, "badData")],
)  # fmt: skip
async def test_refused_creations_leave_nothing(gateway: GatewayTwin, body: object, expected: str) -> None:
    assert (await put(gateway, "home/a", body)).json()["error"]["id"] == expected
    assert (await gateway.http.get("/cdmi/home/a", headers=V)).status_code == 404


async def test_a_missing_parent_is_enoent(gateway: GatewayTwin) -> None:
    assert errno(await put(gateway, "home/nope/a", {"value": "x"})) == "enoent"
    assert errno(await put(gateway, "nospace/a", {"value": "x"})) == "enoent"
    assert errno(await put(gateway, "a", {"value": "x"})) == "eperm"


async def test_what_may_not_be_read_is_eacces(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"x", mode=0o600)
    member = {**V, "x-auth-token": "member"}
    assert errno(await gateway.http.get("/cdmi/home/a", headers=member)) == "eacces"
    answer = await gateway.http.put("/cdmi/home/a", json={"value": "y"}, headers={**OBJECT, **member})
    assert errno(answer) == "eacces"


async def test_raw_bytes_for_who_prefers_them(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello", "mimetype": "text/x"})
    answer = await gateway.http.get("/cdmi/home/a", headers={**V, "accept": "application/binary, */*;q=0.1"})
    assert (answer.content, answer.headers["content-type"]) == (b"hello", "text/x")


async def test_raw_bytes_in_ranges(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "hello", "mimetype": "text/x"})
    prefers = {**V, "accept": "application/binary, */*;q=0.1"}
    answer = await gateway.http.get("/cdmi/home/a", headers={**prefers, "range": "bytes=1-2"})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (
        206,
        b"el",
        "bytes 1-2/5",
    )
    answer = await gateway.http.get("/cdmi/home/a", headers={**prefers, "range": "bytes=7-"})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (416, b"", "bytes */5")
    answer = await gateway.http.head("/cdmi/home/a", headers=prefers)
    assert (answer.status_code, answer.headers["content-length"]) == (200, "5")
    assert answer.headers["content-type"] == "text/x"


async def test_deletion_by_path_and_by_id(gateway: GatewayTwin) -> None:
    first, _ = await gateway.make("a"), await gateway.make("b")
    assert (await gateway.http.delete(f"/cdmi/cdmi_objectid/{first}", headers=V)).status_code == 204
    assert (await gateway.http.delete("/cdmi/home/b", headers=V)).status_code == 204
    assert (await gateway.http.delete("/cdmi/home/b", headers=V)).status_code == 404


async def test_head_tells_without_reading(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"hello")
    answer = await gateway.http.head("/cdmi/home/a", headers=V)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_creation_that_is_tried_again_answers_as_at_first(gateway: GatewayTwin) -> None:
    tries = [await put(gateway, "home/a", {"value": "x"}, **{"x-request-id": "r1"}) for _ in range(2)]
    assert [answer.status_code for answer in tries] == [201, 201]
    assert tries[0].json()["objectID"] == tries[1].json()["objectID"]
    assert (await put(gateway, "home/a", {"value": "x"}, **{"x-request-id": "r2"})).status_code == 204


@pytest.mark.parametrize(("type", "path"), [("REG", "a"), ("DIR", "a/")])
async def test_a_removal_that_is_tried_again_answers_as_at_first(
    gateway: GatewayTwin, type: str, path: str
) -> None:
    await gateway.make("a", type=type)
    headers = [{**V, "x-request-id": id} for id in ("r1", "r1", "r2")]
    answers = [await gateway.http.delete(f"/cdmi/home/{path}", headers=each) for each in headers]
    assert [answer.status_code for answer in answers] == [204, 204, 404]
