"""A provider's service hears of changes from a real zone, by whichever instance, across breaks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from clients.zone import ProviderCredentials, TokenAuthenticator, UserNotSupported
from runtime.auth import ClusterKey
from runtime.errors import IsthmusError
from runtime.identity import Identity
from runtime.macaroons import deserialize
from runtime.rpc.channel import open_channel
from tests.support.zone import (
    RunningZone,
    Starter,
    give_support,
    provider_client,
    registered_provider,
    running_zone,
    user_token,
    zone_settings,
)

IP = "192.0.2.1"
#: Far longer than any test: without hearing of changes nothing would be noticed.
NEVER_S = 600.0
#: What the zone promises, with room for a busy machine.
SOON_S = 5.0


@dataclass
class Site:
    """A provider with a space of joe's, and somebody who is no member yet."""

    zone: RunningZone
    authenticator: TokenAuthenticator
    space_id: str
    provider_id: str
    joe: httpx.AsyncClient
    joe_token: str
    ann_id: str
    ann_token: str

    async def verdict(self, token: str) -> Identity | str:
        """What the provider thinks of a token: whose it is, or why not."""
        try:
            return (await self.authenticator.authenticate(token, IP))[0]
        except IsthmusError as error:
            return error.reason

    async def soon(self, token: str, holds: Callable[[Identity | str], bool]) -> None:
        """The provider comes to think so."""
        give_up_s = time.monotonic() + SOON_S
        while not holds(await self.verdict(token)):
            assert time.monotonic() < give_up_s, await self.verdict(token)
            await asyncio.sleep(0.02)

    async def add_ann(self, group_id: str) -> None:
        made = await self.zone.admin.put(f"/groups/{group_id}/users/{self.ann_id}")
        assert made.status_code == 201, made.text


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


def _made(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    new_id: str = answer.headers["location"].rpartition("/")[2]
    return new_id


@contextlib.asynccontextmanager
async def _site(zone: RunningZone, *, addresses: str = "") -> AsyncIterator[Site]:
    provider = await registered_provider(zone)
    _, joe_token = await user_token(zone, "joe")
    ann_id, ann_token = await user_token(zone, "ann")
    async with (
        zone.client(joe_token) as joe,
        provider_client(zone, provider) as rpc,
        open_channel(addresses or zone.rpc_address) as channel,
    ):
        space_id = _made(await joe.post("/user/spaces", json={"name": "space 1"}))
        invitation = (await joe.post(f"/spaces/{space_id}/providers/token")).json()["token"]
        await give_support(rpc, invitation, 10**9)
        authenticator = TokenAuthenticator(
            channel, ProviderCredentials(provider), ClusterKey(bytes(32)), token_cache_s=NEVER_S
        )
        await authenticator.start()
        try:
            await _until(lambda: authenticator._watch.live)
            yield Site(zone, authenticator, space_id, provider.provider_id, joe, joe_token, ann_id, ann_token)
        finally:
            await authenticator.stop()


@pytest.fixture
async def site(start_zone: Starter) -> AsyncIterator[Site]:
    async with _site(await start_zone("zone-1")) as made:
        yield made


async def test_revoked_token_ends_at_once(site: Site) -> None:
    assert isinstance(await site.verdict(site.joe_token), Identity)
    token_id = deserialize(site.joe_token).identifier.rpartition("/")[2]
    await site.joe.patch(f"/tokens/named/{token_id}", json={"revoked": True})
    await site.soon(site.joe_token, lambda found: found == "TOKEN_REVOKED")


async def test_revoked_temporary_tokens_end_at_once(site: Site) -> None:
    caveat = {"type": "time", "validUntil": int(time.time()) + 600}
    made = await site.joe.post("/user/tokens/temporary", json={"caveats": [caveat]})
    token = made.json()["token"]
    assert isinstance(await site.verdict(token), Identity)
    await site.joe.delete("/user/tokens/temporary")
    await site.soon(token, lambda found: found == "TOKEN_REVOKED")


async def test_blocked_user_is_shut_out_at_once(site: Site) -> None:
    me = (await site.joe.get("/user")).json()["userId"]
    assert isinstance(await site.verdict(site.joe_token), Identity)
    await site.zone.admin.patch(f"/users/{me}/access_block", json={"blocked": True})
    await site.soon(site.joe_token, lambda found: found == "USER_BLOCKED")
    await site.zone.admin.patch(f"/users/{me}/access_block", json={"blocked": False})
    await site.soon(site.joe_token, lambda found: isinstance(found, Identity))


async def test_rights_through_nested_groups_come_and_go(site: Site) -> None:
    top = _made(await site.joe.post(f"/spaces/{site.space_id}/groups", json={"name": "top"}))
    low = _made(await site.joe.post(f"/groups/{top}/children", json={"name": "low"}))
    with pytest.raises(UserNotSupported):
        await site.authenticator.authenticate(site.ann_token, IP)
    await site.add_ann(low)
    await site.soon(site.ann_token, lambda found: isinstance(found, Identity))
    identity = await site.verdict(site.ann_token)
    assert isinstance(identity, Identity)
    assert set(identity.group_ids) == {top, low}
    assert identity.spaces[site.space_id].privileges == 0b11110
    path = f"/spaces/{site.space_id}/groups/{top}/privileges"
    await site.joe.patch(path, json={"revoke": ["space_write_data"]})
    await site.soon(
        site.ann_token,
        lambda found: isinstance(found, Identity) and found.spaces[site.space_id].privileges == 0b10110,
    )
    await site.joe.delete(f"/groups/{top}/children/{low}")
    await site.soon(site.ann_token, lambda found: found == "USER_NOT_SUPPORTED")


async def test_names_and_supports_of_spaces_are_noticed(site: Site) -> None:
    assert isinstance(await site.verdict(site.joe_token), Identity)
    await site.joe.patch(f"/spaces/{site.space_id}", json={"name": "renamed"})
    await site.soon(
        site.joe_token,
        lambda found: isinstance(found, Identity) and found.spaces[site.space_id].name == "renamed",
    )
    await site.joe.delete(f"/spaces/{site.space_id}/providers/{site.provider_id}")
    await site.soon(site.joe_token, lambda found: found == "USER_NOT_SUPPORTED")


async def test_what_another_instance_changes_is_heard_of(start_zone: Starter, site: Site) -> None:
    other = await start_zone("zone-2")
    assert isinstance(await site.verdict(site.joe_token), Identity)
    me = (await site.joe.get("/user")).json()["userId"]
    await other.admin.patch(f"/users/{me}/access_block", json={"blocked": True})
    await site.soon(site.joe_token, lambda found: found == "USER_BLOCKED")


async def test_a_watch_goes_on_at_another_instance_and_misses_nothing(
    start_zone: Starter, tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    survivor = await start_zone("zone-2")
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-1")
    async with contextlib.AsyncExitStack() as first_life, contextlib.AsyncExitStack() as running:
        first = await first_life.enter_async_context(running_zone(settings))
        addresses = f"ipv4:{first.rpc_address},{survivor.rpc_address}"
        site = await running.enter_async_context(_site(first, addresses=addresses))
        assert isinstance(await site.verdict(site.joe_token), Identity)
        me = (await site.joe.get("/user")).json()["userId"]
        era = site.authenticator._era
        await first_life.aclose()
        await survivor.admin.patch(f"/users/{me}/access_block", json={"blocked": True})
        await site.soon(site.joe_token, lambda found: found == "USER_BLOCKED")
        await _until(lambda: site.authenticator._watch.live)
        assert site.authenticator._era == era


async def test_removed_provider_is_let_go(site: Site) -> None:
    await site.verdict(site.joe_token)
    await site.zone.admin.delete(f"/providers/{site.provider_id}")
    await _until(lambda: not site.authenticator._watch.live)
