"""Groups: users and other groups together, who get at once what the group is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from runtime.clock import Clock
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.entities import Group, Kind, Membership, Ref, Space, group_ref, user_ref
from services.zone.domain.errors import NotFound
from services.zone.domain.ids import new_id
from services.zone.domain.params import Params
from services.zone.domain.privileges import GROUP
from services.zone.domain.privileges import GroupPrivilege as P
from services.zone.domain.reach import Reach
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import Spaces
from services.zone.domain.stores import GroupStore

log = structlog.get_logger(__name__)

TYPES = ("organization", "unit", "team", "role_holders")


class Groups:
    """The groups of a zone."""

    def __init__(self, store: GroupStore, spaces: Spaces, rights: Rights, clock: Clock) -> None:
        self._store = store
        self._spaces = spaces
        self._rights = rights
        self._clock = clock

    async def find(self, group_id: str) -> Group | None:
        """The group, if there is one."""
        return await self._store.find(group_id)

    async def require(self, group_id: str) -> Group:
        """The group; raises NotFound."""
        group = await self._store.find(group_id)
        if group is None:
            raise NotFound
        return group

    # --- making, changing, ending ---

    async def create(self, caller: Caller, body: Mapping[str, object]) -> Group:
        """A group of the caller's own."""
        caller.as_user()
        caller.allow("create", "od_group")
        return await self.make(caller, body)

    async def create_empty(self, caller: Caller, body: Mapping[str, object]) -> Group:
        """A group without members, by an administrator."""
        caller.allow("create", "od_group")
        caller.require_admin("oz_groups_create")
        return await self.make(caller, body, with_caller=False)

    async def create_parent(self, caller: Caller, group_id: str, body: Mapping[str, object]) -> Group:
        """A group around another one, which gets all privileges in it."""
        child = await self.require(group_id)
        caller.allow("create", "od_group")
        await self._rights.demand(caller, child, P.ADD_PARENT, "oz_groups_create")
        return await self.make(caller, body, with_caller=False, members=(child.ref,))

    async def create_space(self, caller: Caller, group_id: str, body: Mapping[str, object]) -> Space:
        """A space of the group, owned by the caller."""
        group = await self.require(group_id)
        caller.allow("create", "od_space")
        await self._rights.demand(caller, group, P.ADD_SPACE, "oz_spaces_create")
        return await self._spaces.make(caller, body, members=(group.ref,))

    async def make(
        self,
        caller: Caller,
        body: Mapping[str, object],
        *,
        with_caller: bool = True,
        members: tuple[Ref, ...] = (),
        inside: Mapping[Ref, int] | None = None,
    ) -> Group:
        """A new group for who is entitled already. Its first members get all privileges in it.

        `inside`: what it is itself a member of from the start, with its privileges there.
        """
        params = Params(body)
        name = names.check_name(params.text("name", empty=True))
        type = params.choice("type", TYPES) if "type" in params else "team"
        now_ms = self._clock.now_ms()
        group = Group(new_id(), name, type, caller.subject, now_ms)
        if with_caller:
            members = (user_ref(caller.as_user().id), *members)
        memberships = [Membership(group.ref, member, GROUP.all, now_ms) for member in members]
        memberships += [
            Membership(target, group.ref, mask, now_ms) for target, mask in (inside or {}).items()
        ]
        await self._store.create(group, memberships)
        log.info("group_created", group_id=group.id, by=caller.subject.code)
        return group

    async def update(self, caller: Caller, group_id: str, body: Mapping[str, object]) -> None:
        """Name and type."""
        group = await self.require(group_id)
        caller.allow("update", "od_group", group_id)
        await self._rights.demand(caller, group, P.UPDATE, "oz_groups_update")
        params = Params(body)
        params.at_least_one("name", "type")
        changes: dict[str, Any] = {}
        if "name" in params:
            changes["name"] = names.check_name(params.text("name", empty=True))
        if "type" in params:
            changes["type"] = params.choice("type", TYPES)
        await self._store.update(group_id, changes)

    async def delete(self, caller: Caller, group_id: str) -> None:
        """The group; its members lose what came through it."""
        group = await self.require(group_id)
        caller.allow("delete", "od_group", group_id)
        await self._rights.demand(caller, group, P.DELETE, "oz_groups_delete")
        await self._store.delete(group_id)
        log.info("group_deleted", group_id=group_id, by=caller.subject.code)

    # --- looking ---

    async def list_ids(self, caller: Caller) -> list[str]:
        """All groups."""
        caller.allow("get", "od_group", aspect="list")
        caller.require_admin("oz_groups_list")
        return await self._store.list_ids()

    async def get(self, caller: Caller, group_id: str) -> Group:
        """A group, for who may see it as a member, and for administrators."""
        group = await self.require(group_id)
        caller.allow("get", "od_group", group_id)
        await self._rights.demand(caller, group, P.VIEW, "oz_groups_view")
        return group

    async def list_own(self, caller: Caller, *, effective: bool) -> list[str]:
        """Groups of the caller: direct ones, or all."""
        user = caller.as_user()
        caller.allow("get", "od_user", user.id, "eff_groups" if effective else "groups")
        reach = await self._rights.reach(user_ref(user.id))
        return reach.ids(Kind.GROUP, direct=not effective)

    async def get_own(self, caller: Caller, group_id: str, *, effective: bool) -> Group:
        """A group of the caller; NotFound for all others."""
        user = caller.as_user()
        group = await self.require(group_id)
        reach = await self._rights.reach(user_ref(user.id))
        if not reach.has(group.ref, direct=not effective):
            raise NotFound
        caller.allow("get", "od_group", group_id)
        return group

    # --- what a group is a member of ---

    async def list_above(self, caller: Caller, group_id: str, kind: Kind, *, effective: bool) -> list[str]:
        """Groups or spaces that a group is in, directly or at all."""
        word = "parents" if kind is Kind.GROUP else "spaces"
        reach = await self._reach(caller, group_id, f"eff_{word}" if effective else word)
        return reach.ids(kind, direct=not effective)

    async def get_parent(self, caller: Caller, group_id: str, parent_id: str, *, effective: bool) -> Group:
        """A group that another one is in; NotFound for all others."""
        if parent_id not in await self.list_above(caller, group_id, Kind.GROUP, effective=effective):
            raise NotFound
        return await self.require(parent_id)

    async def get_space(self, caller: Caller, group_id: str, space_id: str, *, effective: bool) -> Space:
        """A space of a group; NotFound for all others."""
        if space_id not in await self.list_above(caller, group_id, Kind.SPACE, effective=effective):
            raise NotFound
        return await self._spaces.require(space_id)

    async def effective_spaces(self, caller: Caller, group_id: str) -> list[Space]:
        """All spaces of a group."""
        reach = await self._reach(caller, group_id, "eff_providers")
        return await self._spaces.many(reach.ids(Kind.SPACE))

    async def _reach(self, caller: Caller, group_id: str, aspect: str) -> Reach:
        group = await self.require(group_id)
        caller.allow("get", "od_group", group_id, aspect)
        await self._rights.demand(caller, group, P.VIEW, "oz_groups_list_relationships")
        return await self._rights.reach(group_ref(group_id))
