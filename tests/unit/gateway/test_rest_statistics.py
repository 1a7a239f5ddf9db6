"""Statistics of a space, as far as there are numbers."""

from __future__ import annotations

import httpx
import pytest

from runtime.auth import as_caller
from services.gateway.domain import statistics
from services.gateway.domain.statistics import Source
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


@pytest.mark.parametrize("step", ["5m", "1h", "1d", "1m"])
async def test_what_belongs_to_a_user_is_told(gateway: GatewayTwin, step: str) -> None:
    await gateway.make("a", content=b"hello")
    await gateway.make("b", content=b"you")
    await gateway.metadata.owner_usage.count()
    [told] = (await gateway.http.get(f"{SPACE}/user/u1?metric=storage_used&step={step}")).json()
    rrd = told["rrd"]
    assert [row for row in rrd["data"] if row != [None]] == [[8.0]]
    legend = f"space home1; metric storage_used; user u1; oneprovider ID {PROVIDER_ID}; storage_used[bytes]"
    assert rrd["meta"]["legend"] == [legend]
    assert (rrd["meta"]["step"], len(rrd["data"])) == statistics.STEPS[step]
    assert rrd["about"] == "storage_used of a user in a space, the last value of each step"
    assert (await gateway.http.get(f"{SPACE}/user/u2?metric=storage_used")).json()[0]["rrd"] == ""


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
        "?metric=remote_transfer",
        "/user/u1?metric=storage_used",
        "/user/nobody?metric=storage_used",
        "/user/u1?metric=data_access",
        "/user/u1?metric=remote_transfer&step=1m",
    ],
)
async def test_where_there_are_no_numbers_none_are_told(gateway: GatewayTwin, path: str) -> None:
    assert (await gateway.http.get(SPACE + path)).json() == [{"providerId": PROVIDER_ID, "rrd": ""}]


def told_row(answer: httpx.Response, index: int = -1) -> list[float]:
    """One row of the data, by default that of the step under way."""
    row: list[float] = answer.json()[0]["rrd"]["data"][index]
    return row


async def count(gateway: GatewayTwin, token: str) -> None:
    """As a data port would: a read of 600 bytes and a write of 1200."""
    identity, blob = await gateway.tokens.authenticate(token, "")
    with as_caller(identity, blob):
        gateway.accesses.read("home1", 600)
        gateway.accesses.wrote("home1", 1200)
        gateway.accesses.wrote("home1", 0)
    await gateway.accesses.tell()


def wait_until_step_ends(gateway: GatewayTwin, step_s: int) -> None:
    """To its last second, so that its averages are over all of it."""
    now_s = gateway.clock.now_ms() // 1000
    gateway.clock.advance(step_s - 1 - now_s % step_s)


@pytest.mark.parametrize("step", ["5m", "1h", "1d", "1m"])
async def test_accesses_are_told_as_averages(gateway: GatewayTwin, step: str) -> None:
    width_s, steps = statistics.STEPS[step]
    wait_until_step_ends(gateway, width_s)
    for token in ("owner", "member"):
        await count(gateway, token)
    told = await gateway.http.get(f"{SPACE}?metric=data_access&step={step}")
    assert told_row(told) == [1200 / width_s, 2400 / width_s]
    rrd = told.json()[0]["rrd"]
    assert len(rrd["data"]) == steps
    assert rrd["data"][0] == [0, 0]
    assert rrd["meta"]["legend"] == [
        f"space home1; metric data_access; oneprovider ID {PROVIDER_ID}; data_access_{way}[bytes/s]"
        for way in ("read", "write")
    ]
    told = await gateway.http.get(f"{SPACE}?metric=block_access&step={step}")
    assert told_row(told) == [2 / width_s, 4 / width_s]
    assert told.json()[0]["rrd"]["meta"]["legend"][1].endswith("; block_access_write[iops/s]")
    told = await gateway.http.get(f"{SPACE}/user/u2?metric=data_access&step={step}")
    assert told_row(told) == [600 / width_s, 1200 / width_s]
    assert "metric data_access; user u2; oneprovider ID" in told.json()[0]["rrd"]["meta"]["legend"][0]


async def test_the_step_under_way_is_averaged_over_its_time(gateway: GatewayTwin) -> None:
    wait_until_step_ends(gateway, 300)
    gateway.clock.advance(60)
    await count(gateway, "owner")
    assert told_row(await gateway.http.get(f"{SPACE}?metric=data_access")) == [600 / 60, 1200 / 60]


async def test_users_are_connected_for_the_time_of_a_step(gateway: GatewayTwin) -> None:
    url = f"{SPACE}?metric=connected_users"
    for token in ("owner", "member", "stranger", "owner"):
        await gateway.http.get("/api/v3/oneprovider/data/home1", headers={"x-auth-token": token})
        await gateway.accesses.tell()
    told = await gateway.http.get(url)
    assert told_row(told) == [2]
    assert told.json()[0]["rrd"]["meta"]["legend"] == [
        f"space home1; metric connected_users; oneprovider ID {PROVIDER_ID}; connected_users[users_count]"
    ]
    gateway.clock.advance(300)
    assert told_row(await gateway.http.get(url)) == [0]
    assert told_row(await gateway.http.get(f"{url}&step=1m")) == [2]
    await gateway.http.get("/cdmi/home/", headers={"x-cdmi-specification-version": "1.1.1"})
    await gateway.accesses.tell()
    assert told_row(await gateway.http.get(url)) == [1]
    assert told_row(await gateway.http.get(url), -2) == [2]


async def test_a_quiet_day_is_told_as_such_a_year_without_a_trace_is_not(gateway: GatewayTwin) -> None:
    await count(gateway, "owner")
    gateway.clock.advance(2 * 86_400)
    assert told_row(await gateway.http.get(f"{SPACE}?metric=data_access")) == [0, 0]
    gateway.clock.advance(400 * 86_400)
    assert (await gateway.http.get(f"{SPACE}?metric=data_access")).json()[0]["rrd"] == ""


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
    assert statistics.usage_rrd(Source("s", "p1", "storage_used"), {}, "5m", 1000) == ""
    told = statistics.by_provider(["p1", "p2"], "p1", {"about": ""})
    assert [each["rrd"] for each in told] == [{"about": ""}, ""]
