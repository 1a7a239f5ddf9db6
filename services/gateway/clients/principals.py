"""Names behind the ids of an ACL, asked of the zone and remembered for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from clients.zone import ZoneClient
from runtime.clock import Clock
from runtime.errors import IsthmusError
from services.gateway.domain.acls import Entry, principals

#: How long a name is believed. People and groups are renamed seldom.
REMEMBER_S = 60.0
#: While the zone does not answer it is asked so seldom: an ACL is told by ids then.
RETRY_AFTER_S = 5.0
MAX_REMEMBERED = 16_384

#: The space, whether it is a group, the id: what is known of somebody holds for one space.
_Key = tuple[str, bool, str]


class ZonePrincipals:
    """`PrincipalNames` of the zone, with a bounded memory, for unknown ids, too."""

    def __init__(self, zone: ZoneClient, clock: Clock) -> None:
        self._zone = zone
        self._clock = clock
        self._known: OrderedDict[_Key, tuple[float, str]] = OrderedDict()
        self._away_until_s = 0.0

    async def of_acl(self, space_id: str, acl: Sequence[Entry]) -> Mapping[str, str]:
        """See `PrincipalNames`."""
        users, groups = principals(acl)
        keys = [(space_id, False, id) for id in users] + [(space_id, True, id) for id in groups]
        now_s = self._clock.monotonic_s()
        old = [key for key in keys if key not in self._known or now_s >= self._known[key][0]]
        if old and now_s >= self._away_until_s:
            await self._ask(space_id, old)
        return {key[2]: self._known[key][1] for key in keys if self._known.get(key, (0, ""))[1]}

    async def _ask(self, space_id: str, keys: Sequence[_Key]) -> None:
        user_ids = [id for _, is_group, id in keys if not is_group]
        group_ids = [id for _, is_group, id in keys if is_group]
        try:
            users, groups = await self._zone.list_principal_names(space_id, user_ids, group_ids)
        except IsthmusError:
            # Names are an ornament: the ids say all there is to know.
            self._away_until_s = self._clock.monotonic_s() + RETRY_AFTER_S
            return
        until_s = self._clock.monotonic_s() + REMEMBER_S
        for key in keys:
            self._known[key] = until_s, (groups if key[1] else users).get(key[2], "")
            self._known.move_to_end(key)
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
