"""Access tokens of a real OpenID Connect provider as log-ins at the zone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.zone.domain import idp_tokens
from tests.support.oidc import OidcServer, running_oidc_provider, write_settings
from tests.support.ports import free_port
from tests.support.waiting import until
from tests.support.zone import BASE, ZONE_DOMAIN, RunningZone, running_zone, zone_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLBACK = f"https://{ZONE_DOMAIN}{BASE}/login/home/callback"
TRUSTED = ("portal", "brief")


@pytest.fixture(scope="module")
def oidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcServer]:
    with running_oidc_provider(tmp_path_factory.mktemp("oidc"), CALLBACK) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zone(
    tmp_path_factory: pytest.TempPathFactory,
    mongo_url: str,
    module_database: str,
    consul_url: str,
    oidc: OidcServer,
) -> AsyncIterator[RunningZone]:
    """A zone that trusts two services of this provider, and a provider that is not there."""
    folder = tmp_path_factory.mktemp("zone")
    file = folder / "oidc.json"
    gone = f"http://127.0.0.1:{free_port()}"
    write_settings(file, access_token_clients=TRUSTED, home=oidc.issuer, gone=gone)
    settings = zone_settings(
        folder, mongo_url, module_database, consul_url, instance_id="zone-idp", oidc_file=file
    )
    async with running_zone(settings) as running:
        yield running


def _name() -> str:
    return f"u{secrets.token_hex(4)}"


def _refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 401, answer.text
    error = answer.json()["error"]
    assert error["id"] == "unauthorized"
    return str(error["details"]["authError"]["id"])


async def _user(zone: RunningZone, token: str, **headers: str) -> httpx.Response:
    async with zone.client() as client:
        shown = headers or {"x-auth-token": token}
        return await client.get("/user", headers=shown)


async def _notes(zone: RunningZone, user_id: str) -> list[dict[str, Any]]:
    answer = await zone.admin.get("/audit", params={"who": f"usr-{user_id}"})
    notes: list[dict[str, Any]] = answer.json()["notes"]
    return notes


async def test_a_token_of_a_trusted_service_is_its_user(zone: RunningZone, oidc: OidcServer) -> None:
    name = _name()
    token = f"home:{await oidc.access_token('portal', name)}"
    first = (await _user(zone, token)).json()
    assert first["linkedAccounts"][0]["subjectId"] == name
    assert first["emails"] == [f"{name}@example.org"]
    for headers in ({"authorization": f"Bearer {token}"}, {"macaroon": token}):
        assert (await _user(zone, token, **headers)).json()["userId"] == first["userId"]
    # It is a log-in as any other:
    async with zone.client(token) as client:
        assert (await client.post("/user/spaces", json={"name": "space 1"})).status_code == 201
    space, made = await _notes(zone, first["userId"])
    assert (space["action"], made["action"]) == ("create_own_space", "create_user_by_login")


async def test_who_comes_many_times_at_once_is_made_once(zone: RunningZone, oidc: OidcServer) -> None:
    token = f"home:{await oidc.access_token('portal', _name())}"
    answers = await asyncio.gather(*(_user(zone, token) for _ in range(10)))
    [user_id] = {answer.json()["userId"] for answer in answers}
    assert len(await _notes(zone, user_id)) == 1


async def test_a_token_that_a_user_gave_to_a_stranger_is_not_he(zone: RunningZone, oidc: OidcServer) -> None:
    token = await oidc.access_token("stranger", _name())
    assert _refusal(await _user(zone, f"home:{token}")) == "badIdpAccessToken"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("home:nonsense", "badIdpAccessToken"),
        ("home:", "badIdpAccessToken"),
        ("home:a b", "badIdpAccessToken"),
        ("home:" + "a" * 17_000, "badIdpAccessToken"),
        ("nobody:nonsense", "badToken"),
        (":nonsense", "badToken"),
        ("nonsense", "badToken"),
    ],
)
async def test_what_is_no_token_is_refused(zone: RunningZone, token: str, reason: str) -> None:
    answer = await _user(zone, token)
    assert _refusal(answer) == reason
    if reason == "badIdpAccessToken":
        assert answer.json()["error"]["details"]["authError"]["details"] == {"idp": "home"}


async def test_a_provider_that_is_away_is_told_as_such(zone: RunningZone) -> None:
    answer = await _user(zone, "gone:token")
    assert (answer.status_code, answer.json()["error"]["id"]) == (503, "serviceUnavailable")


async def test_a_blocked_user_is_refused_at_once(zone: RunningZone, oidc: OidcServer) -> None:
    token = f"home:{await oidc.access_token('portal', _name())}"
    user_id = (await _user(zone, token)).json()["userId"]
    path = f"/users/{user_id}/access_block"
    assert (await zone.admin.patch(path, json={"blocked": True})).status_code == 204
    assert _refusal(await _user(zone, token)) == "userBlocked"
    assert (await zone.admin.patch(path, json={"blocked": False})).status_code == 204
    assert (await _user(zone, token)).status_code == 200


async def test_a_token_that_has_ended_is_good_no_more(zone: RunningZone, oidc: OidcServer) -> None:
    token = f"home:{await oidc.access_token('brief', _name())}"
    assert (await _user(zone, token)).status_code == 200

    async def is_refused() -> bool:
        return (await _user(zone, token)).status_code == 401

    # Sooner than what the provider said would otherwise be believed.
    await until(is_refused, timeout_s=15)
    assert _refusal(await _user(zone, token)) == "badIdpAccessToken"


async def test_a_token_that_its_service_ends_is_believed_for_a_while_only(
    zone: RunningZone, oidc: OidcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idp_tokens, "BELIEVED_S", 1.0)
    token = await oidc.access_token("portal", _name())
    assert (await _user(zone, f"home:{token}")).status_code == 200
    await oidc.revoke("portal", token)

    async def is_refused() -> bool:
        return (await _user(zone, f"home:{token}")).status_code == 401

    await until(is_refused, timeout_s=15)


async def test_with_a_service_token_it_reaches_what_that_service_serves(
    zone: RunningZone, oidc: OidcServer
) -> None:
    token = f"home:{await oidc.access_token('portal', _name())}"
    answer = await _user(zone, token, **{"x-auth-token": token, "x-onedata-service-token": "nonsense"})
    assert _refusal(answer) == "badServiceToken"
