"""Random changes of memberships, held against a model so plain that it is plainly right.

The model is a dictionary of direct memberships; what follows from it is found by walking every path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.zone.domain.entities import Group, Kind, Membership, Ref, Space, group_ref, space_ref, user_ref
from services.zone.domain.rights import Rights
from services.zone.domain.stores import Circle, Stores

USERS = [user_ref(f"u{number}") for number in range(4)]
GROUPS = [group_ref(f"g{number}") for number in range(6)]
SPACES = [space_ref(f"s{number}") for number in range(2)]
MASKS = st.integers(min_value=0, max_value=(1 << 8) - 1)
TARGETS = st.sampled_from([*GROUPS, *SPACES])
MEMBERS = st.sampled_from([*USERS, *GROUPS])


class MembershipMachine(RuleBasedStateMachine):
    """Subclasses say how the stores are made and, in `teardown`, ended."""

    def make_stores(self) -> Stores:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stores = self.make_stores()
        self.rights = Rights(self.stores.memberships)
        self.model: dict[tuple[Ref, Ref], int] = {}
        for space in SPACES:
            self.run(self.stores.spaces.create(Space(space.id, "space 1", owners=(USERS[0].id,)), []))
        for group in GROUPS:
            self.run(self.stores.groups.create(Group(group.id, "group 1"), []))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.loop.close()

    # --- changes ---

    @rule(into=TARGETS, member=MEMBERS, mask=MASKS)
    def add(self, into: Ref, member: Ref, mask: int) -> None:
        added: bool | None
        try:
            added = self.run(self.stores.memberships.add(Membership(into, member, mask)))
        except Circle:
            added = None
        closes = member == into or into in self.below(member)
        assert added is (None if closes else (into, member) not in self.model)
        if added:
            self.model[into, member] = mask

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: Any) -> None:
        pair = data.draw(st.sampled_from(sorted(self.model, key=str)))
        assert self.run(self.stores.memberships.remove(*pair))
        del self.model[pair]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), grant=MASKS, revoke=MASKS)
    def change(self, data: Any, grant: int, revoke: int) -> None:
        pair = data.draw(st.sampled_from(sorted(self.model, key=str)))
        assert self.run(self.stores.memberships.change_privileges(*pair, grant=grant, revoke=revoke))
        self.model[pair] = self.model[pair] & ~revoke | grant

    @rule(group=st.sampled_from(GROUPS))
    def delete_and_make_anew(self, group: Ref) -> None:
        assert self.run(self.stores.groups.delete(group.id))
        self.run(self.stores.groups.create(Group(group.id, "group 1"), []))
        self.model = {pair: mask for pair, mask in self.model.items() if group not in pair}

    # --- what must hold ---

    @invariant()
    def effective_privileges_are_the_union_over_all_paths(self) -> None:
        for member in (*USERS, *GROUPS):
            reach = self.run(self.rights.reach(member))
            expected: dict[Ref, int] = {}
            for path in self.paths(member):
                target = path[-1]
                expected[target] = expected.get(target, 0) | self.model[target, path[-2]]
            assert reach.privileges == expected

    @invariant()
    def members_seen_from_above_are_those_that_reach_it(self) -> None:
        for target in (*GROUPS, *SPACES):
            for kind in (Kind.USER, Kind.GROUP):
                found = self.run(self.stores.memberships.ids_below([target], kind))
                assert found == sorted(each.id for each in self.below(target) if each.kind is kind)

    @invariant()
    def owners_have_all_where_they_are_members(self) -> None:
        for ref in SPACES:
            space = self.run(self.stores.spaces.find(ref.id))
            mask = self.run(self.rights.of(space, USERS[0].id))
            assert mask == (((1 << 40) - 2) if USERS[0] in self.below(ref) else None)

    # --- the model ---

    def paths(self, member: Ref) -> Iterator[list[Ref]]:
        """Every chain of direct memberships that begins with the member."""
        for target, below in self.model:
            if below == member:
                yield [member, target]
                for rest in self.paths(target):
                    yield [member, *rest]

    def below(self, target: Ref) -> set[Ref]:
        """All members by any path."""
        direct = {member for above, member in self.model if above == target}
        return direct.union(*(self.below(member) for member in direct))
