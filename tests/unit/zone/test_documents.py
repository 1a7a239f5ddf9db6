from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from runtime.clock import ManualClock
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.documents import SILENCE_S, Documents, News, Seen
from services.zone.domain.entities import Provider, Space, Storage, Support
from tests.support.zone_stores import MemoryStores, memory_stores

DISK = Storage("st1", "p1", "disk", created_at_ms=1)


def provider(id: str) -> Provider:
    return Provider(id, f"site {id}", f"{id}.example.org", created_at_ms=1)


def space(id: str, *provider_ids: str) -> Space:
    supports = tuple(Support(each, f"st-{each}", 100) for each in provider_ids)
    return Space(id, f"space {id}", supports=supports, created_at_ms=1)


class Zone:
    """A zone in memory: p1 supports `own`, and with p2 `common`; `other` is p2's and p3's."""

    def __init__(self) -> None:
        self.stores: MemoryStores = memory_stores()
        self.feed = ChangeFeed(heartbeat_s=0.01)
        self.clock = ManualClock()
        self.online: set[str] = {"p1"}
        self.place = 0
        self.documents = Documents(
            self.feed,
            self.stores.providers,
            self.stores.spaces,
            self.stores.storages,
            is_online=lambda each: each.id in self.online,
            clock=self.clock,
        )
        self.feed.begin(lambda: True)

    async def fill(self) -> Zone:
        for each in ("p1", "p2", "p3"):
            await self.stores.providers.create(provider(each))
        for each in (space("own", "p1"), space("common", "p1", "p2"), space("other", "p2", "p3")):
            await self.stores.spaces.create(each, [])
        await self.stores.storages.create(DISK)
        return self

    def publish(self, *codes: str) -> None:
        self.place += 1
        self.feed.publish(codes, f"{self.place:04}")


@pytest.fixture
async def zone() -> Zone:
    return await Zone().fill()


async def first(news: AsyncIterator[News]) -> tuple[dict[str, object], dict[str, int]]:
    """All that is told until the follower has caught up."""
    documents: dict[str, object] = {}
    ended: dict[str, int] = {}
    async for each in news:
        documents.update(each.documents)
        ended.update(each.ended)
        if each.caught_up:
            return documents, ended
    raise AssertionError("ended")


async def next_news(news: AsyncIterator[News]) -> News:
    """The next that says anything."""
    async for each in news:
        if each.documents or each.ended:
            return each
    raise AssertionError("ended")


async def test_first_contact_gives_all_of_its_concern_and_nothing_else(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        documents, ended = await first(news)
    assert sorted(documents) == ["prv-p1", "prv-p2", "spc-common", "spc-own", "sto-st1"]
    assert ended == {}
    own, peer = documents["prv-p1"], documents["prv-p2"]
    assert isinstance(own, Seen)
    assert isinstance(peer, Seen)
    assert (own.online, peer.online) == (True, False)


async def test_a_break_costs_only_what_changed_meanwhile(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
    await zone.stores.spaces.resize_support("own", "p1", 200)
    await zone.stores.spaces.remove_support("common", "p1")
    await zone.stores.storages.delete("st1")
    held = {"prv-p1": 1, "prv-p2": 1, "spc-common": 1, "spc-own": 1, "sto-st1": 1}
    zone.clock.advance(10)
    async with aclosing(zone.documents.follow("p1", held)) as news:
        documents, ended = await first(news)
    # Whether providers are online has no revision, so they are told at each contact.
    assert sorted(documents) == ["prv-p1", "spc-own"]
    assert sorted(ended) == ["prv-p2", "spc-common", "sto-st1"]
    assert ended["spc-common"] == 2


async def test_only_who_is_concerned_is_told(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        await zone.stores.spaces.update("other", {"name": "secret"})
        await zone.stores.providers.update("p3", {"name": "else"})
        zone.publish("spc-other", "prv-p3", "usr-u1", "sto-unknown")
        await zone.stores.spaces.update("own", {"name": "renamed"})
        zone.publish("spc-own")
        told = await next_news(news)
    assert list(told.documents) == ["spc-own"]


async def test_what_was_told_is_not_told_again(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        zone.publish("spc-own", "spc-common", "sto-st1", "prv-p2")
        await zone.stores.storages.update("st1", {"name": "other"})
        zone.publish("sto-st1")
        told = await next_news(news)
    assert list(told.documents) == ["sto-st1"]


async def test_a_new_peer_comes_with_the_space_and_goes_with_it(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        await zone.stores.spaces.add_support("own", Support("p3", "st-p3", 5))
        zone.publish("spc-own")
        assert sorted((await next_news(news)).documents) == ["prv-p3", "spc-own"]
        await zone.stores.spaces.remove_support("own", "p3")
        zone.publish("spc-own")
        told = await next_news(news)
    assert (list(told.documents), list(told.ended)) == (["spc-own"], ["prv-p3"])


async def test_the_end_of_a_support_or_a_space_is_told_with_a_later_revision(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        await zone.stores.spaces.remove_support("own", "p1")
        zone.publish("spc-own")
        assert (await next_news(news)).ended == {"spc-own": 2}
        await zone.stores.spaces.delete("common")
        zone.publish("spc-common")
        ended = (await next_news(news)).ended
    assert sorted(ended) == ["prv-p2", "spc-common"]
    assert ended["spc-common"] == zone.clock.now_ms()


async def test_who_hears_nothing_new_hears_so_every_other_second(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        zone.clock.advance(6)
        assert await anext(news) == News()
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        zone.clock.advance(SILENCE_S)
        assert await waiting == News()


async def test_peers_that_come_up_are_noticed(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        zone.online.add("p2")
        zone.clock.advance(6)
        told = await next_news(news)
    peer = told.documents["prv-p2"]
    assert isinstance(peer, Seen)
    assert peer.online


async def test_a_gap_in_the_changes_is_closed_from_the_database(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        await zone.stores.spaces.update("own", {"name": "renamed"})
        zone.feed.begin(lambda: True)
        documents, _ = await first(news)
    assert "spc-own" in documents
    assert "spc-common" not in documents


async def test_a_removed_provider_is_let_go(zone: Zone) -> None:
    async with aclosing(zone.documents.follow("p1", {})) as news:
        await first(news)
        await zone.stores.providers.delete("p1")
        zone.clock.advance(6)
        async for _ in news:
            pass
