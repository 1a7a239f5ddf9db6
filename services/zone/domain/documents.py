"""What a provider is concerned with, as documents it follows: itself, the spaces it supports, its storages,
and the providers that share a space with it.

A follower says what it holds, is told what is different, then each change. What it was told is remembered for
as long as it listens, so that it also hears when something ends to be its concern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.clock import Clock
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.entities import Provider, Space, Storage
from services.zone.domain.stores import ProviderStore, SpaceStore, StorageStore

#: Spaces told in one message.
PAGE = 200
#: How often it is looked whether other providers came or went.
LOOK_AT_PEERS_S = 5.0
#: How long a follower hears nothing at most; it gives up after some seconds.
SILENCE_S = 1.5


@dataclass(frozen=True, slots=True)
class Seen:
    """A provider, and whether it is online."""

    provider: Provider
    online: bool


Content = Seen | Space | Storage


@dataclass(frozen=True, slots=True)
class News:
    """What a follower is told at once; nothing: that nothing happened. By key: documents with their revision
    in them, and revisions as of which things are no more its concern."""

    documents: Mapping[str, Content] = field(default_factory=dict)
    ended: Mapping[str, int] = field(default_factory=dict)
    caught_up: bool = False


@dataclass(slots=True)
class _Held:
    """What one follower was told: revisions by key, who supports each space with it, who is online."""

    provider_id: str
    revisions: dict[str, int]
    supporters: dict[str, frozenset[str]] = field(default_factory=dict)
    peers: Counter[str] = field(default_factory=Counter)
    online: dict[str, bool] = field(default_factory=dict)

    def is_new(self, key: str, revision: int) -> bool:
        """Whether it holds nothing as new; from now on it does."""
        known = self.revisions.get(key)
        self.revisions[key] = revision
        return known is None or known < revision

    def set_supporters(self, space_id: str, providers: Collection[str]) -> None:
        """Who supports a space, the follower left out; nobody when it is no more its concern."""
        self.peers.subtract(self.supporters.pop(space_id, ()))
        others = frozenset(providers) - {self.provider_id}
        if others:
            self.supporters[space_id] = others
            self.peers.update(others)
        self.peers = +self.peers


class Documents:
    """Tells providers what they are concerned with."""

    def __init__(
        self,
        feed: ChangeFeed,
        providers: ProviderStore,
        spaces: SpaceStore,
        storages: StorageStore,
        *,
        is_online: Callable[[Provider], bool],
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._providers = providers
        self._spaces = spaces
        self._storages = storages
        self._is_online = is_online
        self._clock = clock

    async def follow(self, provider_id: str, known: Mapping[str, int]) -> AsyncIterator[News]:
        """News for one provider that holds documents of these revisions, without end.

        Raises NotFollowing where changes are not known (any more). Ends when the provider is removed.
        """
        held = _Held(provider_id, dict(known))
        look_s, told_s = 0.0, 0.0
        async for update in self._feed.follow(""):
            if update.start_over:
                # Whatever changes from here on comes with the next update, be it told already or not.
                async for news in self._everything(held):
                    yield news
                continue
            news = await self._changed(held, update.changed) if update.changed else News()
            now_s = self._clock.monotonic_s()
            if now_s >= look_s:
                look_s = now_s + LOOK_AT_PEERS_S
                if not await self._exists(provider_id):
                    return
                news = News({**news.documents, **await self._look_at_peers(held)}, news.ended)
            if news.documents or news.ended or now_s - told_s >= SILENCE_S:
                told_s = now_s
                yield news

    async def _exists(self, provider_id: str) -> bool:
        return await self._providers.find(provider_id) is not None

    async def _everything(self, held: _Held) -> AsyncIterator[News]:
        """All that the follower does not hold, a page at a time; then what it holds and should no more."""
        before = set(held.revisions)
        now = {f"prv-{held.provider_id}"}
        storages = await self._storages.of_provider(held.provider_id)
        now.update(f"sto-{storage.id}" for storage in storages)
        yield News(_fresh_storages(held, storages))
        after = ""
        while spaces := await self._spaces.supported_by(held.provider_id, after=after, limit=PAGE):
            now.update(f"spc-{space.id}" for space in spaces)
            yield News(self._fresh_spaces(held, spaces))
            after = spaces[-1].id
        now.update(f"prv-{peer}" for peer in held.peers)
        # Whether others are online is in no revision, so they are told at every contact.
        yield News(await self._fresh_providers(held, [held.provider_id, *held.peers], always=True))
        yield News(ended=await self._end(held, before - now), caught_up=True)

    async def _changed(self, held: _Held, changed: Collection[str]) -> News:
        ids = {
            prefix: [key[4:] for key in changed if key.startswith(prefix)]
            for prefix in ("spc-", "sto-", "prv-")
        }
        documents: dict[str, Content] = {}
        gone: set[str] = set()
        if ids["sto-"]:
            found = await self._storages.find_many(ids["sto-"])
            own = [storage for storage in found if storage.provider_id == held.provider_id]
            documents.update(_fresh_storages(held, own))
            gone.update({f"sto-{each}" for each in ids["sto-"]} - {f"sto-{each.id}" for each in own})
        if ids["spc-"]:
            spaces = await self._spaces.find_many(ids["spc-"])
            supported = [space for space in spaces if held.provider_id in space.sizes()]
            documents.update(self._fresh_spaces(held, supported))
            gone.update({f"spc-{each}" for each in ids["spc-"]} - {f"spc-{each.id}" for each in supported})
        ended = await self._end(held, gone & held.revisions.keys())
        unknown = [peer for peer in held.peers if f"prv-{peer}" not in held.revisions]
        concerned = {*(each for each in ids["prv-"] if f"prv-{each}" in held.revisions), *unknown}
        documents.update(await self._fresh_providers(held, concerned))
        ended.update(await self._end(held, self._strangers(held)))
        return News(documents, ended)

    def _fresh_spaces(self, held: _Held, spaces: Sequence[Space]) -> dict[str, Content]:
        for space in spaces:
            held.set_supporters(space.id, space.sizes())
        return {
            f"spc-{space.id}": space for space in spaces if held.is_new(f"spc-{space.id}", space.revision)
        }

    async def _fresh_providers(
        self, held: _Held, provider_ids: Collection[str], *, always: bool = False
    ) -> dict[str, Content]:
        found = await self._providers.find_many(provider_ids)
        fresh: dict[str, Content] = {}
        for provider in found:
            key = f"prv-{provider.id}"
            online = self._is_online(provider)
            if held.is_new(key, provider.revision) or always or held.online.get(provider.id) != online:
                fresh[key] = Seen(provider, online)
            held.online[provider.id] = online
        return fresh

    async def _look_at_peers(self, held: _Held) -> dict[str, Content]:
        return await self._fresh_providers(held, [held.provider_id, *held.peers])

    @staticmethod
    def _strangers(held: _Held) -> set[str]:
        """Providers that were told and share no space any more."""
        concerned = {f"prv-{each}" for each in (held.provider_id, *held.peers)}
        return {key for key in held.revisions if key.startswith("prv-")} - concerned

    async def _end(self, held: _Held, keys: Collection[str]) -> dict[str, int]:
        """Forgets what is no more the follower's concern; with the revision as of which that is so."""
        spaces = [key[4:] for key in keys if key.startswith("spc-")]
        for space_id in spaces:
            held.set_supporters(space_id, ())
        revisions = {f"spc-{each.id}": each.revision for each in await self._spaces.find_many(spaces)}
        for key in keys:
            del held.revisions[key]
        # Of what is gone altogether the time says it: revisions began with times, too, and nobody makes one a
        # millisecond.
        return {key: revisions.get(key, self._clock.now_ms()) for key in keys}


def _fresh_storages(held: _Held, storages: Sequence[Storage]) -> dict[str, Content]:
    return {f"sto-{each.id}": each for each in storages if held.is_new(f"sto-{each.id}", each.revision)}
