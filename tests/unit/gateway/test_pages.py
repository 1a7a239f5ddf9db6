"""Provider information, health, documentation."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.support.gateway import GatewayTwin

API = "/api/v3/oneprovider"


@pytest.fixture(params=["application", "server"])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def as_guest(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]


async def test_configuration_is_public_at_both_places(gateway: GatewayTwin) -> None:
    first = (await gateway.http.get(API + "/configuration")).json()
    assert first == (await gateway.http.get("/configuration")).json()
    assert first["version"] == "21.02.8"


async def test_health_tells_when_a_part_is_away(gateway: GatewayTwin) -> None:
    assert (await gateway.http.get(API + "/health")).json() == {"status": "healthy"}
    gateway.info.up = False
    answer = await gateway.http.get(API + "/health")
    assert (answer.status_code, answer.json()["error"]["id"]) == (500, "internalServerError")


async def test_the_test_image_is_one(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(API + "/test_image")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


async def test_nagios_answers_200_even_when_unhealthy(gateway: GatewayTwin) -> None:
    gateway.info.up = False
    answer = await gateway.http.get("/nagios")
    told = ElementTree.fromstring(answer.text)  # noqa: S314 - our own
    assert (answer.status_code, told.tag, told.get("status")) == (
        200,
        "healthdata",
        "error: not in rotation: metadata",
    )
    assert {part.tag: part.get("status") for part in told[0]} == {
        "data_port": "ok",
        "database": "ok",
        "metadata": "error: not in rotation",
    }
    assert (await gateway.http.get("/nagios/oz_connectivity")).json() == {"status": "error"}


async def test_the_landing_page_escapes_the_name(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "&lt;Provider&gt;" in answer.text


async def test_healthz_is_for_the_inside(gateway: GatewayTwin) -> None:
    assert (await gateway.http.get("/healthz")).text == "ok"


async def test_a_full_database_is_told_by_health_and_nagios(gateway: GatewayTwin) -> None:
    gateway.info.has_room = False
    answer = await gateway.http.get(API + "/health")
    assert (answer.status_code, answer.json()["error"]["id"]) == (503, "serviceUnavailable")
    told = ElementTree.fromstring((await gateway.http.get("/nagios")).text)  # noqa: S314 - our own
    assert told.get("status") == "error: its disk is full, changes are refused"
    assert {part.tag: part.get("status") for part in told[0]} == {
        "data_port": "ok",
        "database": "error: its disk is full, changes are refused",
        "metadata": "ok",
    }
