"""Shares over REST: for members, for anybody, and the way to the data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import httpx
import pytest
import pytest_asyncio
from isthmus.zone.v1 import shares_pb2

from clients.zone import ZoneClient
from runtime.http import file_ids
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


@dataclass
class Site:
    """A share of a space that one provider supports."""

    rpc: ZoneClient
    domain: str
    space_id: str
    share_id: str
    object_id: str


@pytest_asyncio.fixture(loop_scope="module")
async def site(zone: RunningZone) -> AsyncIterator[Site]:
    provider = await registered_provider(zone)
    made = await zone.admin.post("/user/spaces", json={"name": "space 1"})
    space_id = made.headers["location"].rpartition("/")[2]
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    async with provider_client(zone, provider) as rpc:
        await give_support(rpc, token, 10**9)
        share = shares_pb2.Share(
            share_id=token_hex(16),
            space_id=space_id,
            name="results",
            description="# Results",
            root_file_id=token_hex(16),
            root_type=shares_pb2.SHARE_ROOT_TYPE_DIRECTORY,
            creator_id="u1",
        )
        await rpc.create_share(share)
        object_id = file_ids.encode(space_id, share.root_file_id, share.share_id)
        yield Site(rpc, provider.domain, space_id, share.share_id, object_id)


async def test_share_is_seen_by_members_whole_and_by_anybody_in_part(zone: RunningZone, site: Site) -> None:
    share = (await zone.admin.get(f"/shares/{site.share_id}")).json()
    created = share.pop("creationTime")
    assert isinstance(created, int)
    assert share == {
        "shareId": site.share_id,
        "spaceId": site.space_id,
        "name": "results",
        "description": "# Results",
        "publicUrl": f"https://zone.example.org/share/{site.share_id}",
        "publicRestUrl": f"https://zone.example.org/api/v3/onezone/shares/{site.share_id}/public",
        "rootFileId": site.object_id,
        "fileType": "dir",
        "handleId": None,
        "creator": {"type": "user", "id": "u1"},
    }
    async with zone.client() as guest:
        public = (await guest.get(f"/shares/{site.share_id}/public")).json()
        assert _error(await guest.get(f"/shares/{site.share_id}"), 401)
        assert _error(await guest.get("/shares/nothing/public"), 404)
    assert public == {
        **{k: v for k, v in share.items() if k not in ("spaceId", "creator")},
        "creationTime": created,
    }


async def test_shares_of_a_space_are_listed_for_members(zone: RunningZone, site: Site) -> None:
    _, token = await user_token(zone, "ann")
    path = f"/spaces/{site.space_id}/shares"
    assert (await zone.admin.get(path)).json() == {"shares": [site.share_id]}
    assert (await zone.admin.get(f"{path}/{site.share_id}")).json()["name"] == "results"
    assert _error(await zone.admin.get(f"{path}/nothing"), 404)
    async with zone.client(token) as ann:
        assert _error(await ann.get(path), 403)
        assert _error(await ann.get(f"/shares/{site.share_id}"), 403)


async def test_share_is_changed_by_who_may_manage_shares(zone: RunningZone, site: Site) -> None:
    ann_id, token = await user_token(zone, "ann")
    await zone.admin.put(f"/spaces/{site.space_id}/users/{ann_id}")
    path = f"/shares/{site.share_id}"
    async with zone.client(token) as ann:
        assert _error(await ann.patch(path, json={"name": "mine"}), 403)
        grant = {"grant": ["space_manage_shares"]}
        await zone.admin.patch(f"/spaces/{site.space_id}/users/{ann_id}/privileges", json=grant)
        assert (await ann.patch(path, json={"name": "renamed", "description": ""})).status_code == 204
        assert (await ann.get(path)).json()["name"] == "renamed"
        assert _error(await ann.patch(path, json={}), 400)["id"] == "missingAtLeastOneValue"
        assert _error(await ann.patch(path, json={"name": "x"}), 400)["id"] == "badValueName"
        long = {"description": "d" * 100_001}
        assert _error(await ann.patch(path, json=long), 400)["id"] == "badValueTextTooLarge"


async def test_data_is_found_at_a_provider_that_is_online(zone: RunningZone, site: Site) -> None:
    base = f"/shares/data/{site.object_id}"
    async with zone.client() as guest:
        assert _error(await guest.get(f"{base}/children"), 503)["id"] == "serviceUnavailable"
        await site.rpc.report_status()
        for rest in ("", "/children?limit=5", "/metadata/json?filter=a%2Fb", "/path/a%20b%2Fc"):
            answer = await guest.get(base + rest)
            assert answer.status_code == 307
            wanted = f"https://{site.domain}/api/v3/oneprovider/data/{site.object_id}{rest}"
            assert answer.headers["location"] == wanted


async def test_only_share_ids_lead_to_data(zone: RunningZone, site: Site) -> None:
    own = file_ids.encode(site.space_id, token_hex(16))
    gone = file_ids.encode(site.space_id, token_hex(16), token_hex(16))
    async with zone.client() as guest:
        for bad in (own, "nonsense", "00"):
            error = _error(await guest.get(f"/shares/data/{bad}/children"), 400)
            assert (error["id"], error["details"]["key"]) == ("badData", "FileId")
        assert _error(await guest.get(f"/shares/data/{gone}/children"), 404)
