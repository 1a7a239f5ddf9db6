"""Names of members, told to the providers of their spaces and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from clients.zone import ZoneClient
from runtime.errors import InvalidArgument, NotFound
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def site(zone: RunningZone) -> AsyncIterator[tuple[ZoneClient, str]]:
    """A provider and a space of the administrator's that it supports."""
    provider = await registered_provider(zone)
    made = await zone.admin.post("/user/spaces", json={"name": "space 1"})
    space_id = made.headers["location"].rpartition("/")[2]
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    async with provider_client(zone, provider) as rpc:
        await give_support(rpc, token, 10**9)
        yield rpc, space_id


async def test_members_have_names_and_strangers_none(zone: RunningZone, site: tuple[ZoneClient, str]) -> None:
    rpc, space_id = site
    admin = (await zone.admin.get("/user")).json()
    group = await zone.admin.post("/user/groups", json={"name": "Readers"})
    group_id = group.headers["location"].rpartition("/")[2]
    asked = [admin["userId"], "nobody"]
    assert await rpc.list_principal_names(space_id, asked, [group_id]) == (
        {admin["userId"]: admin["fullName"]},
        {},
    )
    token = (await zone.admin.post(f"/spaces/{space_id}/groups/token")).json()["token"]
    joined = await zone.admin.post(f"/groups/{group_id}/spaces/join", json={"token": token})
    assert joined.status_code == 201
    users, groups = await rpc.list_principal_names(space_id, asked, [group_id, "none"])
    assert (users.keys(), groups) == ({admin["userId"]}, {group_id: "Readers"})


async def test_names_are_told_to_providers_of_the_space_only(
    zone: RunningZone, site: tuple[ZoneClient, str]
) -> None:
    _, space_id = site
    admin = (await zone.admin.get("/user")).json()
    other = await registered_provider(zone, "lisbon", "other.example.org")
    async with provider_client(zone, other) as rpc:
        for space in (space_id, "nothing"):
            with pytest.raises(NotFound):
                await rpc.list_principal_names(space, [admin["userId"]], [])


async def test_nobody_asks_for_the_whole_zone(site: tuple[ZoneClient, str]) -> None:
    rpc, space_id = site
    with pytest.raises(InvalidArgument):
        await rpc.list_principal_names(space_id, ["x"] * 1001, [])
