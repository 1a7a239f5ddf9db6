"""Shares as providers make, read and end them at the zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from secrets import token_hex

import pytest
import pytest_asyncio
from isthmus.zone.v1 import shares_pb2

from clients.zone import ZoneClient
from runtime.errors import AlreadyExists, InvalidArgument, IsthmusError, NotFound, PermissionDenied
from tests.support.zone import RunningZone, provider_client, registered_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 10**9


@dataclass
class Site:
    """A provider and a space it supports."""

    rpc: ZoneClient
    space_id: str
    provider_id: str
    storage_id: str

    def share(self, **changes: object) -> shares_pb2.Share:
        """A share nobody made yet."""
        fields = {
            "share_id": token_hex(8),
            "space_id": self.space_id,
            "name": "results",
            "description": "# Results",
            "root_file_id": "f1",
            "root_type": shares_pb2.SHARE_ROOT_TYPE_DIRECTORY,
            "creator_id": "u1",
            **changes,
        }
        return shares_pb2.Share(**fields)  # type: ignore[arg-type]


@pytest_asyncio.fixture(loop_scope="module")
async def site(zone: RunningZone) -> AsyncIterator[Site]:
    provider = await registered_provider(zone)
    made = await zone.admin.post("/user/spaces", json={"name": "space 1"})
    space_id = made.headers["location"].rpartition("/")[2]
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    async with provider_client(zone, provider) as rpc:
        storage = await rpc.create_storage("", "disk")
        await rpc.support_space(token, size_bytes=SIZE, storage_id=storage.storage_id)
        yield Site(rpc, space_id, provider.provider_id, storage.storage_id)


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(zone: RunningZone) -> AsyncIterator[ZoneClient]:
    """A provider that supports nothing."""
    provider = await registered_provider(zone, "lisbon", "other.example.org")
    async with provider_client(zone, provider) as rpc:
        yield rpc


async def test_a_share_is_made_read_changed_and_ended(site: Site) -> None:
    wanted = site.share()
    made = await site.rpc.create_share(wanted)
    assert made.created_at_ms > 0
    assert await site.rpc.get_share(wanted.share_id) == made
    await site.rpc.update_share(wanted.share_id, name="renamed", description=None)
    changed = await site.rpc.get_share(wanted.share_id)
    assert (changed.name, changed.description) == ("renamed", "# Results")
    await site.rpc.delete_share(wanted.share_id)
    with pytest.raises(NotFound):
        await site.rpc.get_share(wanted.share_id)


async def test_making_and_ending_may_be_repeated(site: Site) -> None:
    wanted = site.share()
    first = await site.rpc.create_share(wanted)
    assert await site.rpc.create_share(wanted) == first
    for _ in range(2):
        await site.rpc.delete_share(wanted.share_id)


async def test_an_id_means_one_share(site: Site) -> None:
    wanted = site.share()
    await site.rpc.create_share(wanted)
    with pytest.raises(AlreadyExists):
        await site.rpc.create_share(site.share(share_id=wanted.share_id, root_file_id="f2"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "x"}, "BAD_VALUE_NAME"),
        ({"description": "x" * 100_001}, "BAD_VALUE_TEXT_TOO_LARGE"),
        ({"root_file_id": ""}, "BAD_DATA"),
        ({"share_id": ""}, "BAD_DATA"),
        ({"root_type": shares_pb2.SHARE_ROOT_TYPE_UNSPECIFIED}, "BAD_DATA"),
    ],
)
async def test_what_makes_no_sense_is_refused(site: Site, change: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await site.rpc.create_share(site.share(**change))
    assert caught.value.reason == reason


async def test_a_change_needs_something_to_change(site: Site) -> None:
    made = await site.rpc.create_share(site.share())
    with pytest.raises(InvalidArgument) as caught:
        await site.rpc.update_share(made.share_id, name=None, description=None)
    assert caught.value.reason == "MISSING_AT_LEAST_ONE_VALUE"


async def test_other_providers_only_read(site: Site, stranger: ZoneClient) -> None:
    made = await site.rpc.create_share(site.share())
    assert await stranger.get_share(made.share_id) == made
    for attempt in (
        stranger.create_share(site.share()),
        stranger.update_share(made.share_id, name="mine", description=None),
        stranger.delete_share(made.share_id),
    ):
        with pytest.raises(PermissionDenied):
            await attempt
    assert (await site.rpc.get_share(made.share_id)).name == "results"


async def test_an_unknown_space_has_no_shares(site: Site) -> None:
    with pytest.raises(NotFound):
        await site.rpc.create_share(site.share(space_id="nowhere"))


async def test_shares_end_with_their_space(zone: RunningZone, site: Site) -> None:
    made = await site.rpc.create_share(site.share())
    assert (await zone.admin.delete(f"/spaces/{site.space_id}")).status_code == 204
    with pytest.raises(NotFound):
        await site.rpc.get_share(made.share_id)


async def test_providers_of_spaces_are_told(site: Site, stranger: ZoneClient) -> None:
    for rpc in (site.rpc, stranger):
        [told] = await rpc.list_space_providers([site.space_id, "nowhere"])
        assert told.space_id == site.space_id
        [provider] = told.providers
        assert (provider.provider_id, provider.name) == (site.provider_id, "krakow")
        assert list(provider.storage_ids) == [site.storage_id]


async def test_a_request_asks_about_few_spaces(site: Site) -> None:
    with pytest.raises(IsthmusError) as caught:
        await site.rpc.list_space_providers([str(number) for number in range(1001)])
    assert caught.value.reason == "BAD_VALUE_NOT_IN_RANGE"
