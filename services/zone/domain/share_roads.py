"""Which provider shows a share: any that is online and supports its space."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

from runtime.clock import Clock
from runtime.errors import Unavailable
from services.zone.domain.entities import Provider
from services.zone.domain.providers import Providers
from services.zone.domain.shares import Shares
from services.zone.domain.stores import ProviderStore, SpaceStore
from services.zone.domain.value_errors import BadData

KEEP_S = 30.0
MAX_KEPT = 10_000


class NoProviderOnline(Unavailable):
    """No provider that supports the space is online."""

    reason = "NO_PROVIDER_ONLINE"


class ShareRoads:
    """Finds providers for public data. `share_of_object`: the share an object id names, or None.

    `release_line`: the zone's own, e.g. `21.02`; providers of the same one come first.
    """

    def __init__(
        self,
        shares: Shares,
        spaces: SpaceStore,
        store: ProviderStore,
        providers: Providers,
        *,
        share_of_object: Callable[[str], str | None],
        release_line: str,
        clock: Clock,
    ) -> None:
        self._shares = shares
        self._spaces = spaces
        self._store = store
        self._providers = providers
        self._share_of_object = share_of_object
        self._release_line = release_line
        self._clock = clock
        self._kept: OrderedDict[str, tuple[list[Provider], float]] = OrderedDict()

    async def provider_for(self, object_id: str) -> Provider:
        """A provider for a file of a share. Raises BadData, NotFound, NoProviderOnline."""
        share_id = self._share_of_object(object_id)
        if share_id is None:
            raise BadData.of(key="FileId")
        share = await self._shares.require(share_id)
        candidates = await self._candidates(share.space_id)
        if not candidates:
            raise NoProviderOnline
        return secrets.choice(candidates)

    async def _candidates(self, space_id: str) -> list[Provider]:
        known, until_s = self._kept.get(space_id, ([], 0.0))
        now_s = self._clock.monotonic_s()
        if now_s < until_s:
            return known
        found = await self._online(space_id)
        # That nobody is online is asked again each time: it should end as soon as somebody is.
        if found:
            self._kept[space_id] = (found, now_s + KEEP_S)
            self._kept.move_to_end(space_id)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found

    async def _online(self, space_id: str) -> list[Provider]:
        space = await self._spaces.find(space_id)
        supporting = await self._store.find_many(space.sizes()) if space is not None else []
        online = [each for each in supporting if self._providers.is_online(each)]
        same_line = [each for each in online if each.version.startswith(self._release_line)]
        return same_line or online
