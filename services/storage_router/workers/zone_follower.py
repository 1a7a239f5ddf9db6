"""Acts on what the zone says of our supports and storages, and tells it what it does not know as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog

from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from services.storage_router.domain.storages import PublicPart, Storage, StorageStore, ZoneStorages
from services.storage_router.domain.supports import Supports
from services.storage_router.domain.zone_news import ZoneNews
from services.storage_router.workers.dir_stats_switch import DirStatsSwitch

log = structlog.get_logger(__name__)

_PAGE = 1000


class ZoneFollower:
    """Takes in supports as the zone tells them, and tells it how our storages are.

    Every instance does it all: what an instance finds done by another one is done. `on_change` is called
    when supports or storages are other than before.
    """

    def __init__(
        self,
        supports: Supports,
        store: StorageStore,
        zone_storages: ZoneStorages,
        *,
        dir_stats: DirStatsSwitch,
        on_change: Callable[[], Awaitable[object]],
    ) -> None:
        self._supports = supports
        self._store = store
        self._zone_storages = zone_storages
        self._dir_stats = dir_stats
        self._on_change = on_change
        self._known: dict[str, PublicPart] = {}
        self._refused: set[str] = set()
        self._caught_up = False

    async def held(self) -> Collection[str]:
        """Spaces of which it has to be heard when their support ended: those there are."""
        found: list[str] = []
        while page := await self._supports.list(after_space=found[-1] if found else "", limit=_PAGE):
            found += (support.space_id for support in page)
        return found

    async def act(self, news: ZoneNews) -> None:
        """Takes in what was told at once. What it fails at has to be told again."""
        changed = False
        for state in news.supports:
            changed |= await self._supports.take(state.support)
        for space_id, revision in news.ended.items():
            changed |= await self._supports.end(space_id, revision)
        if changed or news.storages:
            # Of a storage it is told what another instance changed.
            await self._on_change()
        self._dir_stats.note(news.supports, news.ended)
        self._known.update(news.storages)
        for storage_id in news.forgotten:
            self._known.pop(storage_id, None)
        self._caught_up |= news.caught_up

    async def run_once(self) -> int:
        """Makes the zone know the storages there are as they are, and no others. It tells of them itself
        then, so 0."""
        if not self._caught_up:
            return 0
        # What the zone knows first: a storage is kept here before the zone is told of it.
        known = dict(self._known)
        storages = {storage.storage_id: storage for storage in await self._storages()}
        for storage_id, storage in storages.items():
            if storage_id not in known:
                await self._tell(storage_id, self._zone_storages.register(storage))
            elif storage.public != known[storage_id]:
                await self._tell(storage_id, self._zone_storages.change(storage))
        for storage_id in known.keys() - storages.keys():
            await self._tell(storage_id, self._zone_storages.forget(storage_id))
        return 0

    async def _tell(self, storage_id: str, telling: Awaitable[None]) -> None:
        try:
            await telling
        except (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound) as error:
            if storage_id not in self._refused:
                log.warning("zone_refuses_storage", storage_id=storage_id, reason=error.reason)
            self._refused.add(storage_id)
        else:
            self._refused.discard(storage_id)

    async def _storages(self) -> list[Storage]:
        found: list[Storage] = []
        while page := await self._store.list_storages(
            after_name=found[-1].name if found else "", limit=_PAGE
        ):
            found += page
        return found
