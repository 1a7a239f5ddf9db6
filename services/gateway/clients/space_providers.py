"""Who supports which spaces, asked of the zone and remembered for a while: it hardly ever changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from clients.zone import NoConnectionToOnezone, UnregisteredOneprovider, ZoneClient
from runtime.clock import Clock
from runtime.errors import DeadlineExceeded, Unavailable
from services.gateway.domain.providers import SupportingProvider

#: How long an answer is believed; while the zone is away, any answer is better than none.
_REMEMBER_S = 10.0
_MAX_REMEMBERED = 4096
_ASK_AT_ONCE = 1000

_Providers = tuple[SupportingProvider, ...]


class ZoneSpaceProviders:
    """`SpaceProviders` of the zone, with a bounded memory."""

    def __init__(self, zone: ZoneClient, clock: Clock) -> None:
        self._zone = zone
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, _Providers]] = OrderedDict()

    async def of_spaces(self, space_ids: Sequence[str]) -> Mapping[str, Sequence[SupportingProvider]]:
        """See `SpaceProviders`."""
        now_s = self._clock.monotonic_s()
        found = {id: self._known[id] for id in space_ids if id in self._known}
        old = [id for id in space_ids if id not in found or now_s >= found[id][0]]
        told = {id: providers for id, (_, providers) in found.items()}
        for start in range(0, len(old), _ASK_AT_ONCE):
            told |= await self._ask(old[start : start + _ASK_AT_ONCE], told)
        return told

    async def _ask(self, space_ids: Sequence[str], known: Mapping[str, _Providers]) -> dict[str, _Providers]:
        try:
            spaces = await self._zone.list_space_providers(space_ids)
        except UnregisteredOneprovider:
            raise
        except (Unavailable, DeadlineExceeded) as error:
            if all(space_id in known for space_id in space_ids):
                return {}
            raise NoConnectionToOnezone from error
        told = {
            space.space_id: tuple(
                SupportingProvider(each.provider_id, each.name, tuple(each.storage_ids))
                for each in space.providers
            )
            for space in spaces
        }
        self._remember(told)
        return told

    def _remember(self, told: Mapping[str, _Providers]) -> None:
        until_s = self._clock.monotonic_s() + _REMEMBER_S
        for space_id, providers in told.items():
            self._known[space_id] = (until_s, providers)
            self._known.move_to_end(space_id)
        while len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
