"""References: they lead elsewhere, and can only be removed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, bad, errno, get
from tests.unit.gateway.test_cdmi_objects import put

URI = "/cdmi/home/a%20b?value:0-1"


async def refer(gateway: GatewayTwin, path: str = "home/ref", uri: str = URI, **more: Any) -> httpx.Response:
    return await put(gateway, path, {"reference": uri, **more})


def leads_to(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.content) == (302, b"")
    return str(answer.headers["location"])


@pytest.mark.cdmi("21.3.references")
async def test_a_reference_leads_wherever_it_was_told(gateway: GatewayTwin) -> None:
    answer = await refer(gateway)
    assert (answer.status_code, answer.content) == (201, b"")
    for method, headers in (
        ("GET", V), ("GET", {}), ("HEAD", V), ("PUT", OBJECT), ("PUT", {"content-type": "text/plain"}),
        ("GET", {**V, "accept": "application/binary"}),
    ):  # fmt: skip
        told = await gateway.http.request(method, "/cdmi/home/ref?objectName", headers=headers, content=b"{")
        assert leads_to(told) == URI
    id = await gateway.id_of("ref")
    assert leads_to(await gateway.http.get(f"/cdmi/cdmi_objectid/{id}", headers=V)) == URI
    assert (await get(gateway, "home/?children"))["children"] == ["ref?"]


@pytest.mark.cdmi("21.3.references")
async def test_a_reference_is_removed_and_what_it_leads_to_stays(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"x")
    await refer(gateway, uri="/cdmi/home/a")
    assert (await gateway.http.delete("/cdmi/home/ref", headers=V)).status_code == 204
    assert (await gateway.http.delete("/cdmi/home/ref", headers=V)).status_code == 404
    assert (await get(gateway, "home/?children"))["children"] == ["a"]


@pytest.mark.cdmi("21.3.references")
async def test_a_reference_is_never_changed(gateway: GatewayTwin) -> None:
    await refer(gateway)
    assert leads_to(await refer(gateway, uri="/cdmi/home/other")) == URI
    assert leads_to(await put(gateway, "home/ref", {"metadata": {"a": "b"}})) == URI
    assert leads_to(await gateway.http.get("/cdmi/home/ref", headers=V)) == URI
    slash = await gateway.http.put("/cdmi/home/ref/", json={"reference": URI}, headers=CONTAINER)
    assert leads_to(slash) == "https://door:8443/cdmi/home/ref"


@pytest.mark.cdmi("21.3.references")
async def test_a_container_may_be_referred_to_in_its_own_form(gateway: GatewayTwin) -> None:
    answer = await gateway.http.put("/cdmi/home/ref/", json={"reference": "/cdmi/home/"}, headers=CONTAINER)
    assert answer.status_code == 201
    assert leads_to(await gateway.http.get("/cdmi/home/ref", headers=V)) == "/cdmi/home/"


@pytest.mark.cdmi("21.3.references", "21.4.post")
async def test_references_are_posted(gateway: GatewayTwin) -> None:
    answer = await gateway.http.post("/cdmi/home/", json={"reference": URI}, headers=OBJECT)
    assert (answer.status_code, answer.content) == (201, b"")
    assert leads_to(await gateway.http.get(answer.headers["location"], headers=V)) == URI


@pytest.mark.cdmi("21.3.references")
async def test_what_makes_no_reference_is_refused(gateway: GatewayTwin) -> None:
    await gateway.make("a")
    await gateway.make("dir", type="DIR", mode=0o755)
    for uri in ("https://evil/cdmi/a", "/api/v3/x", "/cdmi/../api", "", 1, ["/cdmi/a"]):
        assert bad(await put(gateway, "home/ref", {"reference": uri})) == ("badData", "reference")
    for more in ({"metadata": {}}, {"value": ""}, {"copy": "home/a"}, {"mimetype": "a/b"}, {"x": 1}):
        assert (await refer(gateway, **more)).json()["error"]["id"] == "malformedData"
    assert errno(await refer(gateway, "home/a")) == "eexist"
    assert errno(await refer(gateway, "home/no/ref")) == "enoent"
    assert errno(await refer(gateway, "ref")) == "eperm"
    headers = {**OBJECT, "x-auth-token": "member"}
    refused = await gateway.http.put("/cdmi/home/dir/ref", json={"reference": URI}, headers=headers)
    assert errno(refused) == "eacces"
    assert (await get(gateway, "home/?children"))["children"] == ["a", "dir/"]


@pytest.mark.cdmi("21.3.references")
async def test_copies_and_moves_take_the_reference_itself(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await refer(gateway, "home/dir/ref")
    for key, path in (("copy", "copied"), ("move", "moved")):
        answer = await put(gateway, f"home/{path}", {key: "home/dir/ref"})
        assert (answer.status_code, answer.content) == (201, b"")
        assert leads_to(await gateway.http.get(f"/cdmi/home/{path}", headers=V)) == URI
    answer = await put(gateway, "home/again", {"copy": "home/moved", "metadata": {"a": "b"}})
    assert answer.json()["error"]["id"] == "malformedData"
    assert (
        await gateway.http.put("/cdmi/home/tree/", json={"copy": "home/dir"}, headers=CONTAINER)
    ).is_success


@pytest.mark.cdmi("2.symlink")
async def test_other_links_stay_as_if_absent_for_every_method(gateway: GatewayTwin) -> None:
    await gateway.make("link", type="SYMLNK", symlink_target="/cdmi/../api")
    for method in ("GET", "HEAD", "DELETE"):
        assert (await gateway.http.request(method, "/cdmi/home/link", headers=V)).status_code == 404
    assert errno(await refer(gateway, "home/link")) == "eexist"
    assert (await get(gateway, "home/?children"))["children"] == ["link"]
    assert errno(await put(gateway, "home/b", {"copy": "home/link"})) == "enoent"
