"""What a provider does for a space besides keeping its data, and who may switch it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFF = {"accountingEnabled": False, "dirStatsServiceEnabled": False, "dirStatsServiceStatus": "disabled"}


@dataclass
class Site:
    """A support of ann's space; she does not administer the provider."""

    ann: httpx.AsyncClient
    provider: httpx.AsyncClient
    space_id: str
    provider_id: str

    @property
    def path(self) -> str:
        return f"/spaces/{self.space_id}/providers/{self.provider_id}/support_parameters"

    async def now(self) -> dict[str, Any]:
        registry = (await self.ann.get(f"/spaces/{self.space_id}")).json()["supportParametersRegistry"]
        assert list(registry) == [self.provider_id]
        parameters: dict[str, Any] = registry[self.provider_id]
        return parameters


@pytest_asyncio.fixture(loop_scope="module")
async def site(zone: RunningZone) -> AsyncIterator[Site]:
    provider = await registered_provider(zone)
    _, token = await user_token(zone, "ann")
    root = provider.root_token.get_secret_value()
    async with (
        zone.client(token) as ann,
        zone.client(root) as own,
        provider_client(zone, provider) as rpc,
    ):
        made = await ann.post("/user/spaces", json={"name": "space 1"})
        space_id = made.headers["location"].rpartition("/")[2]
        invitation = (await ann.post(f"/spaces/{space_id}/providers/token")).json()["token"]
        await give_support(rpc, invitation, 10**9)
        yield Site(ann, own, space_id, provider.provider_id)


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def test_statistics_come_and_go_as_the_provider_says(site: Site) -> None:
    assert await site.now() == OFF
    assert (await site.ann.patch(site.path, json={"dirStatsServiceEnabled": True})).status_code == 204
    begun = {**OFF, "dirStatsServiceEnabled": True, "dirStatsServiceStatus": "initializing"}
    assert await site.now() == begun
    assert _error(await site.ann.patch(site.path, json={"dirStatsServiceStatus": "enabled"}), 403)
    report = {"dirStatsServiceStatus": "enabled"}
    assert (await site.provider.patch(site.path, json=report)).status_code == 204
    assert await site.now() == {**begun, **report}
    off = {"dirStatsServiceEnabled": False, "accountingEnabled": None}
    assert (await site.ann.patch(site.path, json=off)).status_code == 204
    assert (await site.now())["dirStatsServiceStatus"] == "stopping"


async def test_accounting_needs_statistics(zone: RunningZone, site: Site) -> None:
    refused = _error(await zone.admin.patch(site.path, json={"accountingEnabled": True}), 400)
    assert (refused["id"], refused["details"]["key"]) == ("badData", "dirStatsServiceEnabled")
    both = {"accountingEnabled": True, "dirStatsServiceEnabled": True}
    assert (await zone.admin.patch(site.path, json=both)).status_code == 204
    assert _error(await zone.admin.patch(site.path, json={"dirStatsServiceEnabled": False}), 400)
    assert (await site.now())["accountingEnabled"]


async def test_parameters_are_switched_by_who_may(zone: RunningZone, site: Site) -> None:
    joe_id, token = await user_token(zone, "joe")
    await zone.admin.put(f"/spaces/{site.space_id}/users/{joe_id}")
    on = {"dirStatsServiceEnabled": True}
    async with zone.client(token) as joe, zone.client() as guest:
        assert _error(await joe.patch(site.path, json=on), 403)
        assert _error(await guest.patch(site.path, json=on), 401)
    assert _error(await site.ann.patch(site.path, json={**on, "accountingEnabled": True}), 403)
    assert _error(await site.provider.patch(site.path, json={"accountingEnabled": True}), 403)


async def test_bad_parameters_are_told(site: Site) -> None:
    assert _error(await site.ann.patch(site.path, json={}), 400)["id"] == "missingAtLeastOneValue"
    bad = await site.ann.patch(site.path, json={"dirStatsServiceEnabled": "yes"})
    assert _error(bad, 400)["id"] == "badValueBoolean"
    bad = await site.provider.patch(site.path, json={"dirStatsServiceStatus": "on"})
    assert _error(bad, 400)["id"] == "badValueNotAllowed"
    elsewhere = site.path.replace(site.provider_id, "nobody")
    assert _error(await site.ann.patch(elsewhere, json={"dirStatsServiceEnabled": True}), 404)


async def test_parameters_go_with_the_support(site: Site) -> None:
    await site.ann.patch(site.path, json={"dirStatsServiceEnabled": True})
    await site.ann.delete(f"/spaces/{site.space_id}/providers/{site.provider_id}")
    assert (await site.ann.get(f"/spaces/{site.space_id}")).json()["supportParametersRegistry"] == {}
