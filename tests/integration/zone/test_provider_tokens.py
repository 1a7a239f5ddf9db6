"""Tokens that providers are given: who may use them, what they reach, and what ends them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from isthmus.zone.v1 import tokens_pb2

from clients.zone import ZoneClient
from runtime.config import ProviderFile
from runtime.errors import InvalidArgument, Unauthenticated
from runtime.macaroons import deserialize, serialize
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")
IP = "192.0.2.1"


@dataclass
class Site:
    """Two providers; joe has a space at the first one."""

    zone: RunningZone
    here: ZoneClient
    there: ZoneClient
    there_file: ProviderFile
    joe: httpx.AsyncClient
    joe_id: str
    token: str

    async def offline(self, token: str, *, rpc: ZoneClient | None = None, **fields: str) -> str:
        request = tokens_pb2.CreateOfflineAccessTokenRequest(token=token, peer_ip=IP, **fields)
        made, until_s = await (rpc or self.here).create_offline_access_token(request)
        assert abs(until_s - time.time() - 604_800) < 60
        return made

    async def verify(self, token: str, rpc: ZoneClient | None = None) -> Any:
        request = tokens_pb2.VerifyAccessTokenRequest(token=token, allow_data_caveats=True)
        return (await (rpc or self.here).verify_access_token(request)).identity


@pytest_asyncio.fixture(loop_scope="module")
async def site(zone: RunningZone) -> AsyncIterator[Site]:
    here = await registered_provider(zone)
    there = await registered_provider(zone, "paris", "paris.example.org")
    joe_id, token = await user_token(zone, "joe")
    async with (
        provider_client(zone, here) as rpc,
        provider_client(zone, there) as other,
        zone.client(token) as joe,
    ):
        made = await joe.post("/user/spaces", json={"name": "space 1"})
        space_id = made.headers["location"].rpartition("/")[2]
        invitation = (await joe.post(f"/spaces/{space_id}/providers/token")).json()["token"]
        await give_support(rpc, invitation, 10**9)
        yield Site(zone, rpc, other, there, joe, joe_id, token)


async def test_identity_is_proven_to_one_provider(site: Site) -> None:
    there = site.there.provider.provider_id
    token, until_s = await site.here.create_identity_token(there)
    assert 0 < until_s - time.time() <= 600
    body = {"providerId": site.here.provider.provider_id, "token": token}
    path = "/provider/public/verify_provider_identity"
    async with site.zone.client(site.there_file.root_token.get_secret_value()) as client:
        assert (await client.post(path, json=body)).status_code == 204
        refused = await client.post(path, json={**body, "providerId": there})
        assert refused.json()["error"]["id"] == "tokenInvalid"
    async with site.zone.client() as guest:
        refused = await guest.post(path, json=body)
        assert refused.json()["error"]["id"] == "tokenCaveatUnverified"
    with pytest.raises(InvalidArgument) as caught:
        await site.here.create_identity_token("nobody")
    assert caught.value.facts["key"] == "providerId"


async def test_a_job_goes_on_with_what_the_token_reached_and_no_more(site: Site) -> None:
    narrow = serialize(
        deserialize(site.token)
        .confined(f"time < {int(time.time()) + 60}")
        .confined(f"ip = {IP}")
        .confined("interface = rest")
        .confined("data.readonly")
    )
    offline = await site.offline(narrow, interface="rest")
    identity = await site.verify(offline)
    assert identity.subject_id == site.joe_id
    assert identity.caveats.readonly
    assert identity.expires_at_ms / 1000 > time.time() + 604_000
    with pytest.raises(Unauthenticated) as caught:
        await site.verify(offline, site.there)
    assert caught.value.reason == "TOKEN_CAVEAT_UNVERIFIED"


@pytest.mark.parametrize(
    ("caveat", "reason"),
    [
        ("time < 1", "TOKEN_CAVEAT_UNVERIFIED"),
        ("ip = 198.51.100.1", "TOKEN_CAVEAT_UNVERIFIED"),
        ("interface = oneclient", "TOKEN_CAVEAT_UNVERIFIED"),
        ("service = opw-other", "TOKEN_CAVEAT_UNVERIFIED"),
        ("nonsense", "TOKEN_CAVEAT_UNKNOWN"),
    ],
)
async def test_a_token_that_is_not_good_now_gives_none(site: Site, caveat: str, reason: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await site.offline(serialize(deserialize(site.token).confined(caveat)), interface="rest")
    assert caught.value.reason == reason


async def test_a_provider_goes_on_for_its_own_users_only(site: Site) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await site.offline(site.token, rpc=site.there)
    assert caught.value.reason == "TOKEN_SERVICE_FORBIDDEN"


async def _named_token(site: Site) -> tuple[str, str]:
    made = (await site.joe.post("/user/tokens/named", json={"name": f"job {secrets.token_hex(4)}"})).json()
    return made["tokenId"], made["token"]


async def _refusal(site: Site, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await site.verify(token)
    return caught.value.reason


async def test_it_ends_with_the_named_token_it_came_from(site: Site) -> None:
    token_id, token = await _named_token(site)
    offline = await site.offline(token)
    assert (await site.joe.patch(f"/tokens/named/{token_id}", json={"revoked": True})).status_code == 204
    assert await _refusal(site, offline) == "TOKEN_REVOKED"
    assert (await site.joe.patch(f"/tokens/named/{token_id}", json={"revoked": False})).status_code == 204
    assert (await site.verify(offline)).subject_id == site.joe_id
    assert (await site.joe.delete(f"/tokens/named/{token_id}")).status_code == 204
    assert await _refusal(site, offline) == "TOKEN_INVALID"


async def test_it_ends_with_the_temporary_tokens_if_it_came_from_one(site: Site) -> None:
    body = {"caveats": [{"type": "time", "validUntil": int(time.time()) + 60}]}
    temporary = (await site.joe.post("/user/tokens/temporary", json=body)).json()["token"]
    of_temporary = await site.offline(temporary)
    _, token = await _named_token(site)
    of_named = await site.offline(token)
    assert (await site.joe.delete("/user/tokens/temporary")).status_code == 204
    assert await _refusal(site, of_temporary) == "TOKEN_REVOKED"
    assert (await site.verify(of_named)).subject_id == site.joe_id


async def test_it_is_noted_for_whom(site: Site) -> None:
    await site.offline(site.token)
    who = f"usr-{site.joe_id}"
    note = (await site.zone.admin.get("/audit", params={"who": who, "limit": 1})).json()["notes"][0]
    provider = f"prv-{site.here.provider.provider_id}"
    assert (note["action"], note["who"], note["from"]) == ("create_offline_token", provider, IP)
    assert note["onBehalfOf"] == who


async def test_its_administrator_looks_after_the_tokens_of_a_provider(zone: RunningZone) -> None:
    joe_id, joe_token = await user_token(zone, "joe")
    _, ann_token = await user_token(zone, "ann")
    invited = await zone.admin.post(f"/users/{joe_id}/clusters/provider_registration_token")
    body = {
        "token": invited.json()["token"],
        "name": "krakow",
        "adminEmail": "admin@example.org",
        "subdomainDelegation": False,
        "domain": zone.username("joes.example.org"),
    }
    async with zone.client() as guest, zone.client(joe_token) as joe, zone.client(ann_token) as ann:
        provider_id = (await guest.post("/providers", json=body)).json()["providerId"]
        path = f"/providers/{provider_id}/tokens/named"
        [root] = (await joe.get(path)).json()["tokens"]
        assert (await joe.get(f"/tokens/named/{root}")).json()["subject"]["id"] == provider_id
        assert (await joe.patch(f"/tokens/named/{root}", json={"revoked": True})).status_code == 204
        assert (await joe.post(path, json={"name": "another"})).status_code == 201
        for refused in (ann.get(path), ann.get(f"/tokens/named/{root}"), ann.delete(f"/tokens/named/{root}")):
            assert (await refused).status_code == 403
