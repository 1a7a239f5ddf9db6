"""Statistics of directories over REST, and where else they show."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from runtime.auth import as_caller, service_identity
from runtime.http.file_ids import encode
from tests.support.gateway import PROVIDER_ID, GatewayTwin
from tests.support.journal import Journal

API = "/api/v3/oneprovider"
SERIES = [
    "reg_file_and_link_count", "dir_count", "file_error_count", "dir_error_count", "logical_size",
    "virtual_size",
]  # fmt: skip
METRICS = ["minute", "hour", "day", "month"]


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


async def stats(gateway: GatewayTwin, file: str, body: Any = None, **query: str) -> httpx.Response:
    return await gateway.http.request(
        "GET", f"{API}/data/{file}/dir_size_stats", json=body or {}, params=query
    )


@pytest.fixture
async def counted(gateway: GatewayTwin) -> str:
    """A directory with a file of 5 bytes, counted."""
    directory = await gateway.make("d", type="DIR")
    await gateway.make("d/f", content=b"hello")
    journal = Journal(gateway.metadata.stores)
    journal.note()
    with as_caller(service_identity("test"), b""):
        await gateway.metadata.dir_stats_rules.switch(service_identity("test"), "home1", enabled=True)
    while await gateway.metadata.dir_stats_rules.collect():
        pass
    return directory


async def test_the_layout_names_all_series(gateway: GatewayTwin, counted: str) -> None:
    told = (await stats(gateway, counted, mode="layout")).json()
    assert told == {"layout": dict.fromkeys([*SERIES, "physical_size_s1"], METRICS)}


async def test_a_slice_has_what_was_asked_for(gateway: GatewayTwin, counted: str) -> None:
    layout = {"virtual_size": ["hour"], "physical_size_s1": ["minute", "day"], "dir_error_count": ["month"]}
    told = (await stats(gateway, counted, {"layout": layout})).json()["slice"]
    assert {series: list(metrics) for series, metrics in told.items()} == layout
    [hour] = told["virtual_size"]["hour"]
    assert hour.pop("timestamp") % 3600 == 0
    assert hour == {"value": 5, "firstMeasurementTimestamp": None, "lastMeasurementTimestamp": None}
    assert told["dir_error_count"]["month"][0]["value"] == 0


async def test_measurements_are_told_when_asked_for(gateway: GatewayTwin, counted: str) -> None:
    body = {"layout": {"dir_count": ["day"]}, "extendedInfo": True}
    [day] = (await stats(gateway, counted, body)).json()["slice"]["dir_count"]["day"]
    assert day["timestamp"] <= day["firstMeasurementTimestamp"] <= day["lastMeasurementTimestamp"]


async def test_windows_are_within_the_times(gateway: GatewayTwin, counted: str) -> None:
    body = {"layout": {"dir_count": ["minute"]}, "startTimestamp": 60}
    assert (await stats(gateway, counted, body)).json()["slice"]["dir_count"]["minute"] == []


@pytest.mark.parametrize(
    ("body", "id", "details"),
    [
        ({}, "missingRequiredValue", {"key": "layout"}),
        ({"mode": "x"}, "badValueNotAllowed", {"key": "mode", "allowed": ["slice", "layout"]}),
        ({"layout": []}, "badValueJSON", {"key": "layout"}),
        ({"layout": {"dir_count": "day"}}, "badValueListOfStrings", {"key": "layout.dir_count"}),
        (
            {"layout": {}, "windowLimit": 0},
            "badValueNotInRange",
            {"key": "windowLimit", "low": 1, "high": 1000},
        ),
        ({"layout": {}, "startTimestamp": "x"}, "badValueInteger", {"key": "startTimestamp"}),
        ({"layout": {}, "extendedInfo": "x"}, "badValueBoolean", {"key": "extendedInfo"}),
        (
            {"layout": {"dir_count": ["day", "year"], "nope": ["day"]}},
            "timeSeriesCollectionMissingLayout",
            {"missingLayout": {"dir_count": ["year"], "nope": ["day"]}},
        ),
    ],
)
async def test_bad_requests(gateway: GatewayTwin, counted: str, body: Any, id: str, details: object) -> None:
    assert error(await stats(gateway, counted, body)) == (400, id, details)


async def test_where_nothing_is_counted(gateway: GatewayTwin) -> None:
    answer = await stats(gateway, "home1", mode="layout")
    assert error(answer) == (400, "dirStatsDisabledForSpace", None)
    assert (await gateway.http.get(f"{API}/data/home1")).json()["size"] is None


async def test_before_everything_is_counted(gateway: GatewayTwin) -> None:
    with as_caller(service_identity("test"), b""):
        await gateway.metadata.dir_stats_rules.switch(service_identity("test"), "home1", enabled=True)
    assert error(await stats(gateway, "home1", mode="layout")) == (400, "dirStatsNotReady", None)


async def test_other_refusals(gateway: GatewayTwin, counted: str) -> None:
    file = await gateway.id_of("d/f")
    assert error(await stats(gateway, file, mode="layout")) == (400, "posix", {"errno": "enotdir"})
    gone = encode("home1", "gone")
    assert error(await stats(gateway, gone, mode="layout")) == (404, "notFound", None)
    shared = encode("home1", "d", "share1")
    assert error(await stats(gateway, shared, mode="layout")) == (400, "notSupported", None)
    gateway.http.headers["x-auth-token"] = "stranger"
    assert error(await stats(gateway, counted, mode="layout")) == (403, "forbidden", None)


async def test_a_directory_has_a_size(gateway: GatewayTwin, counted: str) -> None:
    assert (await gateway.http.get(f"{API}/data/{counted}")).json()["size"] == 5
    listed = await gateway.http.get(f"{API}/data/home1/children?attributes=size")
    assert listed.json()["children"] == [{"size": 5}]


async def test_a_directory_has_a_distribution(gateway: GatewayTwin, counted: str) -> None:
    told = (await gateway.http.get(f"{API}/data/{counted}/distribution")).json()
    assert told["distributionPerProvider"][PROVIDER_ID] == {
        "success": True,
        "virtualSize": 5,
        "logicalSize": 5,
        "distributionPerStorage": {"s1": {"physicalSize": 5}},
    }
