"""What it takes to add, remove and see members: one set of rules for spaces and groups, each in its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.identity import SpacePrivilege
from services.zone.domain.entities import Kind
from services.zone.domain.identifiers import InviteType
from services.zone.domain.privileges import GROUP, SPACE, GroupPrivilege, PrivilegeTable


@dataclass(frozen=True, slots=True)
class TargetRules:
    """The rules of one kind of thing with members.

    `admin`: family of its privileges over the zone. `add`, `remove`, `invites`: by the kind of member.
    `bring`, `leave`: what one needs in a group to take it in here, or out. `group_word`: how the API calls
    a group that is a member.
    """

    kind: Kind
    table: PrivilegeTable
    admin: str
    view: int
    view_privileges: int
    set_privileges: int
    add: Mapping[Kind, int]
    remove: Mapping[Kind, int]
    invites: Mapping[Kind, InviteType]
    bring: GroupPrivilege
    leave: GroupPrivilege
    group_word: str

    def word(self, kind: Kind) -> str:
        """How the API calls a member of this kind."""
        return "user" if kind is Kind.USER else self.group_word


SPACE_RULES = TargetRules(
    kind=Kind.SPACE,
    table=SPACE,
    admin="oz_spaces",
    view=SpacePrivilege.VIEW,
    view_privileges=SpacePrivilege.VIEW_PRIVILEGES,
    set_privileges=SpacePrivilege.SET_PRIVILEGES,
    add={Kind.USER: SpacePrivilege.ADD_USER, Kind.GROUP: SpacePrivilege.ADD_GROUP},
    remove={Kind.USER: SpacePrivilege.REMOVE_USER, Kind.GROUP: SpacePrivilege.REMOVE_GROUP},
    invites={Kind.USER: InviteType.USER_JOIN_SPACE, Kind.GROUP: InviteType.GROUP_JOIN_SPACE},
    bring=GroupPrivilege.ADD_SPACE,
    leave=GroupPrivilege.LEAVE_SPACE,
    group_word="group",
)
GROUP_RULES = TargetRules(
    kind=Kind.GROUP,
    table=GROUP,
    admin="oz_groups",
    view=GroupPrivilege.VIEW,
    view_privileges=GroupPrivilege.VIEW_PRIVILEGES,
    set_privileges=GroupPrivilege.SET_PRIVILEGES,
    add={Kind.USER: GroupPrivilege.ADD_USER, Kind.GROUP: GroupPrivilege.ADD_CHILD},
    remove={Kind.USER: GroupPrivilege.REMOVE_USER, Kind.GROUP: GroupPrivilege.REMOVE_CHILD},
    invites={Kind.USER: InviteType.USER_JOIN_GROUP, Kind.GROUP: InviteType.GROUP_JOIN_GROUP},
    bring=GroupPrivilege.ADD_PARENT,
    leave=GroupPrivilege.LEAVE_PARENT,
    group_word="child",
)

#: What an invitation of each type opens, and for which kind of member.
JOINS: Mapping[InviteType, tuple[TargetRules, Kind]] = {
    invite: (rules, kind) for rules in (SPACE_RULES, GROUP_RULES) for kind, invite in rules.invites.items()
}
