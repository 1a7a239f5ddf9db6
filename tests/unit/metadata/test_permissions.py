"""Who may do what, against plain models of mode and ACL."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import AccessDenied, NotPermitted, SpaceNotSupported, Unauthenticated
from runtime.identity import GUEST, DataCaveats, Identity, Kind, SpacePrivilege
from services.metadata.domain import permissions as p
from services.metadata.domain.caveats import INSIDE, OUTSIDE, Reach, Reached
from services.metadata.domain.errors import Forbidden
from services.metadata.domain.records import AclEntry, File, FileType, new_root
from tests.support.metadata import ALICE, BOB, OWNER, SERVICE, SPACE, member

ROOT = new_root(SPACE, "p", 0)
BITS = (
    p.READ_DATA,
    p.WRITE_DATA,
    p.ADD_SUBDIRECTORY,
    p.READ_METADATA,
    p.WRITE_METADATA,
    p.TRAVERSE,
    p.DELETE_CHILD,
    p.READ_ATTRIBUTES,
    p.WRITE_ATTRIBUTES,
    p.DELETE,
    p.READ_ACL,
    p.WRITE_ACL,
)
masks = st.sets(st.sampled_from(BITS)).map(sum)


def a_file(mode: int = 0o664, type: FileType = FileType.REGULAR, **fields: object) -> File:
    values = {"file_id": "f", "parent_id": ROOT.file_id, "name": "f", "owner_id": "alice"}
    return replace(ROOT, **{**values, "mode": mode, "type": type, **fields})


def allows(identity: Identity, file: File, bits: int, reach: Reach = INSIDE, parent: File = ROOT) -> bool:
    try:
        p.require(identity, [parent, file], bits, reach)
    except (AccessDenied, NotPermitted):
        return False
    return True


def mode_model(identity: Identity, file: File, parent: File) -> set[int]:
    """The table of the specification, bit by bit."""
    owner = identity.subject_id == file.owner_id
    member_ = file.space_id in identity.spaces
    digit = oct(file.mode & 0o777 | 0o1000)[3:][0 if owner else 1 if member_ else 2]
    r, w, x = (bool(int(digit) & bit) for bit in (4, 2, 1))
    directory = file.type is FileType.DIRECTORY
    return {
        bit
        for bit, granted in (
            (p.READ_ATTRIBUTES, True),
            (p.READ_ACL, True),
            (p.READ_DATA, r),
            (p.READ_METADATA, r),
            (p.WRITE_DATA, w and x if directory else w),
            (p.ADD_SUBDIRECTORY, w and directory),
            (p.WRITE_ATTRIBUTES, w),
            (p.WRITE_METADATA, w),
            (p.TRAVERSE, x),
            (p.DELETE_CHILD, w and x and directory),
            (p.DELETE, owner or not parent.mode & 0o1000),
            (p.WRITE_ACL, owner),
        )
        if granted
    }


@given(
    mode=st.integers(0, 0o1777),
    type=st.sampled_from([FileType.REGULAR, FileType.DIRECTORY]),
    who=st.sampled_from([ALICE, BOB]),
    sticky=st.booleans(),
    bits=masks,
)
def test_mode_decides_as_the_table_says(
    mode: int, type: FileType, who: Identity, sticky: bool, bits: int
) -> None:
    file, parent = a_file(mode, type), replace(ROOT, mode=0o1775 if sticky else 0o775)
    granted = mode_model(who, file, parent)
    assert allows(who, file, bits, parent=parent) == all(bit in granted for bit in BITS if bits & bit)


entries = st.builds(
    AclEntry,
    allow=st.booleans(),
    identifier=st.sampled_from(["alice", "bob", "g1", "g2", "OWNER@", "GROUP@", "EVERYONE@", "ANONYMOUS@"]),
    mask=masks,
).flatmap(lambda entry: st.just(replace(entry, is_group=entry.identifier in ("g1", "g2"))))


def acl_model(who: Identity, acl: list[AclEntry], bit: int) -> bool:
    """One bit: the first entry that is about it and the caller decides."""
    mine = {"EVERYONE@", "GROUP@", who.subject_id, *who.group_ids}
    if who.subject_id == "alice":
        mine.add("OWNER@")
    return next((entry.allow for entry in acl if entry.mask & bit and entry.identifier in mine), False)


@given(acl=st.lists(entries, min_size=1, max_size=6), bits=masks, name=st.sampled_from(["alice", "bob"]))
def test_an_acl_decides_each_bit_by_its_first_entry(acl: list[AclEntry], bits: int, name: str) -> None:
    who = member(name, group_ids=("g1",))
    file = a_file(0o777, acl=tuple(acl))
    assert allows(who, file, bits) == all(acl_model(who, acl, bit) for bit in BITS if bits & bit)


def whole_model(who: Identity, file: File, parent: File, bits: int) -> str:
    """What becomes of a request for these bits, one bit at a time and in the words of the contract."""
    rights = who.spaces.get(SPACE)
    if who.kind is Kind.SERVICE or (rights is not None and rights.owner and not file.is_root):
        return "ok"
    asked = {bit for bit in BITS if bits & bit}
    reads = {p.READ_DATA, p.READ_METADATA}
    writes = {
        p.WRITE_ATTRIBUTES,
        p.WRITE_DATA,
        p.ADD_SUBDIRECTORY,
        p.DELETE,
        p.DELETE_CHILD,
        p.WRITE_METADATA,
        p.WRITE_ACL,
    }
    guest = who.kind is Kind.GUEST
    if guest and asked & writes:
        return "eperm"
    if rights is not None and not rights.has(SpacePrivilege.READ_DATA) and asked & reads:
        return "eperm"
    if rights is not None and not rights.has(SpacePrivilege.WRITE_DATA) and asked & writes:
        return "eperm"
    if file.acl:
        mine = (
            {"EVERYONE@", "ANONYMOUS@"} if guest else {"EVERYONE@", "GROUP@", who.subject_id, *who.group_ids}
        )
        mine |= {"OWNER@"} if not guest and who.subject_id == file.owner_id else set()
        first = {
            bit: next((e.allow for e in file.acl if e.mask & bit and e.identifier in mine), False)
            for bit in asked
        }
        return "ok" if all(first.values()) else "eacces"
    if guest:
        rwx, granted = file.mode & 7, {p.READ_ATTRIBUTES, p.READ_ACL}
        granted |= reads if rwx & 4 else set()
        granted |= {p.TRAVERSE} if rwx & 1 else set()
    else:
        granted = mode_model(who, file, parent)
    return "ok" if asked <= granted else "eacces"


callers = st.one_of(
    st.just(SERVICE),
    st.just(GUEST),
    st.builds(
        member,
        st.sampled_from(["alice", "bob"]),
        owner=st.booleans(),
        read=st.booleans(),
        write=st.booleans(),
        group_ids=st.sampled_from([(), ("g1",), ("g1", "g2")]),
    ),
)


@settings(max_examples=500)
@given(
    who=callers,
    type=st.sampled_from([FileType.REGULAR, FileType.DIRECTORY, FileType.SYMLINK]),
    mode=st.integers(0, 0o1777),
    acl=st.none() | st.lists(entries, max_size=5).map(tuple),
    sticky=st.booleans(),
    bits=masks,
)
def test_everything_together_decides_as_the_contract_says(
    who: Identity,
    type: FileType,
    mode: int,
    acl: tuple[AclEntry, ...] | None,
    sticky: bool,
    bits: int,
) -> None:
    file, parent = a_file(mode, type, acl=acl), replace(ROOT, mode=0o1775 if sticky else 0o775)
    outcome = "ok"
    try:
        p.require(who, [parent, file], bits, INSIDE)
    except AccessDenied:
        outcome = "eacces"
    except NotPermitted:
        outcome = "eperm"
    assert outcome == whole_model(who, file, parent, bits)
    assert p.allows(who, [parent, file], bits, INSIDE) == (outcome == "ok")


@pytest.mark.parametrize("flagged", [False, True])
def test_special_principals_mean_the_same_with_the_flag_of_groups(flagged: bool) -> None:
    for identifier in ("OWNER@", "GROUP@", "EVERYONE@"):
        file = a_file(0, acl=(AclEntry(True, identifier, p.READ_DATA, is_group=flagged),))
        assert allows(ALICE, file, p.READ_DATA)


def test_an_id_of_a_group_is_no_user_and_the_other_way_round() -> None:
    both = member("x", group_ids=("y",))
    assert not allows(both, a_file(0, acl=(AclEntry(True, "y", p.READ_DATA),)), p.READ_DATA)
    assert not allows(both, a_file(0, acl=(AclEntry(True, "x", p.READ_DATA, is_group=True),)), p.READ_DATA)


def test_an_empty_acl_means_the_mode() -> None:
    assert allows(ALICE, a_file(0o600, acl=()), p.READ_DATA)
    assert not allows(BOB, a_file(0o600, acl=()), p.READ_DATA)


@given(mode=st.integers(0, 0o1777), bits=masks)
def test_space_owners_and_services_pass_every_mode(mode: int, bits: int) -> None:
    file = a_file(mode, FileType.DIRECTORY, acl=(AclEntry(False, "EVERYONE@", 0x701FF),))
    assert allows(OWNER, file, bits)
    assert allows(SERVICE, file, bits)


def test_space_owners_are_members_at_the_directory_of_the_space() -> None:
    closed = replace(ROOT, mode=0o700)
    with pytest.raises(AccessDenied):
        p.require(OWNER, [closed], p.LIST, INSIDE)
    p.require(OWNER, [ROOT], p.LIST | p.ADD_FILE | p.TRAVERSE, INSIDE)


@given(bits=masks)
def test_missing_privileges_forbid_their_bits(bits: int) -> None:
    file = a_file(0o777)
    reader, writer = member("alice", write=False), member("alice", read=False)
    assert allows(reader, file, bits) == (not bits & p.WRITE_PRIVILEGE_BITS and allows(ALICE, file, bits))
    assert allows(writer, file, bits) == (not bits & p.READ_PRIVILEGE_BITS and allows(ALICE, file, bits))


def test_a_missing_privilege_is_told_from_a_mode() -> None:
    with pytest.raises(NotPermitted):
        p.require(member(write=False), [ROOT, a_file(0o777)], p.WRITE_DATA, INSIDE)
    with pytest.raises(AccessDenied):
        p.require(BOB, [ROOT, a_file(0o640)], p.WRITE_DATA, INSIDE)


def test_caveats_come_before_everything_else() -> None:
    with pytest.raises(AccessDenied):
        p.require(member(write=False), [ROOT, a_file()], p.WRITE_DATA, OUTSIDE, protected_bits=p.WRITE_DATA)


def test_protection_comes_before_privileges_and_binds_owners() -> None:
    for who in (SERVICE, OWNER, member(write=False)):
        with pytest.raises(NotPermitted, match="protected"):
            p.require(who, [ROOT, a_file()], p.WRITE_DATA, INSIDE, protected_bits=p.WRITE_DATA)


@given(bits=masks)
def test_a_readonly_token_only_reads(bits: int) -> None:
    token = member("alice", owner=True, caveats=DataCaveats(readonly=True))
    assert allows(token, a_file(0o777), bits) == (not bits & ~p.READONLY_BITS)


@given(bits=masks)
def test_above_its_places_a_token_only_finds_the_way(bits: int) -> None:
    above = Reach(Reached.ABOVE, frozenset({"x"}))
    assert allows(OWNER, a_file(0o777), bits, above) == (not bits & ~p.ANCESTOR_BITS)


def test_every_ancestor_must_be_traversable() -> None:
    closed = a_file(0o660, FileType.DIRECTORY)
    chain = [ROOT, closed, a_file(file_id="g", parent_id="f")]
    for who in (ALICE, BOB):
        with pytest.raises(AccessDenied):
            p.require_way(who, chain, INSIDE)
    p.require_way(OWNER, chain, INSIDE)


def test_only_owners_change_the_mode() -> None:
    p.require_owner(ALICE, a_file(), INSIDE)
    p.require_owner(OWNER, a_file(), INSIDE)
    with pytest.raises(AccessDenied):
        p.require_owner(BOB, a_file(0o777), INSIDE)
    with pytest.raises(NotPermitted):
        p.require_owner(member("alice", write=False), a_file(), INSIDE)


def test_nobody_changes_the_directory_of_a_space() -> None:
    for who in (ALICE, OWNER, SERVICE):
        with pytest.raises(NotPermitted):
            p.require_owner(who, ROOT, INSIDE)


def test_strangers_are_told_nothing_of_a_space() -> None:
    with pytest.raises(Forbidden):
        p.enter_space(member(space_id="other"), SPACE)
    with pytest.raises(Forbidden):
        p.enter_space(Identity(Kind.OPERATOR, "op"), SPACE)
    with pytest.raises(Unauthenticated):
        p.enter_space(GUEST, SPACE)
    with pytest.raises(SpaceNotSupported):
        p.enter_space(member(supported=False), SPACE)
