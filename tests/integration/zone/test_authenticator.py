"""A provider's service and a real zone: revocation in time, and life without the zone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from clients.zone import (
    NoConnectionToOnezone,
    ProviderCredentials,
    TokenAuthenticator,
    UserNotSupported,
    ZoneReporter,
)
from runtime.auth import ClusterKey
from runtime.errors import Unauthenticated
from runtime.macaroons import deserialize, serialize
from runtime.rpc.channel import open_channel
from tests.support.servers import own_mongod
from tests.support.zone import (
    RunningZone,
    give_support,
    provider_client,
    registered_provider,
    running_zone,
    user_token,
    zone_settings,
)

IP = "192.0.2.1"


class Site:
    """A provider with one supported space and its owner's token."""

    def __init__(self, token: str, authenticator: TokenAuthenticator) -> None:
        self.token = token
        self.authenticator = authenticator


async def _site(zone: RunningZone, channel: grpc.aio.Channel) -> Site:
    provider = await registered_provider(zone)
    _, token = await user_token(zone, "joe")
    async with zone.client(token) as joe, provider_client(zone, provider) as rpc:
        made = await joe.post("/user/spaces", json={"name": "space 1"})
        space_id = made.headers["location"].rpartition("/")[2]
        invitation = (await joe.post(f"/spaces/{space_id}/providers/token")).json()["token"]
        await give_support(rpc, invitation, 10**9)
    credentials = ProviderCredentials(provider)
    return Site(token, TokenAuthenticator(channel, credentials, ClusterKey(bytes(32)), token_cache_s=0.3))


@pytest.fixture
async def own_zone(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> AsyncIterator[RunningZone]:
    """A zone this test may stop."""
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-auth")
    async with running_zone(settings) as zone:
        yield zone


async def test_revocation_is_noticed_within_its_time(own_zone: RunningZone) -> None:
    async with open_channel(own_zone.rpc_address) as channel:
        site = await _site(own_zone, channel)
        identity, _ = await site.authenticator.authenticate(site.token, IP)
        assert identity.subject_id
        token_id = deserialize(site.token).identifier.rpartition("/")[2]
        await own_zone.admin.patch(f"/tokens/named/{token_id}", json={"revoked": True})
        await asyncio.sleep(0.35)
        with pytest.raises(Unauthenticated) as caught:
            await site.authenticator.authenticate(site.token, IP)
        assert caught.value.reason == "TOKEN_REVOKED"


async def test_stranger_is_not_served(own_zone: RunningZone) -> None:
    async with open_channel(own_zone.rpc_address) as channel:
        site = await _site(own_zone, channel)
        _, token = await user_token(own_zone, "ann")
        with pytest.raises(UserNotSupported):
            await site.authenticator.authenticate(token, IP)


async def test_stopped_zone_fails_new_tokens_only(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-away")
    async with running_zone(settings) as zone:
        channel = open_channel(zone.rpc_address)
        site = await _site(zone, channel)
        known, _ = await site.authenticator.authenticate(site.token, IP)
    await asyncio.sleep(0.4)
    began_s = time.monotonic()
    assert (await site.authenticator.authenticate(site.token, IP))[0] == known
    with pytest.raises(NoConnectionToOnezone):
        await site.authenticator.authenticate(serialize(deserialize(site.token).confined("x = 1")), IP)
    assert time.monotonic() - began_s < 4
    await site.authenticator.stop()
    await channel.close()


async def test_reporter_keeps_a_provider_online(own_zone: RunningZone) -> None:
    provider = await registered_provider(own_zone)
    async with provider_client(own_zone, provider) as rpc:
        reporter = ZoneReporter(rpc, interval_s=0.1)
        await reporter.start()
        give_up_s = time.monotonic() + 5
        online = False
        while not online and time.monotonic() < give_up_s:
            await asyncio.sleep(0.05)
            online = (await own_zone.admin.get(f"/providers/{provider.provider_id}")).json()["online"]
        await reporter.stop()
    assert online


async def test_zone_without_its_database_says_so_and_recovers(tmp_path: Path, consul_url: str) -> None:
    async with own_mongod(tmp_path) as mongod:
        settings = zone_settings(tmp_path, mongod.url, "isthmus_zone", consul_url, instance_id="zone-db")
        async with running_zone(settings) as zone, zone.client() as guest:
            mongod.program.kill()
            answers = [await guest.get("/health"), await zone.admin.get("/user")]
            assert [answer.status_code for answer in answers] == [500, 503]
            assert answers[1].json()["error"]["id"] == "serviceUnavailable"
            mongod.restart()
            give_up_s = time.monotonic() + 15
            while (await zone.admin.get("/user")).status_code != 200:
                assert time.monotonic() < give_up_s
                await asyncio.sleep(0.1)
