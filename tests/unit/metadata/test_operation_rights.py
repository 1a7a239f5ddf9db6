"""Which operation needs which rights where: the table of the contract, each right of it alone.

Every place of an operation has an ACL that grants one member just what the table says, and nobody else
anything. With it the operation works; with any single right less it is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from runtime.errors import AccessDenied, NoData, NotPermitted
from runtime.identity import DataCaveats, Identity
from services.metadata.domain import permissions as p
from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.extras import Wanted
from services.metadata.domain.listing import PageStart
from services.metadata.domain.records import AclEntry, FileType
from services.metadata.domain.uploads import UploadRequest
from services.metadata.domain.xattrs import Asked
from tests.support.metadata import ALICE, BOB, OWNER, SERVICE, World, fresh_id, member, ref

Run = Callable[[World, Identity], Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """`needs`: bits by path."""

    name: str
    run: Run
    needs: Mapping[str, int]

    def __str__(self) -> str:
        return self.name


def update(**what: Any) -> Run:
    return lambda world, who: world.rules.xattrs.update(who, fresh_id(), ref("d", "f"), Update(**what))


def asked(**what: Any) -> Run:
    return lambda world, who: world.rules.xattrs.list(who, ref("d", "f"), Asked(**what))


def wanted(wanted: Wanted) -> Run:
    async def run(world: World, who: Identity) -> None:
        found = await world.rules.files.get(who, ref("d", "f"))
        await world.rules.extras.of_file(who, found, wanted)

    return run


def listed(wanted: Wanted | None) -> Run:
    return lambda world, who: world.rules.listing.list(who, ref("d"), PageStart(), 10, wanted=wanted)


def upload(*path: str) -> Run:
    return lambda world, who: world.rules.uploads.begin(
        who, UploadRequest(fresh_id(), ref(*path), True, create=True, size_bytes=1)
    )


async def read_json(world: World, who: Identity) -> None:
    with pytest.raises(NoData):
        await world.rules.xattrs.get_json(who, ref("d", "f"), "")


async def read_rdf(world: World, who: Identity) -> None:
    with pytest.raises(NoData):
        await world.rules.xattrs.get_rdf(who, ref("d", "f"))


def moved(source: str) -> Run:
    return lambda world, who: world.rules.renames.rename(who, fresh_id(), ref("d", source), ref("t"), "moved")


def deleted(name: str, *, only_empty: bool = False) -> Run:
    return lambda world, who: world.rules.files.delete(who, fresh_id(), ref("d", name), only_empty=only_empty)


TREE = p.DELETE | p.LIST | p.TRAVERSE | p.DELETE_CHILD

OPERATIONS = (
    Operation("getattr", lambda world, who: world.get("d", "f", who=who), {"d": p.TRAVERSE}),
    Operation("lookup", lambda world, who: world.get("d", "sub", who=who), {"d": p.TRAVERSE}),
    Operation("list", listed(None), {"d": p.LIST | p.TRAVERSE}),
    Operation(
        "list with xattrs",
        listed(Wanted(xattrs=frozenset("a"))),
        {"d": p.LIST | p.TRAVERSE | p.READ_METADATA},
    ),
    Operation("list with acls", listed(Wanted(acl=True)), {"d": p.LIST | p.TRAVERSE | p.READ_ACL}),
    Operation("create", lambda world, who: world.make("d", "new", who=who), {"d": p.TRAVERSE | p.ADD_FILE}),
    Operation(
        "symlink",
        lambda world, who: world.make("d", "new", who=who, type=FileType.SYMLINK, target="f"),
        {"d": p.TRAVERSE | p.ADD_FILE},
    ),
    Operation(
        "hard link",
        lambda world, who: world.rules.links.create(who, fresh_id(), ref("d"), "new", ref("t", "g")),
        {"d": p.TRAVERSE | p.ADD_FILE, "t": p.TRAVERSE},
    ),
    Operation(
        "mkdir", lambda world, who: world.mkdir("d", "new", who=who), {"d": p.TRAVERSE | p.ADD_SUBDIRECTORY}
    ),
    Operation(
        "read",
        lambda world, who: world.rules.uploads.locate(who, ref("d", "f")),
        {"d": p.TRAVERSE, "d/f": p.READ_DATA},
    ),
    Operation("write", upload("d", "f"), {"d": p.TRAVERSE, "d/f": p.WRITE_DATA}),
    Operation("upload a new file", upload("d", "new"), {"d": p.TRAVERSE | p.ADD_FILE}),
    Operation("delete", deleted("f"), {"d": p.TRAVERSE | p.DELETE_CHILD, "d/f": p.DELETE}),
    Operation(
        "rmdir",
        deleted("sub", only_empty=True),
        {"d": p.TRAVERSE | p.DELETE_CHILD, "d/sub": p.DELETE | p.LIST},
    ),
    Operation("delete a tree", deleted("sub"), {"d": p.TRAVERSE | p.DELETE_CHILD, "d/sub": TREE}),
    Operation(
        "rename a file",
        moved("f"),
        {"d": p.TRAVERSE | p.DELETE_CHILD, "d/f": p.DELETE, "t": p.TRAVERSE | p.ADD_FILE},
    ),
    Operation(
        "rename a directory",
        moved("sub"),
        {"d": p.TRAVERSE | p.DELETE_CHILD, "d/sub": p.DELETE, "t": p.TRAVERSE | p.ADD_SUBDIRECTORY},
    ),
    Operation("read xattrs", asked(), {"d": p.TRAVERSE, "d/f": p.READ_METADATA}),
    Operation("read one xattr", wanted(Wanted(xattrs=frozenset("a"))), {"d/f": p.READ_METADATA}),
    Operation("read json", read_json, {"d/f": p.READ_METADATA}),
    Operation("read rdf", read_rdf, {"d/f": p.READ_METADATA}),
    Operation("write xattrs", update(set={"a": b"1"}), {"d/f": p.WRITE_METADATA}),
    Operation("remove xattrs", update(remove=["a"]), {"d/f": p.WRITE_METADATA}),
    Operation("write json", update(json=JsonUpdate(b"1")), {"d/f": p.WRITE_METADATA}),
    Operation("write rdf", update(rdf=b"<x/>"), {"d/f": p.WRITE_METADATA}),
    Operation("read mimetype", asked(names=["cdmi_mimetype"]), {"d/f": p.READ_ATTRIBUTES}),
    Operation("write mimetype", update(fields={"mimetype": "a/b"}), {"d/f": p.WRITE_ATTRIBUTES}),
    Operation("read acl", wanted(Wanted(acl=True)), {"d/f": p.READ_ACL}),
    Operation("read cdmi_acl", asked(names=["cdmi_acl"]), {"d/f": p.READ_ACL}),
    Operation("write acl", update(acl=[AclEntry(True, "x", 1)]), {"d/f": p.WRITE_ACL}),
    Operation("remove acl", update(remove=["cdmi_acl"]), {"d/f": p.WRITE_ACL}),
)


@pytest.fixture
async def world() -> World:
    """`d` with the file `f` and the directory `sub`, and `t` to move to; all of them open to all members."""
    world = await World().open()
    for path in (("d",), ("d", "sub"), ("t",)):
        await world.mkdir(*path, mode=0o777)
    await world.put("d", "f", size_bytes=1)
    await world.put("t", "g", size_bytes=1)
    await world.rules.files.set_mode(ALICE, "", ref("d", "f"), 0o666)
    return world


async def grant(world: World, needs: Mapping[str, int], *, who: str = "bob") -> None:
    for path, bits in needs.items():
        acl = [AclEntry(True, who, bits)] if bits else [AclEntry(False, who, p.READ_ACL)]
        await world.rules.xattrs.update(OWNER, "", ref(*path.split("/")), Update(acl=acl))


def with_one_less(needs: Mapping[str, int]) -> list[dict[str, int]]:
    return [
        {**needs, path: bits & ~(1 << position)}
        for path, bits in needs.items()
        for position in range(bits.bit_length())
        if bits >> position & 1
    ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_just_the_rights_of_the_table_are_enough(world: World, operation: Operation) -> None:
    await grant(world, operation.needs)
    await operation.run(world, BOB)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_with_any_right_less_it_is_refused(world: World, operation: Operation) -> None:
    for needs in with_one_less(operation.needs):
        await grant(world, needs)
        with pytest.raises(AccessDenied):
            await operation.run(world, BOB)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_owners_of_the_space_need_no_rights(world: World, operation: Operation) -> None:
    await grant(world, dict.fromkeys(operation.needs, 0), who="EVERYONE@")
    await operation.run(world, OWNER)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@pytest.mark.parametrize(
    ("bits", "privileges"),
    [(p.READ_PRIVILEGE_BITS, {"read": False}), (p.WRITE_PRIVILEGE_BITS, {"write": False})],
)
async def test_a_missing_privilege_is_eperm_for_what_it_stands_for(
    world: World, operation: Operation, bits: int, privileges: dict[str, bool]
) -> None:
    bob = member("bob", **privileges)
    if any(needed & bits for needed in operation.needs.values()):
        with pytest.raises(NotPermitted):
            await operation.run(world, bob)
    else:
        await grant(world, operation.needs)
        await operation.run(world, bob)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_readonly_token_is_eacces_for_all_that_changes(world: World, operation: Operation) -> None:
    reader = replace(OWNER, caveats=DataCaveats(readonly=True))
    if any(bits & p.WRITE_PRIVILEGE_BITS for bits in operation.needs.values()):
        with pytest.raises(AccessDenied):
            await operation.run(world, reader)
    else:
        await operation.run(world, reader)


async def test_services_pass_every_acl(world: World) -> None:
    await grant(world, {"d": 0, "d/f": 0}, who="EVERYONE@")
    await world.get("d", "f", who=SERVICE)


@pytest.mark.parametrize("sticky", [False, True])
async def test_in_a_sticky_directory_only_owners_delete_and_rename(world: World, sticky: bool) -> None:
    await world.rules.files.set_mode(ALICE, "", ref("d"), 0o1777 if sticky else 0o777)
    for operation in (deleted("f"), moved("sub")):
        if sticky:
            with pytest.raises(AccessDenied):
                await operation(world, BOB)
            await operation(world, ALICE)
        else:
            await operation(world, BOB)


async def test_the_mode_does_not_count_beside_an_acl_and_counts_again_without(world: World) -> None:
    read = next(each.run for each in OPERATIONS if each.name == "read")
    await grant(world, {"d/f": p.WRITE_DATA})
    with pytest.raises(AccessDenied):
        await read(world, BOB)
    await world.rules.files.set_mode(ALICE, "", ref("d", "f"), 0o777)
    with pytest.raises(AccessDenied):
        await read(world, BOB)
    await world.rules.xattrs.update(OWNER, "", ref("d", "f"), Update(acl=[]))
    await read(world, BOB)


async def test_a_new_file_does_not_inherit_the_acl_of_its_directory(world: World) -> None:
    await grant(world, {"d": p.TRAVERSE | p.ADD_FILE})
    assert (await world.make("d", "new", who=BOB)).acl is None


async def test_whoever_owns_a_file_can_shut_himself_out_and_the_owner_of_the_space_lets_him_in(
    world: World,
) -> None:
    await world.rules.xattrs.update(ALICE, "", ref("d", "f"), Update(acl=[AclEntry(True, "bob", p.DELETE)]))
    with pytest.raises(AccessDenied):
        await world.rules.xattrs.update(ALICE, "", ref("d", "f"), Update(acl=[]))
    await world.rules.xattrs.update(OWNER, "", ref("d", "f"), Update(acl=[]))
    await world.rules.xattrs.update(ALICE, "", ref("d", "f"), Update(set={"a": b"1"}))


async def test_nobody_sets_an_acl_on_the_directory_of_the_space(world: World) -> None:
    for who in (ALICE, OWNER):
        with pytest.raises(AccessDenied):
            await world.rules.xattrs.update(who, "", ref(), Update(acl=[AclEntry(True, "bob", 1)]))
