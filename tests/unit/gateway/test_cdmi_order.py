"""Which CDMI error wins: versions, callers, slashes, types, methods, capabilities."""

from __future__ import annotations

import httpx
import pytest

from runtime.http.file_ids import encode
from runtime.mongo import DatabaseFull
from tests.support.gateway import GatewayTwin

V = {"x-cdmi-specification-version": "1.1.1"}
OBJECT = {**V, "content-type": "application/cdmi-object"}
CONTAINER = {**V, "content-type": "application/cdmi-container"}


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details", {}).get("key")


async def test_capabilities_are_what_works(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    root = await gateway.http.get("/cdmi/cdmi_capabilities/", headers=V)
    assert root.headers["content-type"] == "application/cdmi-capability"
    told = root.json()
    assert (told["objectName"], told["childrenrange"], told["children"]) == (
        "cdmi_capabilities/", "0-1", ["container/", "dataobject/"],
    )  # fmt: skip
    assert "cdmi_object_move_from_local" in told["capabilities"]
    by_id = await gateway.http.get(f"/cdmi/cdmi_objectid/{told['objectID']}/", headers=V)
    assert by_id.json() == told
    part = await gateway.http.get("/cdmi/cdmi_capabilities/container/?objectName;parentURI", headers=V)
    assert part.json() == {"objectName": "container/", "parentURI": "cdmi_capabilities/"}


async def test_capabilities_need_a_version_and_get(gateway: GatewayTwin) -> None:
    assert error(await gateway.http.get("/cdmi/cdmi_capabilities/"))[:2] == (400, "badVersion")
    answer = await gateway.http.delete("/cdmi/cdmi_capabilities/", headers=V)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_a_bad_version_comes_before_the_caller(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    bad = {"x-cdmi-specification-version": "1.0.2"}
    assert error(await gateway.http.get("/cdmi/home/", headers=bad))[:2] == (400, "badVersion")
    assert error(await gateway.http.get("/cdmi/home/?value:x", headers=V)) == (400, "badData", "query string")
    assert error(await gateway.http.get("/cdmi/home/", headers=V)) == (401, "unauthorized", None)


async def test_by_id_the_id_comes_first_then_the_caller(gateway: GatewayTwin) -> None:
    assert error(await gateway.http.get("/cdmi/cdmi_objectid/xyz")) == (400, "badValueIdentifier", "file_id")
    unknown = encode("home1", "nope")
    assert error(await gateway.http.get(f"/cdmi/cdmi_objectid/{unknown}", headers=V))[:2] == (400, "posix")
    del gateway.http.headers["x-auth-token"]
    assert error(await gateway.http.get(f"/cdmi/cdmi_objectid/{unknown}", headers=V))[0] == 401


async def test_methods_are_put_get_delete(gateway: GatewayTwin) -> None:
    answer = await gateway.http.post("/cdmi/home/a", headers=V)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "PUT, GET, DELETE", b"")
    assert (await gateway.http.request("FETCH", "/cdmi/home/")).status_code == 501


async def test_options_need_no_token(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    answer = await gateway.http.request("OPTIONS", "/cdmi/home/")
    assert answer.status_code == 204
    assert "X-CDMI-Specification-Version" in answer.headers["access-control-allow-headers"]


@pytest.mark.cdmi("8.empty")
async def test_what_is_missing_is_404_and_empty(gateway: GatewayTwin) -> None:
    for path in ("home/nope", "home/nope/", "nope/", "nope/x", "home/../home/", "home/a.txt/x"):
        for method in ("GET", "DELETE"):
            answer = await gateway.http.request(method, f"/cdmi/{path.replace('..', '%2e%2e')}", headers=V)
            assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.cdmi("2.symlink")
async def test_symlinks_are_as_if_absent(gateway: GatewayTwin) -> None:
    await gateway.make("link", type="SYMLNK", symlink_target="x")
    assert (await gateway.http.get("/cdmi/home/link", headers=V)).status_code == 404


@pytest.mark.cdmi("2.1.redirect")
async def test_the_slash_has_to_fit(gateway: GatewayTwin) -> None:
    await gateway.make("żółw dir", type="DIR")
    await gateway.make("a.txt")
    for method, headers in (("GET", V), ("PUT", OBJECT), ("DELETE", V), ("GET", {})):
        answer = await gateway.http.request(method, "/cdmi/home/a.txt/?example_qs=1", headers=headers)
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["location"] == "https://door:8443/cdmi/home/a.txt?example_qs=1"
    answer = await gateway.http.get("/cdmi/home/%C5%BC%C3%B3%C5%82w%20dir", headers=V)
    assert answer.headers["location"] == "https://door:8443/cdmi/home/%C5%BC%C3%B3%C5%82w%20dir/"


async def test_the_type_has_to_fit_the_slash(gateway: GatewayTwin) -> None:
    put = gateway.http.put
    assert error(await put("/cdmi/home/new", headers=CONTAINER)) == (400, "badValueIdentifier", "path")
    assert error(await put("/cdmi/home/new/", headers=OBJECT)) == (400, "badValueIdentifier", "path")


async def test_cdmi_types_need_a_version(gateway: GatewayTwin) -> None:
    for path, kind in (("new", "object"), ("new/", "container"), ("new", "container"), ("new/", "object")):
        answer = await gateway.http.put(
            f"/cdmi/home/{path}", headers={"content-type": f"application/cdmi-{kind}"}
        )
        assert error(answer) == (400, "missingRequiredValue", "version")
    assert error(await gateway.http.get("/cdmi/home/")) == (400, "missingRequiredValue", "version")


async def test_parameters_of_the_type_are_ignored(gateway: GatewayTwin) -> None:
    headers = {**V, "content-type": "Application/CDMI-object+json; charset=utf-8"}
    answer = await gateway.http.put("/cdmi/home/new", json={"value": "x"}, headers=headers)
    assert answer.status_code == 201


async def test_what_is_not_accepted_is_406(gateway: GatewayTwin) -> None:
    for path, accept in (("home/", "text/plain"), ("", "application/cdmi-object"), ("home/x", "image/png")):
        answer = await gateway.http.get(f"/cdmi/{path}", headers={**V, "accept": accept})
        assert (answer.status_code, answer.content) == (406, b"")


async def test_answers_name_the_version_when_the_request_did(gateway: GatewayTwin) -> None:
    for path in ("home/", "home/nope", "nope/"):
        answer = await gateway.http.get(f"/cdmi/{path}", headers=V)
        assert answer.headers["x-cdmi-specification-version"] == "1.1.1"
    assert "x-cdmi-specification-version" not in (await gateway.http.get("/cdmi/home/")).headers


async def test_other_spaces_are_told_apart(gateway: GatewayTwin) -> None:
    assert error(await gateway.http.get("/cdmi/away/x", headers=V))[:2] == (400, "spaceNotSupportedBy")
    stranger = {**V, "x-auth-token": "stranger"}
    assert (await gateway.http.get("/cdmi/home/", headers=stranger)).status_code == 404


async def test_impossible_paths_are_refused(gateway: GatewayTwin) -> None:
    for path in ("home/a%00b", "home/%FF"):
        assert error(await gateway.http.get(f"/cdmi/{path}", headers=V))[:2] == (400, "badValueFilePath")
    answer = await gateway.http.put("/cdmi/home/x%2Fy", json={}, headers=OBJECT)
    assert error(answer)[:2] == (400, "posix")


@pytest.mark.cdmi("3.breaker")
async def test_while_no_changes_are_taken_they_are_refused_before_all_else(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"x")
    gateway.refused_writes = "the disk of the database is full"
    nobody = {"x-auth-token": "nobody", "x-cdmi-specification-version": "9.9"}
    for method, path in (
        ("PUT", "home/new"), ("PUT", "home/new/"), ("POST", "home/"), ("DELETE", "home/a"),
        ("PUT", "cdmi_objectid/xyz"), ("GET", "cdmi_capabilities/"), ("GET", "cdmi_capabilities/container/"),
    ):  # fmt: skip
        answer = await gateway.http.request(method, f"/cdmi/{path}", headers=nobody)
        assert error(answer) == (503, "serviceUnavailable", None)
    assert (await gateway.http.get("/cdmi/home/a", headers=V)).json()["value"] == "x"
    assert (await gateway.http.get("/cdmi/home/", headers=V)).json()["children"] == ["a"]
    assert (await gateway.http.options("/cdmi/home/")).status_code == 204
    gateway.refused_writes = ""
    assert (await gateway.http.put("/cdmi/home/new", json={}, headers=OBJECT)).status_code == 201


@pytest.mark.cdmi("3.breaker")
async def test_a_database_that_fills_up_meanwhile_is_told_alike(gateway: GatewayTwin) -> None:
    gateway.metadata.away = DatabaseFull()
    answer = await gateway.http.put("/cdmi/home/new", json={}, headers=OBJECT)
    assert error(answer) == (503, "serviceUnavailable", None)
    answer = await gateway.http.put("/api/v3/oneprovider/data/home1/path/new?type=DIR")
    assert error(answer) == (503, "serviceUnavailable", None)
