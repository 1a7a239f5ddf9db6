"""ACLs as users write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidName
from services.gateway.domain import acls
from services.gateway.domain.acls import ParsedEntry, UnreadableAcl

ENTRY = {"acetype": "ALLOW", "identifier": "EVERYONE@", "aceflags": "NO_FLAGS", "acemask": "READ_OBJECT"}


def parsed(directory: bool = False, **fields: Any) -> ParsedEntry:
    return acls.parse([{**ENTRY, **fields}], directory=directory)[0]


@pytest.mark.parametrize(
    ("mask", "bits"),
    [
        ("READ_OBJECT", 0x1),
        ("LIST_CONTAINER", 0x1),
        ("READ_OBJECT, READ_METADATA ,READ_ACL", 0x20009),
        (["WRITE_OBJECT", "DELETE"], 0x10002),
        ("DELETE_OBJECT,DELETE_SUBCONTAINER", 0x40),
        ("0x70fF", 0x70FF),
        ("0x0", 0),
        ([], 0),
    ],
)
def test_masks_are_names_lists_or_numbers(mask: object, bits: int) -> None:
    assert parsed(acemask=mask).mask == bits


@pytest.mark.parametrize(
    ("name", "file", "directory"),
    [
        ("ALL_PERMS", 0x7019B, 0x701FF),
        ("RW_ALL", 0x6019B, 0x601DF),
        ("RW", 0x1B, 0x1F),
        ("READ_ALL", 0x9, 0x9),
    ],
)
def test_names_for_many_bits_mean_those_that_fit(name: str, file: int, directory: int) -> None:
    assert parsed(acemask=name).mask == file
    assert parsed(acemask=name, directory=True).mask == directory


@pytest.mark.parametrize(
    ("identifier", "id"),
    [
        ("OWNER@", "OWNER@"),
        ("GROUP@", "GROUP@"),
        ("ANONYMOUS@", "ANONYMOUS@"),
        ("u1", "u1"),
        ("Jane Doe#u1", "u1"),
        ("we#ird#u1", "u1"),
        ("#u1", "u1"),
    ],
)
def test_a_name_before_the_id_is_not_looked_at(identifier: str, id: str) -> None:
    assert parsed(identifier=identifier).identifier == id


def test_types_and_flags_are_names_or_numbers() -> None:
    assert parsed(acetype="0x1", aceflags="0x40") == ParsedEntry(False, "EVERYONE@", 1, True)
    assert parsed(acetype="DENY", aceflags=["IDENTIFIER_GROUP"], identifier="g") == ParsedEntry(
        False, "g", 1, True
    )


@pytest.mark.parametrize(
    "value",
    [
        None, {}, "x", 5, [5], [[]], [{}], [{**ENTRY, "acetype": 0}], [{**ENTRY, "acetype": "allow"}],
        [{**ENTRY, "aceflags": "GROUP"}], [{**ENTRY, "acemask": "READ"}], [{**ENTRY, "acemask": ""}],
        [{**ENTRY, "acemask": 1}], [{**ENTRY, "acemask": [1]}], [{**ENTRY, "acemask": "0x"}],
        [{**ENTRY, "acemask": "0x1G"}], [{**ENTRY, "acemask": "0x123456789"}], [{**ENTRY, "identifier": 5}],
        [{**ENTRY, "identifier": ""}], [{**ENTRY, "identifier": "name#"}],
        [{**ENTRY, "identifier": "AUTHENTICATED@"}], [{**ENTRY, "identifier": "x#OWNER@"}],
        [{key: ENTRY[key] for key in ("acetype", "identifier", "aceflags")}],
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_so(value: object) -> None:
    with pytest.raises(UnreadableAcl):
        acls.parse(value, directory=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"acetype": "0x2"},
        {"acetype": "AUDIT"},
        {"aceflags": "OBJECT_INHERIT"},
        {"aceflags": "0x41"},
        {"acemask": "DELETE_OBJECT"},
        {"acemask": ["DELETE_SUBCONTAINER", "DELETE"]},
    ],
)
def test_what_is_known_and_not_taken_is_another_error(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidName) as raised:
        parsed(**fields)
    assert not isinstance(raised.value, UnreadableAcl)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
words = st.sampled_from(
    ["ALLOW", "DENY", "READ_OBJECT", "DELETE_OBJECT", "IDENTIFIER_GROUP", "0x1", "0x70000", "u#1"]
)
odd_entries = st.fixed_dictionaries({key: words | st.lists(words, max_size=2) | json_values for key in ENTRY})


@given(value=json_values | st.lists(odd_entries | json_values, max_size=3), directory=st.booleans())
def test_whatever_comes_is_an_acl_or_refused(value: object, directory: bool) -> None:
    try:
        acl = acls.parse(value, directory=directory)
    except InvalidName:
        return
    assert acls.parse(acls.cdmi_form(acl, {}), directory=directory) == acl


def test_what_is_told_is_hexadecimal_with_names_where_they_are_known() -> None:
    acl = [ParsedEntry(True, "u1", 0x7019B), ParsedEntry(False, "g1", 0, is_group=True)]
    assert acls.cdmi_form(acl, {"u1": "Jane"}) == [
        {"acetype": "0x0", "identifier": "Jane#u1", "aceflags": "0x0", "acemask": "0x7019B"},
        {"acetype": "0x1", "identifier": "g1", "aceflags": "0x40", "acemask": "0x0"},
    ]
    assert acls.parse(acls.cdmi_form(acl, {"u1": "Jane"}), directory=False) == acl


def test_the_attribute_tells_numbers() -> None:
    assert acls.attribute_form([ParsedEntry(False, "g1", 5, is_group=True)]) == [
        {"aceType": "DENY", "identifier": "g1", "aceFlags": 64, "aceMask": 5}
    ]


def test_special_principals_are_nobody_in_particular() -> None:
    acl = [
        ParsedEntry(True, "OWNER@", 1),
        ParsedEntry(True, "GROUP@", 1, is_group=True),
        ParsedEntry(True, "u", 1),
        ParsedEntry(True, "g", 1, is_group=True),
    ]
    assert acls.principals(acl) == ({"u"}, {"g"})
