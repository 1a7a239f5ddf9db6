"""Memberships and groups in memory, under the same contract as MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from services.zone.domain.entities import Group, Kind, Membership, Ref
from services.zone.domain.stores import Circle


class MemoryMembershipStore:
    """Answers MembershipStore."""

    def __init__(self) -> None:
        self._all: dict[tuple[Ref, Ref], Membership] = {}

    async def add(self, membership: Membership) -> bool:
        target, member = membership.target, membership.member
        if member == target or any(each.target == member for each in self._above(target)):
            raise Circle
        return self._all.setdefault((target, member), membership) is membership

    def add_all(self, memberships: Collection[Membership]) -> None:
        """First memberships of something new, which can close no circle."""
        self._all.update({(each.target, each.member): each for each in memberships})

    def remove_all(self, ref: Ref) -> None:
        """All memberships of something, and in it."""
        self._all = {pair: each for pair, each in self._all.items() if ref not in pair}

    async def find(self, target: Ref, member: Ref) -> Membership | None:
        return self._all.get((target, member))

    async def of_target(self, target: Ref, kind: Kind) -> list[Membership]:
        found = [each for each in self._all.values() if each.target == target and each.member.kind is kind]
        return sorted(found, key=lambda each: (each.joined_at_ms, each.member.code))

    async def above(self, member: Ref) -> list[Membership]:
        return self._above(member)

    def _above(self, member: Ref) -> list[Membership]:
        found: list[Membership] = []
        seen, level = {member}, {member}
        while level:
            step = [each for each in self._all.values() if each.member in level]
            found += step
            level = {each.target for each in step} - seen
            seen |= level
        return found

    async def ids_below(self, targets: Collection[Ref], kind: Kind) -> list[str]:
        seen, level = set(targets), set(targets)
        members: set[Ref] = set()
        while level:
            step = {each.member for each in self._all.values() if each.target in level}
            members |= step
            level = step - seen
            seen |= level
        return sorted(member.id for member in members if member.kind is kind)

    async def change_privileges(self, target: Ref, member: Ref, *, grant: int, revoke: int) -> bool:
        found = self._all.get((target, member))
        if found is None:
            return False
        self._all[target, member] = replace(found, privileges=found.privileges & ~revoke | grant)
        return True

    async def remove(self, target: Ref, member: Ref) -> bool:
        return self._all.pop((target, member), None) is not None


class MemoryGroupStore:
    """Answers GroupStore."""

    def __init__(self, memberships: MemoryMembershipStore) -> None:
        self._groups: dict[str, Group] = {}
        self._memberships = memberships

    async def create(self, group: Group, memberships: Collection[Membership]) -> None:
        self._groups[group.id] = group
        self._memberships.add_all(memberships)

    async def find(self, group_id: str) -> Group | None:
        return self._groups.get(group_id)

    async def find_many(self, group_ids: Collection[str]) -> list[Group]:
        return [self._groups[group_id] for group_id in set(group_ids) if group_id in self._groups]

    async def list_ids(self) -> list[str]:
        return sorted(self._groups)

    async def update(self, group_id: str, changes: Mapping[str, Any]) -> bool:
        if group_id not in self._groups:
            return False
        self._groups[group_id] = replace(self._groups[group_id], **changes)
        return True

    async def delete(self, group_id: str) -> bool:
        group = self._groups.pop(group_id, None)
        if group is not None:
            self._memberships.remove_all(group.ref)
        return group is not None
