from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.zone.domain.entities import (
    Group,
    Kind,
    Membership,
    Ref,
    Space,
    group_ref,
    space_ref,
    user_ref,
)
from services.zone.domain.identifiers import user_subject
from services.zone.domain.stores import Circle, Stores

JOE, ANN = user_ref("u1"), user_ref("u2")
G1, G2, G3 = group_ref("g1"), group_ref("g2"), group_ref("g3")
S1 = space_ref("s1")


def _in(target: Ref, member: Ref, privileges: int = 2, joined_at_ms: int = 1) -> Membership:
    return Membership(target, member, privileges, joined_at_ms)


async def _add(stores: Stores, *memberships: Membership) -> None:
    for membership in memberships:
        assert await stores.memberships.add(membership)


async def test_direct_members_come_in_the_order_of_joining(stores: Stores) -> None:
    second, first = _in(S1, JOE, joined_at_ms=5), _in(S1, ANN, joined_at_ms=4)
    await _add(stores, second, first, _in(S1, G1))
    assert await stores.memberships.of_target(S1, Kind.USER) == [first, second]
    assert await stores.memberships.of_target(S1, Kind.GROUP) == [_in(S1, G1)]
    assert await stores.memberships.find(S1, JOE) == second


async def test_member_is_added_once(stores: Stores) -> None:
    others = [_in(S1, JOE, joined_at_ms=number) for number in range(6)]
    added = await asyncio.gather(*(stores.memberships.add(each) for each in others))
    assert added.count(True) == 1


async def test_the_way_up_holds_every_membership_once(stores: Stores) -> None:
    ways = [_in(G1, JOE), _in(G2, JOE), _in(G3, G1), _in(G3, G2), _in(S1, G3, 1 << 39)]
    await _add(stores, *ways, _in(G1, ANN))
    above = await stores.memberships.above(JOE)
    assert sorted(above, key=str) == sorted(ways, key=str)
    assert await stores.memberships.above(user_ref("u9")) == []


async def test_the_way_down_ends_at_users(stores: Stores) -> None:
    await _add(stores, _in(S1, G1), _in(G1, G2), _in(G2, JOE), _in(G1, ANN), _in(G2, ANN), _in(G3, G1))
    assert await stores.memberships.ids_below([S1], Kind.USER) == ["u1", "u2"]
    assert await stores.memberships.ids_below([S1, G3], Kind.GROUP) == ["g1", "g2"]
    assert await stores.memberships.ids_below([], Kind.USER) == []


@pytest.mark.parametrize(("target", "member"), [(G1, G1), (G1, G2), (G1, G3)])
async def test_circles_are_refused(stores: Stores, target: Ref, member: Ref) -> None:
    await _add(stores, _in(G2, G1), _in(G3, G2))
    with pytest.raises(Circle):
        await stores.memberships.add(_in(target, member))
    assert await stores.memberships.find(target, member) is None


async def test_of_two_that_would_close_a_circle_together_one_is_refused(stores: Stores) -> None:
    done = await asyncio.gather(
        stores.memberships.add(_in(G1, G2)), stores.memberships.add(_in(G2, G1)), return_exceptions=True
    )
    assert sorted(isinstance(each, Circle) for each in done) == [False, True]


async def test_nested_group_is_added_once(stores: Stores) -> None:
    await _add(stores, _in(G2, G1))
    assert not await stores.memberships.add(_in(G2, G1, 6))


async def test_privileges_are_revoked_then_granted(stores: Stores) -> None:
    await _add(stores, _in(S1, JOE, (1 << 40) - 2))
    change = stores.memberships.change_privileges
    assert await change(S1, JOE, grant=1 << 39, revoke=(1 << 40) - 2)
    assert await stores.memberships.find(S1, JOE) == _in(S1, JOE, 1 << 39)
    assert not await change(S1, ANN, grant=2, revoke=0)


async def test_removed_member_is_gone(stores: Stores) -> None:
    await _add(stores, _in(S1, JOE))
    assert await stores.memberships.remove(S1, JOE)
    assert not await stores.memberships.remove(S1, JOE)
    assert await stores.memberships.above(JOE) == []


GROUP = Group("g1", "group 1", "unit", user_subject("u1"), 7)


async def test_group_comes_back_with_its_memberships(stores: Stores) -> None:
    await stores.groups.create(GROUP, [_in(G1, JOE), _in(S1, G1)])
    assert await stores.groups.find("g1") == GROUP
    assert await stores.groups.find_many(["g1", "g9"]) == [GROUP]
    assert await stores.groups.list_ids() == ["g1"]
    assert {each.target for each in await stores.memberships.above(JOE)} == {G1, S1}


async def test_group_is_changed(stores: Stores) -> None:
    await stores.groups.create(GROUP, [])
    assert await stores.groups.update("g1", {"name": "renamed", "type": "team"})
    assert await stores.groups.find("g1") == replace(GROUP, name="renamed", type="team")
    assert not await stores.groups.update("g9", {"name": "renamed"})


async def test_deleted_group_takes_all_its_memberships_along(stores: Stores) -> None:
    await stores.groups.create(GROUP, [_in(G1, JOE)])
    await stores.spaces.create(Space("s1", "space 1"), [_in(S1, G1)])
    assert await stores.groups.delete("g1")
    assert await stores.groups.find("g1") is None
    assert await stores.memberships.above(JOE) == []
    assert await stores.memberships.of_target(S1, Kind.GROUP) == []
    assert not await stores.groups.delete("g1")
