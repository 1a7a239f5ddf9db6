"""A provider follows the documents of its concern from a real zone, by whichever instance, across breaks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from isthmus.zone.v1 import documents_pb2

from clients.zone import ProviderCredentials, ZoneClient
from clients.zone_documents import DocumentWatch
from runtime.config import ProviderFile
from runtime.errors import Unavailable
from runtime.rpc.channel import open_channel
from tests.support.zone import (
    RunningZone,
    Starter,
    give_support,
    provider_client,
    registered_provider,
    running_zone,
    zone_settings,
)

SOON_S = 30.0


class Picture:
    """What a provider has been told, by a real watch."""

    def __init__(self, zone: ZoneClient) -> None:
        self.documents: dict[str, documents_pb2.Document] = {}
        self.told: list[str] = []
        self.times_caught_up = 0
        self.failures = 0
        self.watch = DocumentWatch(zone, act=self._act, held=self._held)

    async def _held(self) -> Mapping[str, int]:
        return {}

    async def _act(self, news: documents_pb2.WatchDocumentsResponse) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable
        for document in news.documents:
            self.documents[document.key] = document
        for ended in news.ended:
            self.documents.pop(ended.key, None)
        self.told += [each.key for each in (*news.documents, *news.ended)]
        self.times_caught_up += news.caught_up

    async def until(self, holds: Callable[[Picture], bool]) -> None:
        give_up_s = time.monotonic() + SOON_S
        while not holds(self):
            assert time.monotonic() < give_up_s, self.documents
            await asyncio.sleep(0.02)

    def space(self, space_id: str) -> documents_pb2.Space | None:
        document = self.documents.get(f"spc-{space_id}")
        return document.space if document else None


async def invitation(zone: RunningZone, space_id: str = "") -> tuple[str, str]:
    """A space, a new one without id, and a token to support it."""
    if not space_id:
        made = await zone.admin.post("/user/spaces", json={"name": "space 1"})
        space_id = made.headers["location"].rpartition("/")[2]
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    return space_id, token


@contextlib.asynccontextmanager
async def following(provider: ProviderFile, addresses: str) -> AsyncIterator[Picture]:
    async with open_channel(addresses) as channel:
        picture = Picture(ZoneClient(channel, ProviderCredentials(provider)))
        await picture.watch.start()
        try:
            yield picture
        finally:
            await picture.watch.stop()


async def test_a_provider_sees_what_concerns_it_and_each_change(start_zone: Starter) -> None:
    zone = await start_zone("zone-1")
    krakow = await registered_provider(zone)
    paris = await registered_provider(zone, "paris", "paris.example.org")
    async with provider_client(zone, krakow) as rpc, provider_client(zone, paris) as other:
        space_id, token = await invitation(zone)
        await give_support(rpc, token, 10**9)
        elsewhere, token = await invitation(zone)
        await give_support(other, token, 10**9)
        async with following(krakow, zone.rpc_address) as picture:
            await picture.until(lambda told: told.times_caught_up == 1)
            assert sorted(key[:4] for key in picture.documents) == ["prv-", "spc-", "sto-"]
            [support] = picture.documents[f"spc-{space_id}"].space.supports
            assert (support.provider_id, support.size_bytes) == (krakow.provider_id, 10**9)
            assert support.dir_stats_status == "disabled"

            began_s = time.monotonic()
            path = f"/spaces/{space_id}"
            await zone.admin.patch(path, json={"name": "renamed"})
            await picture.until(lambda told: told.documents[f"spc-{space_id}"].space.name == "renamed")
            assert time.monotonic() - began_s < 5
            parameters = f"{path}/providers/{krakow.provider_id}/support_parameters"
            await zone.admin.patch(parameters, json={"dirStatsServiceEnabled": True})
            await picture.until(
                lambda told: (
                    told.documents[f"spc-{space_id}"].space.supports[0].dir_stats_status == "initializing"
                )
            )
            await give_support(other, (await invitation(zone, space_id))[1], 10**9)
            await picture.until(lambda told: f"prv-{paris.provider_id}" in told.documents)
            assert picture.documents[f"prv-{paris.provider_id}"].provider.name == "paris"
            await zone.admin.delete(f"{path}/providers/{krakow.provider_id}")
            await picture.until(lambda told: told.space(space_id) is None)
            await picture.until(lambda told: f"prv-{paris.provider_id}" not in told.documents)
            assert not any(elsewhere in key for key in picture.told)


async def test_a_follower_goes_on_at_another_instance_and_is_told_nothing_twice(
    start_zone: Starter, tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    survivor = await start_zone("zone-2")
    provider = await registered_provider(survivor)
    async with contextlib.AsyncExitStack() as first_life, provider_client(survivor, provider) as rpc:
        settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-1")
        first = await first_life.enter_async_context(running_zone(settings))
        spaces = []
        for _ in range(3):
            space_id, token = await invitation(survivor)
            await give_support(rpc, token, 10**9)
            spaces.append(space_id)
        addresses = f"ipv4:{first.rpc_address},{survivor.rpc_address}"
        async with following(provider, addresses) as picture:
            await picture.until(lambda told: told.times_caught_up == 1)
            picture.told.clear()
            await first_life.aclose()
            await rpc.resize_support(spaces[0], 2 * 10**9)
            await rpc.revoke_support(spaces[1])
            await picture.until(lambda told: told.space(spaces[1]) is None)
            await picture.until(
                lambda told: told.documents[f"spc-{spaces[0]}"].space.supports[0].size_bytes == 2 * 10**9
            )
        assert sorted(key for key in picture.told if key.startswith("spc-")) == sorted(
            f"spc-{each}" for each in spaces[:2]
        )


async def test_what_could_not_be_acted_on_is_told_again(start_zone: Starter) -> None:
    zone = await start_zone("zone-1")
    provider = await registered_provider(zone)
    async with provider_client(zone, provider) as rpc:
        space_id, token = await invitation(zone)
        await give_support(rpc, token, 10**9)
        async with following(provider, zone.rpc_address) as picture:
            await picture.until(lambda told: told.times_caught_up == 1)
            picture.failures = 2
            await rpc.resize_support(space_id, 3 * 10**9)
            await picture.until(
                lambda told: told.documents[f"spc-{space_id}"].space.supports[0].size_bytes == 3 * 10**9
            )
