"""How far memberships reach: a member of a group has what the group was given, however deep it is nested.

A group's privileges in a space or group count for all effective users of that group, and what comes by
several ways adds up. What a group was given in another group says nothing about what is above that one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from services.zone.domain.entities import Kind, Membership, Ref


@dataclass(frozen=True, slots=True)
class Reach:
    """All that a user or group is a member of. `privileges`: masks by space and group."""

    member: Ref
    privileges: dict[Ref, int] = field(default_factory=dict)
    #: Through whom a target is reached: the member himself, or groups he is in.
    by_way_of: dict[Ref, list[Ref]] = field(default_factory=dict)

    def has(self, target: Ref, *, direct: bool = False) -> bool:
        """Whether he is a member, through groups too unless only direct membership counts."""
        ways = self.by_way_of.get(target, ())
        return self.member in ways if direct else bool(ways)

    def ids(self, kind: Kind, *, direct: bool = False) -> list[str]:
        """Ids of the groups or spaces, sorted."""
        return sorted(
            target.id
            for target, ways in self.by_way_of.items()
            if target.kind is kind and (not direct or self.member in ways)
        )


def reach_of(member: Ref, above: Collection[Membership]) -> Reach:
    """From every membership of the member and of the groups he is in."""
    reach = Reach(member)
    for each in above:
        reach.privileges[each.target] = reach.privileges.get(each.target, 0) | each.privileges
        reach.by_way_of.setdefault(each.target, []).append(each.member)
    return reach
