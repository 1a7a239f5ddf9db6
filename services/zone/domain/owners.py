"""Owners of spaces. They pass every check, so a space with members is never without one."""

from __future__ import annotations

import structlog

from services.zone.domain.access import Caller
from services.zone.domain.entities import Kind, Membership, Space
from services.zone.domain.errors import CannotRemoveLastOwner, NotFound
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import Spaces
from services.zone.domain.stores import MembershipStore, SpaceStore, UserStore
from services.zone.domain.target_rules import SPACE_RULES
from services.zone.domain.value_errors import BadValueIdNotFound

log = structlog.get_logger(__name__)


class Owners:
    """Who owns a space, and who comes after an owner that goes."""

    def __init__(
        self,
        spaces: Spaces,
        store: SpaceStore,
        memberships: MembershipStore,
        users: UserStore,
        rights: Rights,
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._memberships = memberships
        self._users = users
        self._rights = rights

    async def list_ids(self, caller: Caller, space_id: str) -> list[str]:
        """Who owns the space."""
        space = await self._spaces.require(space_id)
        caller.allow("get", "od_space", space_id, "owners")
        await self._rights.demand(caller, space, SPACE_RULES.view, "oz_spaces_list_relationships")
        return list(space.owners)

    async def add(self, caller: Caller, space_id: str, user_id: str) -> None:
        """Makes an effective member an owner."""
        space = await self._spaces.require(space_id)
        caller.allow("create", "od_space", space_id, f"owner,{user_id}")
        self._demand_owner(caller, space)
        if await self._rights.of(space, user_id) is None:
            raise BadValueIdNotFound.of(key="userId")
        await self._store.add_owner(space_id, user_id)

    async def remove(self, caller: Caller, space_id: str, user_id: str) -> None:
        """Makes an owner a member like others; one owner stays."""
        space = await self._spaces.require(space_id)
        if user_id not in space.owners:
            raise NotFound
        caller.allow("delete", "od_space", space_id, f"owner,{user_id}")
        self._demand_owner(caller, space)
        if not await self._store.remove_owner(space_id, user_id, keep_one=True):
            raise CannotRemoveLastOwner.of(entityType="space", entityId=space_id)

    async def step_down(self, space: Space, user_id: str) -> None:
        """Before an owner leaves the space. Raises CannotRemoveLastOwner while others stay."""
        if user_id not in space.owners:
            return
        others = await self._memberships.of_target(space.ref, Kind.USER)
        alone = len(others) <= 1 and not await self._memberships.of_target(space.ref, Kind.GROUP)
        if not await self._store.remove_owner(space.id, user_id, keep_one=not alone):
            raise CannotRemoveLastOwner.of(entityType="space", entityId=space.id)

    async def succeed(self, space: Space, user_id: str) -> None:
        """Before the account of an owner ends: the last one leaves the space to who has most privileges.

        Direct members come before those of groups; of equals, who joined first.
        """
        if user_id not in space.owners:
            return
        if space.owners == (user_id,):
            heir = await self._heir(space, user_id)
            if heir is not None:
                await self._store.add_owner(space.id, heir)
                log.info("space_inherited", space_id=space.id, user_id=heir, from_user_id=user_id)
        await self._store.remove_owner(space.id, user_id, keep_one=False)

    async def _heir(self, space: Space, user_id: str) -> str | None:
        for member in _strongest_first(await self._memberships.of_target(space.ref, Kind.USER)):
            if await self._can_inherit(member.member.id, user_id):
                return member.member.id
        for member in _strongest_first(await self._memberships.of_target(space.ref, Kind.GROUP)):
            for candidate in await self._memberships.ids_below([member.member], Kind.USER):
                if await self._can_inherit(candidate, user_id):
                    return candidate
        return None

    async def _can_inherit(self, candidate: str, user_id: str) -> bool:
        if candidate == user_id:
            return False
        user = await self._users.find(candidate)
        return user is not None and not user.blocked

    @staticmethod
    def _demand_owner(caller: Caller, space: Space) -> None:
        is_owner = caller.user is not None and caller.user.id in space.owners
        caller.require(is_owner or caller.is_admin("oz_spaces_set_privileges"))


def _strongest_first(members: list[Membership]) -> list[Membership]:
    """The order of the store, which is that of joining, is kept among equals."""
    return sorted(members, key=lambda each: -each.privileges.bit_count())
