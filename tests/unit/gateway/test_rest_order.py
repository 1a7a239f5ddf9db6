"""Which error wins: the order of processing that all REST routes share."""

from __future__ import annotations

import httpx
import pytest

from runtime.errors import Unavailable
from runtime.http.file_ids import encode, encode_data
from tests.support.gateway import PROVIDER_ID, GatewayTwin

API = "/api/v3/oneprovider"


@pytest.fixture(params=["application", "server"])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


@pytest.mark.parametrize(
    "path", ["/nope", API, API + "/nope", API + "/data/home1/nope", API + "/data", "/cdmi2"]
)
async def test_unknown_routes_are_404_and_empty(gateway: GatewayTwin, path: str) -> None:
    answer = await gateway.http.get(path)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/data/home1", "GET, PUT, DELETE"),
        ("OPTIONS", "/data/home1", "GET, PUT, DELETE"),
        ("DELETE", "/data/home1/children", "GET, POST"),
        ("PATCH", "/data/home1/path/x", "GET, HEAD, PUT, DELETE"),
        ("GET", "/lookup-file-id/home", "POST"),
        ("POST", "/configuration", "GET"),
    ],
)
async def test_wrong_methods_are_405_even_for_guests(
    gateway: GatewayTwin, method: str, path: str, allow: str
) -> None:
    del gateway.http.headers["x-auth-token"]
    answer = await gateway.http.request(method, API + path)
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (405, b"", allow)


async def test_guests_are_401_without_details(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    for path in ("/data/home1", "/data/NOT_AN_ID", "/data/home1/children?limit=0"):
        assert error(await gateway.http.get(API + path)) == (401, "unauthorized", None)
    assert error(await gateway.http.post(API + "/lookup-file-id/home")) == (401, "unauthorized", None)


@pytest.mark.parametrize("header", ["x-auth-token", "macaroon"])
async def test_bad_tokens_are_401_with_the_reason(gateway: GatewayTwin, header: str) -> None:
    del gateway.http.headers["x-auth-token"]
    answer = await gateway.http.get(API + "/data/home1", headers={header: "bad"})
    status, id, details = error(answer)
    assert (status, id) == (401, "unauthorized")
    assert isinstance(details, dict)
    assert details["authError"]["id"] == "tokenInvalid"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_bearer_is_as_good(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    answer = await gateway.http.get(API + "/data/home1", headers={"authorization": "Bearer owner"})
    assert answer.status_code == 200


async def test_what_is_not_accepted_is_406(gateway: GatewayTwin) -> None:
    for accept in ("text/html", "application/json;q=0"):
        answer = await gateway.http.get(API + "/data/NOT_AN_ID", headers={"accept": accept})
        assert (answer.status_code, answer.content) == (406, b"")
    answer = await gateway.http.post(API + "/lookup-file-id/nope", headers={"accept": "text/html"})
    assert answer.status_code == 406


async def test_other_content_types_are_415_only_with_a_body(gateway: GatewayTwin) -> None:
    headers = {"content-type": "text/plain"}
    answer = await gateway.http.put(API + "/data/home1", content=b'{"mode":"700"}', headers=headers)
    assert (answer.status_code, answer.content) == (415, b"")
    empty = await gateway.http.put(API + "/data/home1", headers=headers)
    assert error(empty) == (400, "missingRequiredValue", {"key": "mode"})


async def test_content_types_of_get_and_delete_do_not_matter(gateway: GatewayTwin) -> None:
    answer = await gateway.http.request(
        "GET", API + "/data/home1", content=b'{"attributes":["type"]}', headers={"content-type": "a/b"}
    )
    assert answer.json() == {"type": "DIR"}


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b'{"a":' * 10_000, b"\xff\xfe"])
async def test_malformed_bodies_come_before_bad_ids(gateway: GatewayTwin, body: bytes) -> None:
    answer = await gateway.http.request("GET", API + "/data/NOT_AN_ID", content=body)
    assert error(answer) == (400, "malformedData", None)


async def test_large_bodies_are_refused(gateway: GatewayTwin) -> None:
    answer = await gateway.http.request("GET", API + "/data/home1", content=b" " * (1 << 20) + b"{}")
    assert error(answer)[:2] == (400, "limitReached")


async def test_bad_ids_come_before_bad_parameters(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(API + "/data/NOT_AN_ID/children?limit=0")
    assert error(answer) == (
        400, "spaceNotSupportedBy", {"spaceId": "NOT_AN_ID", "providerId": PROVIDER_ID},
    )  # fmt: skip


@pytest.mark.parametrize("segment", ["%FF", "a%00b", "%2F", "x" * 2000, "żółw", "away1"])
async def test_odd_ids_are_gibberish(gateway: GatewayTwin, segment: str) -> None:
    assert error(await gateway.http.get(f"{API}/data/{segment}"))[:2] == (400, "spaceNotSupportedBy")


async def test_bad_parameters_come_before_membership(gateway: GatewayTwin) -> None:
    stranger = {"x-auth-token": "stranger"}
    answer = await gateway.http.get(API + "/data/home1/children?limit=0", headers=stranger)
    assert error(answer)[1] == "badValueNotInRange"


@pytest.mark.parametrize("path", ["", "/children", "/metadata/xattrs", "/symlink_value", "/hardlinks"])
async def test_strangers_are_403(gateway: GatewayTwin, path: str) -> None:
    stranger = {"x-auth-token": "stranger"}
    for id in ("home1", encode("home1", "space_home1"), encode("nowhere", "x")):
        answer = await gateway.http.get(f"{API}/data/{id}{path}", headers=stranger)
        assert error(answer) == (403, "forbidden", None)


async def test_spaces_of_other_providers_are_told(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(f"{API}/data/{encode('away1', 'x')}")
    assert error(answer)[:2] == (400, "spaceNotSupportedBy")


async def test_files_that_are_gone_are_enoent(gateway: GatewayTwin) -> None:
    gone = encode("home1", "nope")
    for path in ("", "/children", "/metadata/xattrs", "/symlink_value", "/hardlinks"):
        answer = await gateway.http.get(f"{API}/data/{gone}{path}")
        assert error(answer) == (400, "posix", {"errno": "enoent"})


async def test_share_ids_need_no_token(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    shared = encode("home1", "f", "share1")
    for path in ("", "/children", "/symlink_value", "/metadata/xattrs"):
        answer = await gateway.http.get(f"{API}/data/{shared}{path}")
        assert error(answer) == (400, "posix", {"errno": "enoent"})
    assert error(await gateway.http.delete(f"{API}/data/{shared}")) == (400, "notSupported", None)
    assert error(await gateway.http.get(f"{API}/data/{shared}/hardlinks")) == (400, "notSupported", None)


async def test_a_bad_token_fails_on_share_ids_too(gateway: GatewayTwin) -> None:
    shared = encode("home1", "f", "share1")
    answer = await gateway.http.get(f"{API}/data/{shared}", headers={"x-auth-token": "bad"})
    assert answer.status_code == 401


async def test_metadata_away_is_503_in_the_envelope(gateway: GatewayTwin) -> None:
    gateway.metadata.away = Unavailable()
    assert error(await gateway.http.get(API + "/data/home1")) == (503, "serviceUnavailable", None)
    cdmi = await gateway.http.get("/cdmi/home/", headers={"x-cdmi-specification-version": "1.1.1"})
    assert error(cdmi) == (503, "serviceUnavailable", None)


async def test_bugs_are_500_without_a_word(gateway: GatewayTwin) -> None:
    gateway.metadata.away = RuntimeError("secret")  # type: ignore[assignment]
    answer = await gateway.http.get(API + "/data/home1")
    assert (answer.status_code, answer.json()["error"]["id"]) == (500, "internalServerError")
    assert "secret" not in answer.text


@pytest.mark.parametrize("suffix", ["", "/"])
async def test_a_trailing_slash_is_tolerated(gateway: GatewayTwin, suffix: str) -> None:
    for path in ("/data/home1", "/data/home1/children", "/configuration", "/health"):
        assert (await gateway.http.get(API + path + suffix)).status_code == 200


async def test_dots_are_folded_before_the_route_is_found(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(API + "/data/x/%2e%2e/home1/%2e/children")
    assert answer.status_code == 200


async def test_every_answer_may_be_read_by_any_page(gateway: GatewayTwin) -> None:
    for path in (API + "/data/home1", API + "/nope", API + "/configuration", API + "/data/x"):
        assert (await gateway.http.get(path)).headers["access-control-allow-origin"] == "*"


async def test_content_routes_belong_to_the_data_ports(gateway: GatewayTwin) -> None:
    assert error(await gateway.http.get(API + "/data/home1/content"))[:2] == (503, "serviceUnavailable")


async def test_crc_and_case_of_ids_do_not_matter(gateway: GatewayTwin) -> None:
    id = encode_data(b"guid#space_home1#home1")
    wrong = id[:12] + "0000" + id[16:].lower()
    assert (await gateway.http.get(f"{API}/data/{wrong}")).json()["fileId"] == id


async def test_a_path_asked_for_again_is_the_same_route_for_every_method(gateway: GatewayTwin) -> None:
    file = await gateway.make("again")
    for _ in range(2):
        answers = [await gateway.http.request(method, f"{API}/data/{file}") for method in ("GET", "PATCH")]
        assert [answer.status_code for answer in answers] == [200, 405]
        told = await gateway.http.get(f"{API}/data/{file}?attributes=name&attributes=size")
        assert told.json() == {"name": "again", "size": 0}
        refused = await gateway.http.get(f"{API}/data/{file}?attributes=none")
        assert (refused.status_code, refused.json()["error"]["id"]) == (400, "badValueNotAllowed")
