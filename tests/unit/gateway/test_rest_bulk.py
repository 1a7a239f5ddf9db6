"""`POST /data/bulk`."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from runtime.errors import Unavailable
from runtime.http.file_ids import encode, user_root
from tests.support.gateway import GatewayTwin

BULK = "/api/v3/oneprovider/data/bulk"


async def bulk(gateway: GatewayTwin, *operations: Any, who: str = "owner", **more: Any) -> httpx.Response:
    return await gateway.http.post(
        BULK, json={"operations": operations, **more}, headers={"x-auth-token": who}
    )


async def results(gateway: GatewayTwin, *operations: Any, **more: Any) -> list[Any]:
    answer = await bulk(gateway, *operations, **more)
    assert answer.status_code == 200, answer.text
    assert answer.json()["done"]
    return list(answer.json()["results"])


def create(parent: str, name: str, **more: str) -> dict[str, str]:
    return {"operation": "create", "parentFileId": parent, "name": name, **more}


def refusal(result: dict[str, Any]) -> tuple[str, Any]:
    assert result.keys() == {"error"}
    return result["error"]["id"], result["error"].get("details")


@pytest.fixture
async def directory(gateway: GatewayTwin) -> str:
    return await gateway.make("d", type="DIR")


async def test_results_come_in_the_order_of_the_operations(gateway: GatewayTwin, directory: str) -> None:
    await gateway.make("d/old")
    gone = await gateway.make("d/gone")
    told = await results(
        gateway,
        create("home1", "link", type="SYMLNK", targetFilePath="d"),
        create(directory, "old"),
        {
            "operation": "rename",
            "fileId": directory,
            "path": "old",
            "newParentFileId": "home1",
            "newName": "new",
        },
        {"operation": "delete", "fileId": gone},
        {"operation": "stat", "fileId": "home1", "path": "d"},
        create("home1", "sub", path="d", type="DIR", mode="700"),
        attributes=["name", "type", "path"],
    )
    assert told[0] == {"fileId": await gateway.id_of("link")}
    assert refusal(told[1]) == ("posix", {"errno": "eexist"})
    assert told[2] == {"fileId": await gateway.id_of("new")}
    assert told[3] == {}
    assert told[4] == {"name": "d", "type": "DIR", "path": "/home/d"}
    assert told[5] == {"fileId": await gateway.id_of("d/sub")}


async def test_without_a_selection_a_stat_tells_what_the_route_of_files_tells(
    gateway: GatewayTwin, directory: str
) -> None:
    told = await results(gateway, {"operation": "stat", "fileId": directory})
    alone = await gateway.http.get(f"/api/v3/oneprovider/data/{directory}")
    assert told == [alone.json()]


@pytest.mark.parametrize(
    ("operation", "id", "details"),
    [
        (17, "badValueJSON", {"key": "operations"}),
        ({}, "missingRequiredValue", {"key": "operation"}),
        (
            {"operation": "chmod"},
            "badValueNotAllowed",
            {"key": "operation", "allowed": ["stat", "create", "rename", "delete"]},
        ),
        ({"operation": "stat"}, "missingRequiredValue", {"key": "fileId"}),
        ({"operation": "stat", "fileId": 5}, "badValueString", {"key": "fileId"}),
        ({"operation": "stat", "fileId": "gibberish"}, "badValueIdentifier", {"key": "fileId"}),
        ({"operation": "stat", "fileId": encode("other1", "x")}, "forbidden", None),
        (
            {"operation": "stat", "fileId": encode("away1", "x")},
            "spaceNotSupportedBy",
            {"spaceId": "away1", "providerId": "provider1"},
        ),
        ({"operation": "stat", "fileId": "home1", "path": "no"}, "posix", {"errno": "enoent"}),
        ({"operation": "stat", "fileId": "home1", "path": "d/.."}, "posix", {"errno": "einval"}),
        ({"operation": "delete", "fileId": "home1"}, "posix", {"errno": "eperm"}),
        (create("home1", ""), "badValueEmpty", {"key": "name"}),
        (create("home1", "a/b"), "posix", {"errno": "einval"}),
        (create("home1", "x" * 256), "posix", {"errno": "enametoolong"}),
        (create("home1", "f", mode="8"), "badValueInteger", {"key": "mode"}),
        (
            create("home1", "f", type="LNK"),
            "badValueNotAllowed",
            {"key": "type", "allowed": ["REG", "DIR", "SYMLNK"]},
        ),
        (create("home1", "f", type="SYMLNK"), "missingRequiredValue", {"key": "targetFilePath"}),
        (
            {
                "operation": "rename",
                "fileId": "home1",
                "path": "d",
                "newParentFileId": "twin1",
                "newName": "d",
            },
            "posix",
            {"errno": "exdev"},
        ),
    ],
)
async def test_a_refused_operation_leaves_the_others_alone(
    gateway: GatewayTwin, directory: str, operation: Any, id: str, details: Any
) -> None:
    told = await results(gateway, create(directory, "before"), operation, create(directory, "after"))
    assert refusal(told[1]) == (id, details)
    assert [list(told[0]), list(told[2])] == [["fileId"], ["fileId"]]


async def test_the_root_of_a_user_is_no_place_for_it(gateway: GatewayTwin) -> None:
    root = user_root("u1")
    told = await results(gateway, create(encode(root.space_id, root.uuid), "f"))
    assert refusal(told[0]) == ("posix", {"errno": "eperm"})


@pytest.mark.parametrize(
    ("body", "id", "details"),
    [
        ({}, "missingRequiredValue", {"key": "operations"}),
        ({"operations": {}}, "badValueJSON", {"key": "operations"}),
        ({"operations": []}, "badValueEmpty", {"key": "operations"}),
        ({"operations": [1] * 1001}, "badValueTooHigh", {"key": "operations", "limit": 1000}),
        ({"operations": [1], "atomic": 5}, "badValueBoolean", {"key": "atomic"}),
        (
            {"operations": [1], "attributes": ["acl"]},
            "badData",
            {"key": "attributes", "hint": "no acl and no xattr here"},
        ),
        (
            {"operations": [create("home1", "a"), create("twin1", "a")], "atomic": True},
            "badData",
            {"key": "operations", "hint": "all of them in one space"},
        ),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_whole(
    gateway: GatewayTwin, body: Any, id: str, details: Any
) -> None:
    answer = await gateway.http.post(BULK, json=body)
    told = answer.json()["error"]
    assert (answer.status_code, told["id"], told.get("details")) == (400, id, details)


async def test_all_or_none(gateway: GatewayTwin, directory: str) -> None:
    await gateway.make("d/old")
    rename = {
        "operation": "rename",
        "fileId": directory,
        "path": "old",
        "newParentFileId": directory,
        "newName": "new",
    }
    answer = await bulk(gateway, rename, create("home1", "d"), create("home1", "x"), atomic=True)
    told = answer.json()
    assert (answer.status_code, told["done"], told["results"][::2]) == (200, False, [None, None])
    assert refusal(told["results"][1]) == ("posix", {"errno": "eexist"})
    answer = await bulk(gateway, rename, {"operation": "stat"}, atomic=True)
    assert not answer.json()["done"]
    assert answer.json()["results"][0] is None
    told = await results(gateway, rename, create(directory, "old"), atomic=True)
    assert told == [{"fileId": await gateway.id_of("d/new")}, {"fileId": await gateway.id_of("d/old")}]


async def test_operations_may_be_in_several_spaces(gateway: GatewayTwin) -> None:
    told = await results(gateway, create("home1", "a"), create("twin1", "a"), create("home1", "b"))
    assert [list(result) for result in told] == [["fileId"]] * 3


async def test_members_do_what_they_may(gateway: GatewayTwin) -> None:
    await gateway.make("mine", type="DIR", mode=0o755)
    mine = await gateway.id_of("mine")
    told = await results(gateway, create(mine, "a"), create("home1", "b"), who="member")
    assert refusal(told[0]) == ("posix", {"errno": "eacces"})
    assert list(told[1]) == ["fileId"]
    assert (await bulk(gateway, create("home1", "c"), who="none")).status_code == 401


async def test_what_is_away_is_told_of_the_whole_request(gateway: GatewayTwin) -> None:
    gateway.metadata.away = Unavailable("away")
    assert (await bulk(gateway, create("home1", "a"))).status_code == 503


async def test_it_is_for_posts_of_json(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(BULK)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = await gateway.http.post(BULK, content=b"x", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
