"""Containers and their metadata."""

from __future__ import annotations

import httpx
import pytest

from runtime.http.file_ids import encode, user_root
from tests.support.gateway import GatewayTwin

V = {"x-cdmi-specification-version": "1.1.1"}
CONTAINER = {**V, "content-type": "application/cdmi-container"}
OBJECT = {**V, "content-type": "application/cdmi-object"}
ROOT = encode(user_root("u1").space_id, user_root("u1").uuid)


def errno(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["details"]["errno"])


def bad(answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]["id"], answer.json()["error"]["details"]["key"]


async def get(gateway: GatewayTwin, path: str) -> dict[str, object]:
    answer = await gateway.http.get(f"/cdmi/{path}", headers=V)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.cdmi("11.1.top")
async def test_the_top_container_lists_spaces(gateway: GatewayTwin) -> None:
    told = await get(gateway, "")
    assert (told["objectName"], told["parentURI"]) == ("/", "")
    assert "parentID" not in told
    assert told["children"] == ["home/", "twin@twin1/", "twin@twin2/"]
    assert await get(gateway, f"cdmi_objectid/{ROOT}/") == told
    assert (await gateway.http.get("/cdmi/", headers={**V, "accept": "*/*"})).status_code == 200


@pytest.mark.cdmi("11.1.fields", "11.3.create")
async def test_creation_answers_all_fields(gateway: GatewayTwin) -> None:
    answer = await gateway.http.put("/cdmi/home/dir/", json={"metadata": {"a": "b"}}, headers=CONTAINER)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cdmi-container")
    told = answer.json()
    assert told.pop("metadata").items() >= {"a": "b", "cdmi_size": "0", "cdmi_owner": "u1"}.items()
    assert told == {
        "objectType": "application/cdmi-container", "objectID": await gateway.id_of("dir"),
        "objectName": "dir/", "parentURI": "/home/", "parentID": encode("home1", "space_home1"),
        "capabilitiesURI": "cdmi_capabilities/container/", "completionStatus": "Complete",
        "childrenrange": "", "children": [],
    }  # fmt: skip
    assert (await gateway.http.put("/cdmi/home/dir/", headers=CONTAINER)).status_code == 204


@pytest.mark.cdmi("11.4.plain")
async def test_plain_creation_ignores_the_body(gateway: GatewayTwin) -> None:
    answer = await gateway.http.put("/cdmi/home/dir/", content=b"{not json")
    assert (answer.status_code, answer.content) == (201, b"")
    assert (await gateway.http.put("/cdmi/home/dir2/", headers=V)).status_code == 201
    assert errno(await gateway.http.put("/cdmi/home/dir/")) == "eexist"
    assert errno(await gateway.http.put("/cdmi/home/nope/dir/")) == "enoent"


@pytest.mark.cdmi("11.3.parent")
async def test_nothing_is_made_on_the_way(gateway: GatewayTwin) -> None:
    assert errno(await gateway.http.put("/cdmi/home/a/b/", headers=CONTAINER)) == "enoent"
    assert (await get(gateway, "home/"))["children"] == []


@pytest.mark.parametrize("path", ["newspace/", "cdmi_anything/", ""])
@pytest.mark.cdmi("2.reserved")
async def test_spaces_are_not_made_by_users(gateway: GatewayTwin, path: str) -> None:
    assert errno(await gateway.http.put(f"/cdmi/{path}")) in ("eperm", "eexist")


@pytest.mark.cdmi("2.objectid")
async def test_same_body_by_path_and_by_id(gateway: GatewayTwin) -> None:
    directory = await gateway.make("dir", type="DIR")
    await gateway.make("dir/sub", type="DIR")
    by_path = await get(gateway, "home/dir/")
    assert await get(gateway, f"cdmi_objectid/{directory}/") == by_path
    assert await get(gateway, f"cdmi_objectid/{encode('home1', 'space_home1')}/dir/") == by_path
    assert await get(gateway, "home@home1/dir/") == by_path
    assert by_path["children"] == ["sub/"]


@pytest.mark.cdmi("11.2.order", "11.2.range")
async def test_children_come_by_name_and_in_ranges(gateway: GatewayTwin) -> None:
    for number in range(15):
        await gateway.make(str(number))
    everything = sorted(str(number) for number in range(15))
    told = await get(gateway, "home/?children;childrenrange")
    assert told == {"children": everything, "childrenrange": "0-14"}
    for first, last in ((2, 13), (0, 1), (14, 14)):
        told = await get(gateway, f"home/?childrenrange;children:{first}-{last}")
        assert told == {"childrenrange": f"{first}-{last}", "children": everything[first : last + 1]}


@pytest.mark.parametrize("wanted", ["5-2", "0-3", "100-132"])
@pytest.mark.cdmi("11.2.range")
async def test_ranges_outside_are_bad_data(gateway: GatewayTwin, wanted: str) -> None:
    await gateway.make("a")
    answer = await gateway.http.get(f"/cdmi/home/?children:{wanted}", headers=V)
    assert bad(answer) == ("badData", "childrenrange")


@pytest.mark.cdmi("11.2.limit")
async def test_more_than_a_thousand_children_need_ranges(gateway: GatewayTwin) -> None:
    for number in range(1003):
        await gateway.make(f"{number:04}")
    for query in ("", "?children", "?children:0-1000"):
        answer = await gateway.http.get(f"/cdmi/home/{query}", headers=V)
        assert bad(answer) == ("badValueTooHigh", "childrenrange")
    assert await get(gateway, "home/?childrenrange") == {"childrenrange": "0-1002"}
    assert await get(gateway, "home/?children:1000-1002") == {"children": ["1000", "1001", "1002"]}


@pytest.mark.cdmi("16.2.read", "7.prefix")
async def test_metadata_is_read_by_prefix(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    items = {"my_a": 1, "my-b": {"x": [1]}, "other": "z"}
    assert (
        await gateway.http.put("/cdmi/home/dir/", json={"metadata": items}, headers=CONTAINER)
    ).status_code == 204
    assert await get(gateway, "home/dir/?metadata:my_") == {"metadata": {"my_a": 1}}
    assert await get(gateway, "home/dir/?metadata:my-b") == {"metadata": {"my-b": {"x": [1]}}}
    assert await get(gateway, "home/dir/?metadata:nope") == {"metadata": {}}
    system = (await get(gateway, "home/dir/?metadata:cdmi_"))["metadata"]
    assert isinstance(system, dict)
    assert len(system) == 5


@pytest.mark.cdmi("16.3.replace", "16.3.named", "16.3.system", "7.prefix")
async def test_metadata_is_replaced_or_changed_by_name(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")

    async def put(query: str, items: object) -> None:
        answer = await gateway.http.put(
            f"/cdmi/home/dir/{query}", json={"metadata": items}, headers=CONTAINER
        )
        assert answer.status_code == 204, answer.text

    async def user_items() -> dict[str, object]:
        told = (await get(gateway, "home/dir/?metadata"))["metadata"]
        assert isinstance(told, dict)
        return {name: value for name, value in told.items() if not name.startswith("cdmi_")}

    await put("", {"a": "1", "b": "2", "cdmi_size": "dropped"})
    assert await user_items() == {"a": "1", "b": "2"}
    await put("?metadata:a;metadata:b;metadata:gone", {"a": "3", "ignored": "x"})
    assert await user_items() == {"a": "3"}
    await put("", {"c": "4"})
    assert await user_items() == {"c": "4"}
    await gateway.http.put("/cdmi/home/dir/", json={}, headers=CONTAINER)
    assert await user_items() == {"c": "4"}


async def test_an_acl_that_cannot_be_read_makes_nothing(gateway: GatewayTwin) -> None:
    acl = {"metadata": {"cdmi_acl": [{"acetype": "ALLOW"}]}}
    answer = await gateway.http.put("/cdmi/home/dir/", json=acl, headers=CONTAINER)
    assert bad(answer) == ("badData", "acl")
    assert (await gateway.http.get("/cdmi/home/dir/", headers=V)).status_code == 404


@pytest.mark.cdmi("11.5.delete")
async def test_deletion_is_recursive_but_for_spaces(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("dir/a")
    assert (await gateway.http.delete("/cdmi/home/dir/", headers=V)).status_code == 204
    assert (await gateway.http.get("/cdmi/home/dir/a", headers=V)).status_code == 404
    for path in ("", "home/"):
        assert errno(await gateway.http.delete(f"/cdmi/{path}")) == "eperm"


@pytest.mark.cdmi("11.2.rights")
async def test_listing_needs_the_right_to_list(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR", mode=0o700)
    member = {**V, "x-auth-token": "member"}
    assert errno(await gateway.http.get("/cdmi/home/dir/", headers=member)) == "eacces"


@pytest.mark.cdmi("18.head")
async def test_head_is_get_without_a_body(gateway: GatewayTwin) -> None:
    answer = await gateway.http.head("/cdmi/home/", headers=V)
    assert (answer.status_code, answer.content) == (200, b"")
