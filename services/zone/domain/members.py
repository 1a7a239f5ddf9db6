"""Members of a space: who, with which privileges, and who owns it."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from runtime.clock import Clock
from runtime.identity import SpacePrivilege as P
from services.zone.domain.access import Caller
from services.zone.domain.entities import Membership, Space, User
from services.zone.domain.errors import CannotRemoveLastOwner, Forbidden, NotFound, RelationAlreadyExists
from services.zone.domain.invites import Invites
from services.zone.domain.params import Params
from services.zone.domain.privileges import SPACE_ALL, SPACE_MEMBER, SPACE_NAMES, mask_of_names, names_of
from services.zone.domain.spaces import Spaces, remove_member
from services.zone.domain.stores import SpaceStore, UserStore
from services.zone.domain.value_errors import BadValueIdNotFound

log = structlog.get_logger(__name__)


class Members:
    """Users in spaces."""

    def __init__(
        self, spaces: Spaces, store: SpaceStore, users: UserStore, invites: Invites, clock: Clock
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._users = users
        self._invites = invites
        self._clock = clock

    async def join(self, caller: Caller, body: Mapping[str, object]) -> str:
        """The caller joins by an invitation; gives the space's id."""
        user = caller.as_user()
        caller.allow("create", "od_space", aspect="join")
        invitation = await self._invites.for_space(Params(body).text("token"), caller)
        space = await self._spaces.require(invitation.target_id)
        member = Membership(space.id, user.id, invitation.privileges, self._clock.now_ms())
        if await self._store.find_member(space.id, user.id) is not None:
            raise _already(space, user.id)
        async with self._invites.used(invitation):
            await self._add(space, member)
        return space.id

    async def add(self, caller: Caller, space_id: str, user_id: str, body: Mapping[str, object]) -> None:
        """A user by id: administrators anybody, an owner by other ways than as member himself."""
        space = await self._spaces.require(space_id)
        caller.allow("create", "od_space", space_id, f"user,{user_id}")
        params = Params(body)
        custom = "privileges" in params
        is_admin = caller.is_admin("oz_spaces_add_relationships", "oz_users_add_relationships")
        is_self = caller.user is not None and caller.user.id == user_id
        caller.require(is_admin or (is_self and await self._spaces.may(caller, space, P.ADD_USER)))
        if custom and not caller.is_admin("oz_spaces_set_privileges"):
            caller.require(await self._spaces.may(caller, space, P.SET_PRIVILEGES))
        chosen = params.texts("privileges", allowed=SPACE_NAMES)
        if await self._users.find(user_id) is None:
            raise BadValueIdNotFound.of(key="userId")
        mask = mask_of_names(chosen) if custom else SPACE_MEMBER
        await self._add(space, Membership(space_id, user_id, mask, self._clock.now_ms()))

    async def _add(self, space: Space, member: Membership) -> None:
        if not await self._store.add_member(member):
            raise _already(space, member.user_id)
        log.info("space_joined", space_id=space.id, user_id=member.user_id)

    async def list_ids(self, caller: Caller, space_id: str, aspect: str = "users") -> list[str]:
        """All members."""
        space = await self._spaces.require(space_id)
        caller.allow("get", "od_space", space_id, aspect)
        await self._spaces.demand(caller, space, P.VIEW, "oz_spaces_list_relationships")
        return [member.user_id for member in await self._store.members(space_id)]

    async def get(self, caller: Caller, space_id: str, user_id: str) -> User:
        """A member, as fellow members see him."""
        space, _ = await self._require(space_id, user_id)
        caller.allow("get", "od_user", user_id, "shared")
        is_self = caller.user is not None and caller.user.id == user_id
        if not is_self:
            await self._spaces.demand(caller, space, P.VIEW, "oz_users_view")
        user = await self._users.find(user_id)
        if user is None:
            raise NotFound
        return user

    async def remove(self, caller: Caller, space_id: str, user_id: str) -> None:
        """Ends a membership. Owners are removed by owners only."""
        space, _ = await self._require(space_id, user_id)
        caller.allow("delete", "od_space", space_id, f"user,{user_id}")
        admin = ("oz_spaces_remove_relationships", "oz_users_remove_relationships")
        await self._spaces.demand(caller, space, P.REMOVE_USER, *admin)
        by_owner = caller.user is not None and caller.user.id in space.owners
        if user_id in space.owners and not by_owner and not caller.is_admin(*admin):
            raise Forbidden
        await remove_member(self._store, space, user_id)

    async def privileges(
        self, caller: Caller, space_id: str, user_id: str, *, effective: bool = False
    ) -> list[str]:
        """Privileges of a member; one's own always."""
        space, member = await self._require(space_id, user_id)
        caller.allow("get", "od_space", space_id, f"user_privileges,{user_id}")
        is_self = caller.user is not None and caller.user.id == user_id
        if not is_self:
            await self._spaces.demand(caller, space, P.VIEW_PRIVILEGES, "oz_spaces_view_privileges")
        return names_of(SPACE_ALL if effective and user_id in space.owners else member.privileges)

    async def change_privileges(
        self, caller: Caller, space_id: str, user_id: str, body: Mapping[str, object]
    ) -> None:
        """Gives and takes privileges of a member."""
        space, _ = await self._require(space_id, user_id)
        caller.allow("update", "od_space", space_id, f"user_privileges,{user_id}")
        await self._spaces.demand(caller, space, P.SET_PRIVILEGES, "oz_spaces_set_privileges")
        params = Params(body)
        params.at_least_one("grant", "revoke")
        grant = mask_of_names(params.texts("grant", allowed=SPACE_NAMES))
        revoke = mask_of_names(params.texts("revoke", allowed=SPACE_NAMES))
        await self._store.change_privileges(space_id, user_id, grant=grant, revoke=revoke)

    async def owners(self, caller: Caller, space_id: str) -> list[str]:
        """Who owns the space."""
        space = await self._spaces.require(space_id)
        caller.allow("get", "od_space", space_id, "owners")
        await self._spaces.demand(caller, space, P.VIEW, "oz_spaces_list_relationships")
        return list(space.owners)

    async def add_owner(self, caller: Caller, space_id: str, user_id: str) -> None:
        """Makes a member an owner."""
        space = await self._spaces.require(space_id)
        caller.allow("create", "od_space", space_id, f"owner,{user_id}")
        self._demand_owner(caller, space)
        if await self._store.find_member(space_id, user_id) is None:
            raise BadValueIdNotFound.of(key="userId")
        await self._store.add_owner(space_id, user_id)

    async def remove_owner(self, caller: Caller, space_id: str, user_id: str) -> None:
        """Makes an owner a member like others; one owner stays."""
        space = await self._spaces.require(space_id)
        if user_id not in space.owners:
            raise NotFound
        caller.allow("delete", "od_space", space_id, f"owner,{user_id}")
        self._demand_owner(caller, space)
        if not await self._store.remove_owner(space_id, user_id, keep_one=True):
            raise CannotRemoveLastOwner.of(entityType="space", entityId=space_id)

    def _demand_owner(self, caller: Caller, space: Space) -> None:
        is_owner = caller.user is not None and caller.user.id in space.owners
        caller.require(is_owner or caller.is_admin("oz_spaces_set_privileges"))

    async def _require(self, space_id: str, user_id: str) -> tuple[Space, Membership]:
        space = await self._spaces.require(space_id)
        member = await self._store.find_member(space_id, user_id)
        if member is None:
            raise NotFound
        return space, member


def _already(space: Space, user_id: str) -> RelationAlreadyExists:
    return RelationAlreadyExists.of(childType="user", childId=user_id, parentType="space", parentId=space.id)
