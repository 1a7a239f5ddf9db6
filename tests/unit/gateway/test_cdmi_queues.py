"""Queue objects."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.cdmi import parse_query
from runtime.http.errors import ApiError
from runtime.http.file_ids import encode
from services.gateway.domain.cdmi import bodies, queues
from services.gateway.domain.cdmi.queues import NewValue
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import OBJECT, V, bad, get

QUEUE = {**V, "content-type": "application/cdmi-queue"}


async def make(gateway: GatewayTwin, name: str = "q", **fields: Any) -> dict[str, Any]:
    answer = await gateway.http.put(f"/cdmi/home/{name}", json=fields, headers=QUEUE)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def post(gateway: GatewayTwin, name: str = "q", **fields: Any) -> httpx.Response:
    return await gateway.http.post(f"/cdmi/home/{name}", json=fields, headers=QUEUE)


async def add(gateway: GatewayTwin, *values: str, name: str = "q") -> None:
    answer = await post(gateway, name, value=list(values))
    assert (answer.status_code, answer.content) == (204, b""), answer.text


async def delete(gateway: GatewayTwin, path: str) -> httpx.Response:
    return await gateway.http.delete(f"/cdmi/home/{path}", headers=V)


async def held(gateway: GatewayTwin, name: str = "q") -> object:
    return (await get(gateway, f"home/{name}?values:1000"))["value"]


@pytest.mark.cdmi("21.8.create", "21.8.fields")
async def test_creation_answers_all_fields_but_those_of_values(gateway: GatewayTwin) -> None:
    told = await make(gateway, metadata={"a": "b"})
    assert told.pop("metadata").items() >= {"a": "b", "cdmi_size": "0", "cdmi_owner": "u1"}.items()
    assert told == {
        "objectType": "application/cdmi-queue", "objectID": await gateway.id_of("q"), "objectName": "q",
        "parentURI": "/home/", "parentID": encode("home1", "space_home1"),
        "capabilitiesURI": "cdmi_capabilities/queue/", "completionStatus": "Complete", "queueValues": "",
    }  # fmt: skip
    assert (await get(gateway, "home/?children"))["children"] == ["q"]


@pytest.mark.cdmi("21.8.create")
async def test_a_second_put_changes_the_metadata(gateway: GatewayTwin) -> None:
    await make(gateway, metadata={"a": "b"})
    await add(gateway, "x")
    answer = await gateway.http.put("/cdmi/home/q", json={"metadata": {"c": "d"}}, headers=QUEUE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await get(gateway, "home/q?metadata:c"))["metadata"] == {
        **(await get(gateway, "home/q?metadata:cdmi_ctime"))["metadata"],  # type: ignore[dict-item]
        **(await get(gateway, "home/q?metadata:cdmi_"))["metadata"],  # type: ignore[dict-item]
        "c": "d",
    }
    assert await held(gateway) == ["x"]


@pytest.mark.cdmi("21.8.create", "21.4.post")
async def test_a_queue_is_posted_to_a_container(gateway: GatewayTwin) -> None:
    answer = await gateway.http.post("/cdmi/home/", json={}, headers=QUEUE)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["objectType"] == "application/cdmi-queue"
    assert answer.headers["location"].endswith(f"/cdmi/home/{told['objectName']}")


@pytest.mark.cdmi("21.8.get", "21.8.fields")
async def test_a_get_tells_the_oldest_value(gateway: GatewayTwin) -> None:
    await make(gateway)
    await add(gateway, "first", "second")
    told = await get(gateway, "home/q")
    assert {name: told[name] for name in list(told)[-5:]} == {
        "queueValues": "0-1", "mimetype": ["text/plain"], "valuerange": ["0-4"],
        "valuetransferencoding": ["utf-8"], "value": ["first"],
    }  # fmt: skip
    assert told["metadata"]["cdmi_size"] == "11"  # type: ignore[index]


@pytest.mark.cdmi("21.8.get", "21.8.fields")
async def test_an_empty_queue_tells_empty_arrays(gateway: GatewayTwin) -> None:
    await make(gateway)
    told = await get(gateway, "home/q?queueValues;mimetype;valuerange;valuetransferencoding;value")
    assert told == {
        "queueValues": "", "mimetype": [], "valuerange": [], "valuetransferencoding": [], "value": [],
    }  # fmt: skip


@pytest.mark.cdmi("21.8.get")
async def test_so_many_values_are_told_and_none_is_taken(gateway: GatewayTwin) -> None:
    await make(gateway)
    await add(gateway, "a", "b", "c")
    assert await get(gateway, "home/q?values:2") == {"value": ["a", "b"]}
    assert await get(gateway, "home/q?values:5;mimetype;valuerange") == {
        "mimetype": ["text/plain"] * 3, "valuerange": ["0-0"] * 3, "value": ["a", "b", "c"],
    }  # fmt: skip
    assert await get(gateway, "home/q?queueValues;objectName") == {"queueValues": "0-2", "objectName": "q"}


@pytest.mark.cdmi("21.8.get")
async def test_a_part_of_the_oldest_is_base64(gateway: GatewayTwin) -> None:
    await make(gateway)
    await add(gateway, "häuser", "x")
    assert await get(gateway, "home/q?value:1-2;valuetransferencoding;valuerange") == {
        "value": [base64.b64encode("ä".encode()).decode()],
        "valuetransferencoding": ["base64"],
        "valuerange": ["1-2"],
    }
    assert await get(gateway, "home/q?value:90-99") == {"value": [""]}


@pytest.mark.cdmi("21.8.enqueue")
async def test_values_have_types_and_encodings_of_their_own(gateway: GatewayTwin) -> None:
    await make(gateway)
    answer = await post(
        gateway,
        value=["text", "AAEC"],
        mimetype=["text/html", "image/png"],
        valuetransferencoding=["utf-8", "base64"],
    )
    assert answer.status_code == 204
    assert await get(gateway, "home/q?values:2;mimetype;valuetransferencoding") == {
        "mimetype": ["text/html", "image/png"],
        "valuetransferencoding": ["utf-8", "base64"],
        "value": ["text", "AAEC"],
    }


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, ("missingRequiredValue", "value")),
        ({"value": "text"}, ("badData", "value")),
        ({"value": []}, ("badData", "value")),
        ({"value": [1]}, ("badData", "value")),
        ({"value": ["a", "b"], "mimetype": ["a/b"]}, ("badData", "mimetype")),
        ({"value": ["a"], "mimetype": "a/b"}, ("badData", "mimetype")),
        ({"value": ["a"], "mimetype": ["ä"]}, ("badData", "mimetype")),
        (
            {"value": ["a"], "valuetransferencoding": ["utf-8", "utf-8"]},
            ("badData", "valuetransferencoding"),
        ),
        ({"value": ["a"], "valuetransferencoding": ["rot13"]}, ("badData", "valuetransferencoding")),
        ({"value": ["b", "a"], "valuetransferencoding": ["utf-8", "base64"]}, ("badData", "base64")),
        ({"copy": 5}, ("badData", "copy")),
    ],
)
@pytest.mark.cdmi("21.8.enqueue")
async def test_what_is_no_list_of_values_adds_nothing(
    gateway: GatewayTwin, fields: dict[str, Any], refusal: tuple[str, str]
) -> None:
    await make(gateway)
    assert bad(await post(gateway, **fields)) == refusal
    assert await held(gateway) == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"value": ["a"], "value": ["b"]}', b'{"value": ["a"], "copy": "home/q"}']
)
@pytest.mark.cdmi("21.8.enqueue")
async def test_malformed_bodies_add_nothing(gateway: GatewayTwin, body: bytes) -> None:
    await make(gateway)
    answer = await gateway.http.post("/cdmi/home/q", content=body, headers=QUEUE)
    assert (answer.status_code, answer.json()["error"]["id"]) == (400, "malformedData")
    assert await held(gateway) == []


@pytest.mark.cdmi("21.refused")
async def test_what_is_not_built_is_refused(gateway: GatewayTwin) -> None:
    await make(gateway)
    answer = await post(gateway, value=["a"], deserialize="home/x")
    assert (answer.status_code, answer.json()["error"]["id"]) == (400, "notSupported")


@pytest.mark.cdmi("21.8.dequeue")
async def test_values_are_taken_from_the_oldest_on(gateway: GatewayTwin) -> None:
    await make(gateway)
    await add(gateway, *"abcdefg")
    taken = {"value": "bcdefg", "values:2": "defg", "values:3-4": "fg", "values:0-4": "fg"}
    for query, left in taken.items():
        answer = await delete(gateway, f"q?{query}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert await held(gateway) == list(left)
    assert (await get(gateway, "home/q?queueValues"))["queueValues"] == "5-6"
    assert bad(await delete(gateway, "q?values:6-6")) == ("badData", "values")
    assert (await delete(gateway, "q?values:99")).status_code == 204
    assert (await get(gateway, "home/q?queueValues"))["queueValues"] == ""
    await add(gateway, "h")
    assert (await get(gateway, "home/q?queueValues"))["queueValues"] == "7-7"


@pytest.mark.parametrize(
    "query",
    [
        "valeus:3", "values", "values:x", "values:5-2", "value:0-1", "value;values:2", "values:1;values:2",
        "metadata:a",
    ],
)  # fmt: skip
@pytest.mark.cdmi("21.8.dequeue")
async def test_whoever_misspells_what_to_take_does_not_lose_the_queue(
    gateway: GatewayTwin, query: str
) -> None:
    await make(gateway)
    await add(gateway, "a")
    assert bad(await delete(gateway, f"q?{query}")) == ("badData", "query string")
    assert await held(gateway) == ["a"]


@pytest.mark.parametrize("query", ["values:0x1", "values:1-2", "values:1;values:2", "values:1;value:0-1"])
@pytest.mark.cdmi("21.8.get")
async def test_a_get_of_no_number_is_refused(gateway: GatewayTwin, query: str) -> None:
    await make(gateway)
    answer = await gateway.http.get(f"/cdmi/home/q?{query}", headers=V)
    assert bad(answer) == ("badData", "query string")


@pytest.mark.cdmi("21.8.limits")
async def test_too_many_values_are_refused_with_the_limit(gateway: GatewayTwin) -> None:
    await make(gateway)
    for answer in (
        await gateway.http.get("/cdmi/home/q?values:1001", headers=V),
        await delete(gateway, "q?values:1001"),
        await post(gateway, value=["x"] * 1001),
    ):
        assert bad(answer) == ("badValueTooHigh", "values")
        assert answer.json()["error"]["details"]["limit"] == 1000


@pytest.mark.cdmi("21.8.limits")
async def test_too_large_values_are_refused_with_the_limit(gateway: GatewayTwin) -> None:
    await make(gateway)
    for values, limit in ((["x" * ((1 << 20) + 1)], 1 << 20), (["x" * (1 << 20)] * 3, 2 << 20)):
        answer = await post(gateway, value=values)
        assert (answer.status_code, answer.json()["error"]["id"]) == (400, "limitReached")
        assert answer.json()["error"]["details"]["limit"] == limit
    assert await held(gateway) == []


@pytest.mark.cdmi("21.8.delete")
async def test_a_deleted_queue_is_gone(gateway: GatewayTwin) -> None:
    await make(gateway)
    await add(gateway, "a")
    assert (await delete(gateway, "q")).status_code == 204
    assert (await gateway.http.get("/cdmi/home/q", headers=V)).status_code == 404
    assert (await post(gateway, value=["a"])).status_code == 404


@pytest.mark.cdmi("21.8.form")
async def test_slashes_and_types_have_to_fit(gateway: GatewayTwin) -> None:
    await make(gateway)
    answer = await gateway.http.get("/cdmi/home/q/?values:1", headers=V)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://door:8443/cdmi/home/q?values:1")
    assert bad(await gateway.http.put("/cdmi/home/new/", json={}, headers=QUEUE)) == (
        "badValueIdentifier", "path",
    )  # fmt: skip
    assert bad(await gateway.http.put("/cdmi/home/q", json={"value": "x"}, headers=OBJECT)) == (
        "badValueIdentifier", "path",
    )  # fmt: skip
    await gateway.http.put("/cdmi/home/f", json={"value": "x"}, headers=OBJECT)
    assert bad(await gateway.http.put("/cdmi/home/f", json={}, headers=QUEUE)) == (
        "badValueIdentifier", "path",
    )  # fmt: skip
    assert bad(await gateway.http.put("/cdmi/home/r", json={"value": ["x"]}, headers=QUEUE)) == (
        "badData", "value",
    )  # fmt: skip


@pytest.mark.cdmi("21.8.form")
async def test_a_queue_is_told_as_a_queue_or_not_at_all(gateway: GatewayTwin) -> None:
    await make(gateway)
    await gateway.http.put("/cdmi/home/f", json={"value": "x"}, headers=OBJECT)
    for accept, status in (
        ("application/cdmi-queue", 200), ("*/*", 200), ("application/cdmi-object", 406),
        ("application/binary", 406), ("application/cdmi-object;q=0.9, application/cdmi-queue;q=0.1", 200),
    ):  # fmt: skip
        answer = await gateway.http.get("/cdmi/home/q", headers={**V, "accept": accept})
        assert answer.status_code == status, accept
    answer = await gateway.http.get("/cdmi/home/f", headers={**V, "accept": "application/cdmi-queue"})
    assert answer.status_code == 406


@pytest.mark.cdmi("21.8.form")
async def test_without_a_version_nothing_is_added(gateway: GatewayTwin) -> None:
    await make(gateway)
    headers = {"content-type": "application/cdmi-queue"}
    answer = await gateway.http.post("/cdmi/home/q", json={"value": ["a"]}, headers=headers)
    assert bad(answer) == ("missingRequiredValue", "version")
    assert bad(await gateway.http.get("/cdmi/home/q", headers={"accept": QUEUE["content-type"]})) == (
        "missingRequiredValue", "version",
    )  # fmt: skip


@pytest.mark.cdmi("21.8.form", "18.methods")
async def test_only_queues_and_containers_are_posted_to(gateway: GatewayTwin) -> None:
    await make(gateway)
    await gateway.http.put("/cdmi/home/f", json={"value": "x"}, headers=OBJECT)
    answer = await post(gateway, "f", value=["a"])
    assert (answer.status_code, answer.headers["allow"]) == (405, "PUT, GET, DELETE")
    answer = await gateway.http.post("/cdmi/home/q", json={"value": ["a"]}, headers=OBJECT)
    assert answer.status_code == 405


@pytest.mark.cdmi("21.8.form")
async def test_the_content_of_a_queue_is_refused_on_every_road(gateway: GatewayTwin) -> None:
    await make(gateway)
    file_id = await gateway.id_of("q")
    told = (await gateway.http.get(f"/api/v3/oneprovider/data/{file_id}")).json()
    assert (told["type"], told["size"]) == ("REG", 0)


@pytest.mark.cdmi("21.8.order")
async def test_requests_that_are_tried_again_are_done_once(gateway: GatewayTwin) -> None:
    for _ in range(2):
        answer = await gateway.http.put("/cdmi/home/q", json={}, headers={**QUEUE, "x-request-id": "make"})
        assert answer.status_code == 201
    await gateway.http.put("/cdmi/home/f", json={"value": "c"}, headers=OBJECT)
    for body in ({"value": ["a", "b"]}, {"copy": "home/q"}, {"move": "home/f"}):
        for _ in range(2):
            answer = await gateway.http.post(
                "/cdmi/home/q", json=body, headers={**QUEUE, "x-request-id": str(body)[:9]}
            )
            assert answer.status_code == 204, answer.text
    assert await held(gateway) == ["a", "b", "a", "c"]
    for query in ("?value", "?values:2"):
        for _ in range(2):
            answer = await gateway.http.delete(f"/cdmi/home/q{query}", headers={**V, "x-request-id": query})
            assert answer.status_code == 204
    assert await held(gateway) == ["c"]
    for _ in range(2):
        answer = await gateway.http.put(
            "/cdmi/home/r", json={"copy": "home/q"}, headers={**QUEUE, "x-request-id": "copy"}
        )
        assert answer.status_code == 201
    assert await held(gateway, "r") == ["c"]
    for _ in range(2):
        answer = await gateway.http.delete("/cdmi/home/q", headers={**V, "x-request-id": "gone"})
        assert answer.status_code == 204


@pytest.mark.cdmi("10.sets")
async def test_capabilities_of_queues_are_told(gateway: GatewayTwin) -> None:
    told = await get(gateway, "cdmi_capabilities/queue/")
    assert (told["objectName"], told["parentURI"]) == ("queue/", "cdmi_capabilities/")
    assert told["capabilities"] == dict.fromkeys(
        (
            "cdmi_acl", "cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime", "cdmi_read_value",
            "cdmi_read_metadata", "cdmi_modify_value", "cdmi_modify_metadata", "cdmi_delete_queue",
            "cdmi_move_queue", "cdmi_copy_queue",
        ),
        "true",
    )  # fmt: skip
    by_id = await gateway.http.get(f"/cdmi/cdmi_objectid/{told['objectID']}/", headers=V)
    assert by_id.json() == told
    root = await get(gateway, "cdmi_capabilities/?capabilities")
    assert root["capabilities"]["cdmi_queues"] == "true"  # type: ignore[index]
    container = await get(gateway, "cdmi_capabilities/container/?capabilities")
    assert {"cdmi_create_queue", "cdmi_post_queue"} <= set(container["capabilities"])  # type: ignore[call-overload]


queries = st.one_of(
    st.binary(max_size=20),
    st.lists(st.sampled_from(["value", "values", "values:3", "values:1-2", "value:0-1", ";", ":"])).map(
        lambda parts: ";".join(parts).encode()
    ),
)


@given(queries)
def test_whatever_the_query_no_other_error_comes(raw: bytes) -> None:
    for ask in (queues.wanted_count, queues.taking):
        with suppress(ApiError):
            ask(parse_query(raw), raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("AAEC"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
names = st.sampled_from(["value", "mimetype", "valuetransferencoding", "copy", "move"])


@given(st.dictionaries(names, json_values, max_size=4))
def test_whatever_the_body_no_other_error_comes(fields: dict[str, Any]) -> None:
    with suppress(ApiError):
        bodies.refuse_unbuilt(fields)
        if queues.source(fields) is None:
            assert all(isinstance(value, NewValue) for value in queues.new_values(fields))
