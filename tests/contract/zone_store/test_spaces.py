from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.zone.domain.entities import Membership, Space, Support, SupportParameters, space_ref, user_ref
from services.zone.domain.identifiers import user_subject
from services.zone.domain.privileges import SPACE as PRIVILEGES
from services.zone.domain.stores import Stores, Taken

SPACE = Space(
    id="s1",
    name="space 1",
    description="d",
    organization_name="o",
    tags=("t",),
    owners=("u1",),
    creator=user_subject("u1"),
    created_at_ms=3,
)
JOE = Membership(space_ref("s1"), user_ref("u1"), PRIVILEGES.all, 3)
ANN = Membership(space_ref("s1"), user_ref("u2"), 0b1110, 4)
SUPPORT = Support("p1", "st1", 2**40)


async def test_space_comes_back_with_its_member(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    assert await stores.spaces.find("s1") == SPACE
    assert await stores.memberships.find(JOE.target, JOE.member) == JOE
    assert await stores.spaces.find_many(["s1", "s9"]) == [SPACE]
    assert await stores.spaces.list_ids() == ["s1"]


async def test_taken_id_leaves_the_space_as_it_was(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    with pytest.raises(Taken, match="id"):
        await stores.spaces.create(replace(SPACE, owners=("u2",)), [replace(ANN, privileges=PRIVILEGES.all)])
    assert await stores.spaces.find("s1") == SPACE
    assert await stores.memberships.find(ANN.target, ANN.member) is None


async def test_update_sets_what_describes_it(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [])
    assert await stores.spaces.update("s1", {"name": "renamed", "tags": ("x", "y")})
    assert await stores.spaces.find("s1") == replace(SPACE, name="renamed", tags=("x", "y"))
    assert not await stores.spaces.update("s9", {"name": "renamed"})


async def test_deleted_space_takes_its_members_along(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    assert await stores.spaces.delete("s1")
    assert await stores.spaces.find("s1") is None
    assert await stores.memberships.above(JOE.member) == []
    assert not await stores.spaces.delete("s1")


async def test_of_two_owners_that_leave_one_stays(stores: Stores) -> None:
    await stores.spaces.create(replace(SPACE, owners=("u1", "u2")), [JOE])
    left = await asyncio.gather(
        stores.spaces.remove_owner("s1", "u1", keep_one=True),
        stores.spaces.remove_owner("s1", "u2", keep_one=True),
    )
    assert sorted(left) == [False, True]


async def test_last_owner_leaves_when_nobody_stays(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    assert not await stores.spaces.remove_owner("s1", "u2", keep_one=False)
    assert await stores.spaces.remove_owner("s1", "u1", keep_one=False)


async def test_owner_is_added_once(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    assert await stores.spaces.add_owner("s1", "u2")
    assert await stores.spaces.add_owner("s1", "u2")
    space = await stores.spaces.find("s1")
    assert space is not None
    assert space.owners == ("u1", "u2")


async def _space(stores: Stores, space_id: str = "s1") -> Space:
    space = await stores.spaces.find(space_id)
    assert space is not None
    return space


async def test_provider_supports_a_space_once(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    added = await asyncio.gather(*(stores.spaces.add_support("s1", SUPPORT) for _ in range(4)))
    assert added.count(True) == 1
    assert not await stores.spaces.add_support("s1", replace(SUPPORT, storage_id="st2", readonly=True))
    assert not await stores.spaces.add_support("s9", SUPPORT)
    assert await stores.spaces.add_support("s1", replace(SUPPORT, provider_id="p2", storage_id="st2"))
    assert (await _space(stores)).sizes() == {"p1": 2**40, "p2": 2**40}


async def test_imported_storage_supports_one_space_and_a_space_has_one(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    await stores.spaces.create(replace(SPACE, id="s2"), [])
    imported = replace(SUPPORT, imported=True)
    assert await stores.spaces.add_support("s1", imported)
    other = replace(imported, provider_id="p2", storage_id="st2")
    assert not await stores.spaces.add_support("s1", other)
    with pytest.raises(Taken, match="storage"):
        await stores.spaces.add_support("s2", imported)
    await stores.spaces.remove_support("s1", "p1")
    assert await stores.spaces.add_support("s1", other)
    assert await stores.spaces.add_support("s2", imported)
    assert (await _space(stores, "s2")).supports == (imported,)


async def test_storage_is_used_until_its_support_ends(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    assert not await stores.spaces.uses_storage("st1")
    await stores.spaces.add_support("s1", SUPPORT)
    assert await stores.spaces.uses_storage("st1")
    await stores.spaces.set_readonly("st1", readonly=True)
    assert (await _space(stores)).readonly_at("p1")
    await stores.spaces.remove_support("s1", "p1")
    assert not await stores.spaces.uses_storage("st1")


async def test_what_providers_are_told_of_makes_a_new_revision(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    revisions = [(await _space(stores)).revision]
    assert revisions == [SPACE.created_at_ms]
    for change in (
        stores.spaces.update("s1", {"name": "renamed"}),
        stores.spaces.add_support("s1", SUPPORT),
        stores.spaces.resize_support("s1", "p1", 7),
        stores.spaces.set_parameters("s1", "p1", {"dir_stats_enabled": True}),
        stores.spaces.set_readonly("st1", readonly=True),
        stores.spaces.remove_support("s1", "p1"),
    ):
        await change
        revisions.append((await _space(stores)).revision)
    assert revisions == sorted(set(revisions))


async def test_support_is_resized_and_removed(stores: Stores) -> None:
    await stores.spaces.create(SPACE, [JOE])
    await stores.spaces.add_support("s1", SUPPORT)
    await stores.spaces.add_support("s1", replace(SUPPORT, provider_id="p2"))
    assert await stores.spaces.resize_support("s1", "p1", 5)
    assert await stores.spaces.remove_support("s1", "p2")
    assert not await stores.spaces.remove_support("s1", "p2")
    space = await stores.spaces.find("s1")
    assert space is not None
    assert space.sizes() == {"p1": 5}


async def test_parameters_of_a_support_are_set_field_by_field(stores: Stores) -> None:
    await stores.spaces.create(replace(SPACE, supports=(SUPPORT,)), [])
    assert await stores.spaces.set_parameters("s1", "p1", {"dir_stats_enabled": True})
    assert await stores.spaces.set_parameters("s1", "p1", {"dir_stats_status": "enabled"})
    assert not await stores.spaces.set_parameters("s1", "p2", {"dir_stats_enabled": True})
    space = await stores.spaces.find("s1")
    assert space is not None
    assert space.parameters == {"p1": SupportParameters(False, True, "enabled")}
    await stores.spaces.remove_support("s1", "p1")
    space = await stores.spaces.find("s1")
    assert space is not None
    assert space.parameters == {}


async def test_supported_spaces_come_in_pages(stores: Stores) -> None:
    for number in range(5):
        space = replace(SPACE, id=f"s{number}", supports=(SUPPORT,) if number != 2 else ())
        await stores.spaces.create(space, [])
    first = await stores.spaces.supported_by("p1", after="", limit=3)
    rest = await stores.spaces.supported_by("p1", after=first[-1].id, limit=3)
    assert [space.id for space in first + rest] == ["s0", "s1", "s3", "s4"]
    assert await stores.spaces.providers_of(["s0", "s2"]) == {"p1"}
    assert await stores.spaces.providers_of([]) == set()
