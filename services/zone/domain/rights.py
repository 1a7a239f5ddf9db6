"""Who may do what in a space or a group, now."""

from __future__ import annotations

from services.zone.domain.access import Caller
from services.zone.domain.entities import Group, Kind, Ref, Space, user_ref
from services.zone.domain.privileges import GROUP, SPACE
from services.zone.domain.reach import Reach, reach_of
from services.zone.domain.stores import MembershipStore

#: Something with members.
Target = Space | Group

TABLES = {Kind.SPACE: SPACE, Kind.GROUP: GROUP}


class Rights:
    """Judges by what memberships say at this moment: one round trip a question."""

    def __init__(self, memberships: MembershipStore) -> None:
        self._memberships = memberships

    async def reach(self, member: Ref) -> Reach:
        """All a user or group is a member of."""
        return reach_of(member, await self._memberships.above(member))

    async def of(self, target: Target, user_id: str) -> int | None:
        """Mask of a user's effective privileges, None for who is no member. Owners have all."""
        mask = (await self.reach(user_ref(user_id))).privileges.get(target.ref)
        return TABLES[target.ref.kind].all if mask is not None and user_id in target.owners else mask

    async def may(self, caller: Caller, target: Target, *privileges: int) -> bool:
        """Whether the caller is an effective member with these privileges."""
        if caller.user is None:
            return False
        mask = await self.of(target, caller.user.id)
        return mask is not None and all(mask >> privilege & 1 for privilege in privileges)

    async def demand(self, caller: Caller, target: Target, privilege: int | None, *admin: str) -> None:
        """Refuses who neither has the privilege in the target nor these over the zone.

        No `privilege`: any member will do.
        """
        needed = () if privilege is None else (privilege,)
        caller.require(
            not caller.is_guest
            and ((bool(admin) and caller.is_admin(*admin)) or await self.may(caller, target, *needed))
        )
