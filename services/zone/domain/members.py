"""Members of spaces and of groups: who, how they came in, and what they may do there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog

from runtime.clock import Clock
from services.zone.domain.access import Caller
from services.zone.domain.entities import Group, Kind, Membership, Ref, Space, User, group_ref, user_ref
from services.zone.domain.errors import CannotAddRelationToSelf, Forbidden, NotFound, RelationAlreadyExists
from services.zone.domain.groups import Groups
from services.zone.domain.identifiers import invitation
from services.zone.domain.invites import Invites
from services.zone.domain.owners import Owners
from services.zone.domain.params import Params
from services.zone.domain.rights import Rights, Target
from services.zone.domain.stores import Circle, MembershipStore, UserStore
from services.zone.domain.target_rules import TargetRules
from services.zone.domain.tokens import Tokens
from services.zone.domain.value_errors import BadValueIdNotFound

log = structlog.get_logger(__name__)


class Targets(Protocol):
    """Spaces or groups, as members find them."""

    async def require(self, target_id: str, /) -> Target:
        """Raises NotFound."""
        ...


class Members:
    """Users and groups in the spaces, or in the groups, of a zone: the rules say which."""

    def __init__(
        self,
        rules: TargetRules,
        targets: Targets,
        memberships: MembershipStore,
        *,
        users: UserStore,
        groups: Groups,
        owners: Owners,
        invites: Invites,
        tokens: Tokens,
        rights: Rights,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._targets = targets
        self._memberships = memberships
        self._users = users
        self._groups = groups
        self._owners = owners
        self._invites = invites
        self._tokens = tokens
        self._rights = rights
        self._clock = clock

    # --- coming in ---

    async def join(self, caller: Caller, body: Mapping[str, object]) -> str:
        """The caller joins by an invitation; gives the target's id."""
        user = caller.as_user()
        caller.allow("create", self._entity, aspect="join")
        return await self._join(caller, user_ref(user.id), body)

    async def join_as_group(self, caller: Caller, group_id: str, body: Mapping[str, object]) -> str:
        """A group joins by an invitation that the caller uses for it."""
        group = await self._groups.require(group_id)
        caller.allow("create", self._entity, aspect="join")
        await self._demand_in_group(caller, group, self._rules.bring)
        return await self._join(caller, group.ref, body)

    async def _join(self, caller: Caller, member: Ref, body: Mapping[str, object]) -> str:
        invite = self._rules.invites[member.kind]
        invitation = await self._invites.for_member(Params(body).text("token"), caller, invite)
        target = await self._targets.require(invitation.target_id)
        if await self._memberships.find(target.ref, member) is not None:
            raise _already(target, member)
        async with self._invites.used(invitation):
            await self._add(target, member, invitation.privileges)
        return target.id

    async def invite(self, caller: Caller, target_id: str, kind: Kind) -> str:
        """The text of a new invitation for users, or for groups."""
        target = await self._targets.require(target_id)
        type = self._rules.invites[kind]
        caller.allow("create", self._entity, target_id, f"invite_{type.code}_token")
        admin = f"{self._rules.admin}_add_relationships"
        await self._rights.demand(caller, target, self._rules.add[kind], admin)
        return await self._tokens.invite(caller, invitation(type, target_id))

    async def add_user(
        self, caller: Caller, target_id: str, user_id: str, body: Mapping[str, object]
    ) -> None:
        """A user by id: administrators anybody, others only themselves, where they may add users."""
        target = await self._targets.require(target_id)
        caller.allow("create", self._entity, target_id, f"user,{user_id}")
        is_admin = caller.is_admin(f"{self._rules.admin}_add_relationships", "oz_users_add_relationships")
        is_self = caller.user is not None and caller.user.id == user_id
        may = is_admin or (is_self and await self._rights.may(caller, target, self._rules.add[Kind.USER]))
        caller.require(may)
        mask = await self._chosen(caller, target, body)
        if await self._users.find(user_id) is None:
            raise BadValueIdNotFound.of(key="userId")
        await self._add(target, user_ref(user_id), mask)

    async def add_group(
        self, caller: Caller, target_id: str, group_id: str, body: Mapping[str, object]
    ) -> None:
        """A group by id: by administrators, or by who may add groups here and bring that one in."""
        target = await self._targets.require(target_id)
        caller.allow("create", self._entity, target_id, f"{self._rules.group_word},{group_id}")
        is_admin = caller.is_admin(f"{self._rules.admin}_add_relationships", "oz_groups_add_relationships")
        caller.require(is_admin or await self._rights.may(caller, target, self._rules.add[Kind.GROUP]))
        if target.ref == group_ref(group_id):
            raise CannotAddRelationToSelf
        group = await self._groups.find(group_id)
        if group is not None:
            caller.require(is_admin or await self._rights.may(caller, group, self._rules.bring))
        mask = await self._chosen(caller, target, body)
        if group is None:
            raise BadValueIdNotFound.of(key=f"{self._rules.group_word}Id")
        await self._add(target, group.ref, mask)

    async def create_group(self, caller: Caller, target_id: str, body: Mapping[str, object]) -> Group:
        """A new group of the caller's, at once a member here with the usual privileges."""
        target = await self._targets.require(target_id)
        caller.allow("create", "od_group")
        admin = f"{self._rules.admin}_add_relationships"
        await self._rights.demand(caller, target, self._rules.add[Kind.GROUP], admin, "oz_groups_create")
        return await self._groups.make(caller, body, inside={target.ref: self._rules.table.member})

    async def _chosen(self, caller: Caller, target: Target, body: Mapping[str, object]) -> int:
        """The privileges asked for a new member; choosing them takes a privilege, too."""
        params = Params(body)
        if "privileges" not in params:
            return self._rules.table.member
        if not caller.is_admin(f"{self._rules.admin}_set_privileges"):
            caller.require(await self._rights.may(caller, target, self._rules.set_privileges))
        chosen = params.texts("privileges", allowed=self._rules.table.names)
        return self._rules.table.mask_of_names(chosen)

    async def _add(self, target: Target, member: Ref, mask: int) -> None:
        try:
            added = await self._memberships.add(Membership(target.ref, member, mask, self._clock.now_ms()))
        except Circle:
            raise CannotAddRelationToSelf from None
        if not added:
            raise _already(target, member)
        await self._forget_unless_both_live(target, member)
        log.info("member_added", target=target.ref.code, member=member.code, privileges=mask)

    async def _forget_unless_both_live(self, target: Target, member: Ref) -> None:
        """Deleting takes the thing, then its memberships; one made in between must not outlive it."""
        try:
            await self._targets.require(target.id)
            if member.kind is Kind.GROUP:
                await self._groups.require(member.id)
            elif await self._users.find(member.id) is None:
                raise NotFound
        except NotFound:
            await self._memberships.remove(target.ref, member)
            raise

    # --- looking ---

    async def list_ids(
        self, caller: Caller, target_id: str, kind: Kind, *, effective: bool = False
    ) -> list[str]:
        """Direct members of a kind, or all."""
        target = await self._targets.require(target_id)
        word = {Kind.USER: "users", Kind.GROUP: "children" if self._is_group else "groups"}[kind]
        caller.allow("get", self._entity, target_id, f"eff_{word}" if effective else word)
        admin = f"{self._rules.admin}_list_relationships"
        await self._rights.demand(caller, target, self._rules.view, admin)
        if effective:
            return await self._memberships.ids_below([target.ref], kind)
        return [each.member.id for each in await self._memberships.of_target(target.ref, kind)]

    async def get_user(
        self, caller: Caller, target_id: str, user_id: str, *, effective: bool = False
    ) -> User:
        """A member, as fellow members see him."""
        target = await self._require(target_id, user_ref(user_id), effective=effective)
        caller.allow("get", "od_user", user_id, "shared")
        if caller.user is None or caller.user.id != user_id:
            await self._rights.demand(caller, target, self._rules.view, "oz_users_view")
        user = await self._users.find(user_id)
        if user is None:
            raise NotFound
        return user

    async def get_group(
        self, caller: Caller, target_id: str, group_id: str, *, effective: bool = False
    ) -> Group:
        """A group that is a member."""
        target = await self._require(target_id, group_ref(group_id), effective=effective)
        caller.allow("get", "od_group", group_id, "shared")
        await self._rights.demand(caller, target, self._rules.view, "oz_groups_view")
        return await self._groups.require(group_id)

    async def ways(self, caller: Caller, target_id: str, member: Ref) -> list[Ref]:
        """Direct members through whom somebody is one; a direct member lists himself."""
        target = await self._require(target_id, member, effective=True)
        caller.allow("get", self._entity, target_id, f"eff_{self._rules.word(member.kind)}_membership")
        if caller.user is None or user_ref(caller.user.id) != member:
            await self._rights.demand(
                caller, target, self._rules.view, f"{self._rules.admin}_list_relationships"
            )
        ways = (await self._rights.reach(member)).by_way_of[target.ref]
        return sorted(ways, key=lambda way: way.code)

    async def privileges(
        self, caller: Caller, target_id: str, member: Ref, *, effective: bool = False
    ) -> list[str]:
        """Names of a member's privileges; one's own always."""
        target = await self._require(target_id, member, effective=effective)
        word = f"{'eff_' if effective else ''}{self._rules.word(member.kind)}"
        caller.allow("get", self._entity, target_id, f"{word}_privileges,{member.id}")
        if caller.user is None or user_ref(caller.user.id) != member:
            admin = f"{self._rules.admin}_view_privileges"
            await self._rights.demand(caller, target, self._rules.view_privileges, admin)
        return self._rules.table.names_of(await self._mask(target, member, effective=effective))

    async def _mask(self, target: Target, member: Ref, *, effective: bool) -> int:
        if not effective:
            direct = await self._memberships.find(target.ref, member)
            return direct.privileges if direct else 0
        if member.kind is Kind.USER:
            return await self._rights.of(target, member.id) or 0
        return (await self._rights.reach(member)).privileges.get(target.ref, 0)

    # --- changing ---

    async def change_privileges(
        self, caller: Caller, target_id: str, member: Ref, body: Mapping[str, object]
    ) -> None:
        """Gives and takes privileges of a direct member."""
        target = await self._require(target_id, member)
        caller.allow(
            "update", self._entity, target_id, f"{self._rules.word(member.kind)}_privileges,{member.id}"
        )
        admin = f"{self._rules.admin}_set_privileges"
        await self._rights.demand(caller, target, self._rules.set_privileges, admin)
        params = Params(body)
        params.at_least_one("grant", "revoke")
        table = self._rules.table
        grant = table.mask_of_names(params.texts("grant", allowed=table.names))
        revoke = table.mask_of_names(params.texts("revoke", allowed=table.names))
        await self._memberships.change_privileges(target.ref, member, grant=grant, revoke=revoke)
        log.info("privileges_changed", target=target.ref.code, member=member.code, grant=grant, revoke=revoke)

    async def remove(self, caller: Caller, target_id: str, member: Ref) -> None:
        """Ends a membership. Owners are removed by owners only."""
        target = await self._require(target_id, member)
        caller.allow("delete", self._entity, target_id, f"{self._rules.word(member.kind)},{member.id}")
        admin = (
            f"{self._rules.admin}_remove_relationships",
            f"oz_{member.kind.name.lower()}s_remove_relationships",
        )
        await self._rights.demand(caller, target, self._rules.remove[member.kind], *admin)
        by_owner = caller.user is not None and caller.user.id in target.owners
        is_owner = member.kind is Kind.USER and member.id in target.owners
        if is_owner and not by_owner and not caller.is_admin(*admin):
            raise Forbidden
        await self._end(target, member)

    async def leave(self, caller: Caller, target_id: str) -> None:
        """Ends the caller's own direct membership. The last owner can't leave others alone."""
        user = caller.as_user()
        target = await self._require(target_id, user_ref(user.id))
        caller.allow("delete", "od_user", user.id, f"{self._rules.kind.name.lower()},{target_id}")
        await self._end(target, user_ref(user.id))

    async def leave_as_group(self, caller: Caller, group_id: str, target_id: str) -> None:
        """A group leaves, by who may take it out."""
        group = await self._groups.require(group_id)
        target = await self._require(target_id, group.ref)
        word = "parent" if self._is_group else "space"
        caller.allow("delete", "od_group", group_id, f"{word},{target_id}")
        await self._demand_in_group(caller, group, self._rules.leave)
        await self._end(target, group.ref)

    async def _end(self, target: Target, member: Ref) -> None:
        if isinstance(target, Space) and member.kind is Kind.USER:
            await self._owners.step_down(target, member.id)
        await self._memberships.remove(target.ref, member)
        log.info("member_removed", target=target.ref.code, member=member.code)

    # --- shared ---

    @property
    def _entity(self) -> str:
        return self._rules.kind.entity

    @property
    def _is_group(self) -> bool:
        return self._rules.kind is Kind.GROUP

    async def _demand_in_group(self, caller: Caller, group: Group, privilege: int) -> None:
        await self._rights.demand(caller, group, privilege, "oz_groups_add_relationships")

    async def _require(self, target_id: str, member: Ref, *, effective: bool = False) -> Target:
        """The target; NotFound also when the member is none."""
        target = await self._targets.require(target_id)
        if effective:
            found = (await self._rights.reach(member)).has(target.ref)
        else:
            found = await self._memberships.find(target.ref, member) is not None
        if not found:
            raise NotFound
        return target


def _already(target: Target, member: Ref) -> RelationAlreadyExists:
    return RelationAlreadyExists.of(
        childType=member.kind.name.lower(),
        childId=member.id,
        parentType=target.ref.kind.name.lower(),
        parentId=target.id,
    )
