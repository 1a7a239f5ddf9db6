"""Where files lie, provider by provider."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from runtime.http.errors import ApiError
from runtime.http.file_ids import encode, user_root
from services.gateway.domain import distribution
from services.gateway.domain.distribution import Replica, Sizes
from services.gateway.domain.providers import SupportingProvider
from tests.support.gateway import PROVIDER_ID, GatewayTwin

API = "/api/v3/oneprovider"
HERE = SupportingProvider("p1", "krakow", ("s1", "s2"))
THERE = SupportingProvider("p2", "lisbon", ("s9",))
NO_CONNECTION = ApiError("noConnectionToPeerOneprovider").inner()


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["id"]


async def get(gateway: GatewayTwin, file: str, what: str) -> httpx.Response:
    return await gateway.http.get(f"{API}/data/{file}/{what}")


async def test_a_regular_file_has_blocks_and_a_location(gateway: GatewayTwin) -> None:
    file = await gateway.make("a", content=b"hello")
    told = (await get(gateway, file, "distribution")).json()
    entry: dict[str, Any] = told["distributionPerProvider"][PROVIDER_ID]
    storage_file = entry["locationsPerStorage"]["s1"]
    assert storage_file.startswith("/")
    assert told == {
        "type": "REG",
        "distributionPerProvider": {
            PROVIDER_ID: {
                "success": True,
                "virtualSize": 5,
                "distributionPerStorage": {"s1": {"physicalSize": 5, "blocks": [[0, 5]]}},
                "locationsPerStorage": {"s1": storage_file},
            }
        },
    }
    located = (await get(gateway, file, "storage_locations")).json()
    assert located == {
        "locationsPerProvider": {PROVIDER_ID: {"success": True, "locationsPerStorage": {"s1": storage_file}}}
    }


async def test_a_file_never_written_lies_nowhere(gateway: GatewayTwin) -> None:
    file = await gateway.make("a")
    entry = (await get(gateway, file, "distribution")).json()["distributionPerProvider"][PROVIDER_ID]
    assert entry["distributionPerStorage"] == {"s1": {"physicalSize": 0, "blocks": []}}
    assert entry["locationsPerStorage"] == {"s1": None}


async def test_a_link_has_no_bytes(gateway: GatewayTwin) -> None:
    link = await gateway.make("link", type="SYMLNK", symlink_target="a")
    assert (await get(gateway, link, "distribution")).json() == {
        "type": "SYMLNK",
        "distributionPerProvider": {
            PROVIDER_ID: {
                "success": True,
                "virtualSize": 0,
                "distributionPerStorage": {"s1": {"physicalSize": 0}},
            }
        },
    }


async def test_a_directory_without_statistics_says_so(gateway: GatewayTwin) -> None:
    told = (await get(gateway, "home1", "distribution")).json()
    entry = told["distributionPerProvider"][PROVIDER_ID]
    assert (told["type"], entry["success"]) == ("DIR", False)
    assert entry["distributionPerStorage"]["s1"]["error"]["id"] == "dirStatsDisabledForSpace"


async def test_only_regular_files_have_storage_locations(gateway: GatewayTwin) -> None:
    link = await gateway.make("link", type="SYMLNK", symlink_target="a")
    for file in ("home1", link):
        assert error(await get(gateway, file, "storage_locations")) == (400, "notSupported")


@pytest.mark.parametrize("what", ["distribution", "storage_locations"])
async def test_refusals(gateway: GatewayTwin, what: str) -> None:
    assert error(await get(gateway, encode("home1", "gone"), what)) == (404, "notFound")
    assert error(await get(gateway, encode("other1", "x"), what)) == (403, "forbidden")
    assert error(await get(gateway, encode("away1", "x"), what)) == (400, "spaceNotSupportedBy")
    assert error(await get(gateway, encode("home1", "x", "share1"), what)) == (400, "notSupported")
    root = user_root("u1")
    assert error(await get(gateway, encode(root.space_id, root.uuid), what)) == (400, "notSupported")
    del gateway.http.headers["x-auth-token"]
    assert error(await get(gateway, "home1", what)) == (401, "unauthorized")


async def test_who_may_not_walk_there_is_refused(gateway: GatewayTwin) -> None:
    await gateway.make("closed", type="DIR", mode=0o700)
    file = await gateway.make("closed/a", content=b"x")
    gateway.http.headers["x-auth-token"] = "member"
    answer = await get(gateway, file, "distribution")
    assert answer.json()["error"]["details"] == {"errno": "eacces"}


async def test_not_being_able_to_read_does_not_matter(gateway: GatewayTwin) -> None:
    file = await gateway.make("a", content=b"x")
    await gateway.http.put(f"{API}/data/{file}", json={"mode": "600"})
    gateway.http.headers["x-auth-token"] = "member"
    assert (await get(gateway, file, "distribution")).status_code == 200


def test_another_provider_has_an_error_for_each_storage() -> None:
    replica = Replica(100, "s1", "/f", ((0, 40), (80, 20)))
    told = distribution.of_regular_file("p1", (HERE, THERE), replica)["distributionPerProvider"]
    assert told["p1"]["distributionPerStorage"] == {
        "s1": {"physicalSize": 60, "blocks": [[0, 40], [80, 20]]},
        "s2": {"physicalSize": 0, "blocks": []},
    }
    assert told["p1"]["locationsPerStorage"] == {"s1": "/f", "s2": None}
    assert told["p2"] == {"success": False, "distributionPerStorage": {"s9": {"error": NO_CONNECTION}}}
    located = distribution.locations("p1", (HERE, THERE), replica)["locationsPerProvider"]
    assert located["p2"] == {"success": False, "error": NO_CONNECTION}


def test_a_storage_that_supports_no_more_is_told_while_it_holds_bytes() -> None:
    replica = Replica(3, "old", "/f", ((0, 3),))
    told = distribution.of_regular_file("p1", (HERE,), replica)["distributionPerProvider"]["p1"]
    assert told["locationsPerStorage"] == {"s1": None, "s2": None, "old": "/f"}
    assert told["distributionPerStorage"]["old"]["physicalSize"] == 3


def test_sizes_of_a_directory_stand_by_provider_and_storage() -> None:
    sizes = Sizes(10, 12, {"s1": 7})
    told = distribution.of_directory("p1", (HERE, THERE), sizes)["distributionPerProvider"]
    assert told["p1"] == {
        "success": True,
        "virtualSize": 10,
        "logicalSize": 12,
        "distributionPerStorage": {"s1": {"physicalSize": 7}, "s2": {"physicalSize": 0}},
    }
    assert not told["p2"]["success"]
