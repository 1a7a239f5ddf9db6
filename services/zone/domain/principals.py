"""Names of users and groups, for providers that have only their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from services.zone.domain.access import Caller
from services.zone.domain.entities import Kind
from services.zone.domain.providers import Providers
from services.zone.domain.stores import GroupStore, MembershipStore, UserStore


class Principals:
    """Who is behind an id. A provider learns it of members of the spaces it supports, and of nobody else."""

    def __init__(
        self, providers: Providers, memberships: MembershipStore, users: UserStore, groups: GroupStore
    ) -> None:
        self._providers = providers
        self._memberships = memberships
        self._users = users
        self._groups = groups

    async def names(
        self, caller: Caller, space_id: str, *, user_ids: Collection[str], group_ids: Collection[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Full names of users and names of groups, by id. Raises NotFound for a space it does not support."""
        space = await self._providers.get_supported(caller, space_id)
        members, groups = await asyncio.gather(
            self._memberships.ids_below([space.ref], Kind.USER),
            self._memberships.ids_below([space.ref], Kind.GROUP),
        )
        known_groups = await self._groups.find_many(set(group_ids) & set(groups))
        users = await asyncio.gather(*map(self._users.find, set(user_ids) & set(members)))
        return (
            {user.id: user.full_name for user in users if user is not None},
            {group.id: group.name for group in known_groups},
        )
