"""Statistics of a space, as far as there are numbers."""

from __future__ import annotations

import httpx
import pytest

from services.gateway.domain import statistics
from services.gateway.domain.statistics import Series
from tests.support.gateway import PROVIDER_ID, GatewayTwin

API = "/api/v3/oneprovider"
SPACE = f"{API}/metrics/space/home1"


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


@pytest.mark.parametrize(("metric", "value"), [("storage_used", 5.0), ("storage_quota", float(1 << 40))])
@pytest.mark.parametrize("step", ["5m", "1h", "1d", "1m"])
async def test_usage_is_told_in_every_step(
    gateway: GatewayTwin, metric: str, value: float, step: str
) -> None:
    await gateway.make("a", content=b"hello")
    await gateway.metadata.usage_history.sample()
    [told] = (await gateway.http.get(f"{SPACE}?metric={metric}&step={step}")).json()
    width_s, count = statistics.STEPS[step]
    rrd = told["rrd"]
    assert told["providerId"] == PROVIDER_ID
    assert (rrd["meta"]["step"], len(rrd["data"])) == (width_s, count)
    assert rrd["meta"]["end"] - rrd["meta"]["start"] == width_s * count
    assert [row for row in rrd["data"] if row != [None]] == [[value]]
    legend = f"space home1; metric {metric}; oneprovider ID {PROVIDER_ID}; {metric}[bytes]"
    assert rrd["meta"]["legend"] == [legend]


async def test_five_minutes_are_the_default(gateway: GatewayTwin) -> None:
    await gateway.metadata.usage_history.sample()
    [told] = (await gateway.http.get(f"{SPACE}?metric=storage_used")).json()
    assert told["rrd"]["meta"]["step"] == 300


@pytest.mark.parametrize(
    "path",
    [
        "?metric=storage_used",
        "?metric=data_access",
        "?metric=connected_users",
        "/user/u1?metric=storage_used",
        "/user/u1?metric=remote_transfer&step=1m",
    ],
)
async def test_where_there_are_no_numbers_none_are_told(gateway: GatewayTwin, path: str) -> None:
    assert (await gateway.http.get(SPACE + path)).json() == [{"providerId": PROVIDER_ID, "rrd": ""}]


@pytest.mark.parametrize(
    ("path", "id", "key"),
    [
        ("", "missingRequiredValue", "metric"),
        ("?metric=x", "badValueNotAllowed", "metric"),
        ("?metric=storage_used&step=2h", "badValueNotAllowed", "step"),
        ("/user/u1?metric=storage_quota", "badValueNotAllowed", "metric"),
    ],
)
async def test_bad_parameters(gateway: GatewayTwin, path: str, id: str, key: str) -> None:
    status, told, details = error(await gateway.http.get(SPACE + path))
    assert (status, told) == (400, id)
    assert details["key"] == key  # type: ignore[index]


@pytest.mark.parametrize("tail", ["", "/user/u1"])
async def test_viewing_needs_the_privilege(gateway: GatewayTwin, tail: str) -> None:
    for token in ("member", "stranger"):
        answer = await gateway.http.get(f"{SPACE}{tail}?metric=storage_used", headers={"x-auth-token": token})
        assert error(answer) == (403, "forbidden", None)
    del gateway.http.headers["x-auth-token"]
    assert error(await gateway.http.get(f"{SPACE}{tail}?metric=storage_used"))[0] == 401


def test_other_providers_have_no_numbers_here() -> None:
    series = Series("s", "p1", "storage_used", "bytes", {})
    assert statistics.rrd(series, "5m", 1000) == ""
    told = statistics.by_provider(["p1", "p2"], "p1", {"about": ""})
    assert [each["rrd"] for each in told] == [{"about": ""}, ""]
