"""Attribute selection and encoding."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from runtime.http.errors import ApiError
from runtime.http.file_ids import encode
from runtime.http.params import Params
from services.gateway.domain import attributes
from services.gateway.domain.attributes import CHILDREN_DEFAULT, DEFAULT, select
from services.gateway.domain.files import REGULAR, SYMLINK, VirtualDirectory, display_id, inode
from services.gateway.domain.views import View

CURRENT = [
    "fileId", "index", "type", "activePermissionsType", "posixPermissions", "acl", "name", "conflictingName",
    "path", "parentFileId", "displayGid", "displayUid", "creationTime", "atime", "mtime", "ctime", "size",
    "isFullyReplicatedLocally", "localReplicationRate", "originProviderId", "directShareIds", "ownerUserId",
    "hardlinkCount", "symlinkValue", "hasCustomMetadata", "effProtectionFlags", "effDatasetProtectionFlags",
    "effDatasetInheritancePath", "effQosInheritancePath", "aggregateQosStatus", "archiveRecallRootFileId",
]  # fmt: skip

FILE = VirtualDirectory(
    "f1", "s1", "a.txt", "u1", "p1", parent_id="space_s1", type=REGULAR, mode=0o1664, mtime_ms=1999,
    size_bytes=10, local_bytes=5, path=("dir", "a.txt"),
)  # fmt: skip
VIEW = View("home")


def told(*names: str, file: VirtualDirectory = FILE, view: View = VIEW) -> list[object]:
    encoded = select(Params({"attributes": list(names)}), DEFAULT).encode(file, view)
    assert list(encoded) == list(names)
    return list(encoded.values())


def test_default_has_sixteen_current_names_and_the_old_ones() -> None:
    keys = DEFAULT.encode(FILE, VIEW).keys()
    assert len(keys & set(CURRENT)) == 16
    assert len(keys) == 25


def test_every_current_name_can_be_asked_for() -> None:
    assert list(told(*CURRENT))


def test_values_are_those_of_the_original() -> None:
    assert told("posixPermissions", "mtime", "type", "size", "localReplicationRate") == [
        "664", 1, "REG", 10, 0.5,
    ]  # fmt: skip
    assert told("isFullyReplicatedLocally", "effQosInheritancePath", "symlinkValue") == [False, "none", None]
    assert told("parentFileId", "fileId") == [encode("s1", "space_s1"), encode("s1", "f1")]


def test_paths_begin_with_the_space() -> None:
    assert told("path") == ["/home/dir/a.txt"]
    assert told("path", view=View("home", ("other",))) == ["/home/other/a.txt"]


def test_a_space_has_its_plain_name_and_no_parent() -> None:
    root = VirtualDirectory("space_s1", "s1", "whatever", "o", "p1")
    assert told("name", "path", "parentFileId", "size", file=root) == ["home", "/home", None, None]


def test_links_show_their_text() -> None:
    link = VirtualDirectory("smlnk_1", "s1", "l", "u1", "p1", type=SYMLINK, symlink_target="x", size_bytes=1)
    assert told("type", "symlinkValue", "size", file=link) == ["SYMLNK", "x", 1]


def test_xattrs_are_null_when_absent() -> None:
    selection = select(Params({"attributes": ["name", "xattr.a", "xattr.b"]}), DEFAULT)
    file = replace(FILE, xattrs={"a": b'{"x": 12345678901234567890123}'})
    told = orjson.dumps(selection.encode(file, VIEW))
    assert told == b'{"name":"a.txt","xattr.a":{"x": 12345678901234567890123},"xattr.b":null}'


def test_deprecated_names_select_under_the_old_key() -> None:
    selection = select(Params({"attribute": "mode"}), DEFAULT)
    assert selection.encode(FILE, VIEW) == {"mode": "664"}


def test_nothing_asked_is_the_default() -> None:
    assert select(Params({}), CHILDREN_DEFAULT) is CHILDREN_DEFAULT


@pytest.mark.parametrize(
    ("key", "value", "first"),
    [("attributes", "mode", "fileId"), ("attribute", "fileId", "file_id"),
     ("attributes", ["xattr."], "fileId"), ("attributes", [1], "fileId"),
     ("attributes", {"a": 1}, "fileId"), ("attribute", ["path"], "file_id")],
)  # fmt: skip
def test_unknown_names_are_told_what_is_allowed(key: str, value: object, first: str) -> None:
    with pytest.raises(ApiError) as raised:
        select(Params({key: value}), DEFAULT)
    assert raised.value.id == "badValueNotAllowed"
    details = raised.value.details
    assert details is not None
    assert (details["key"], details["allowed"][0], details["allowed"][-1]) == (key, first, "xattr.*")


def test_allowed_current_names_stand_in_table_order() -> None:
    assert list(attributes._CURRENT) == CURRENT


def test_display_ids_stay_in_their_range() -> None:
    assert all(100_000 <= display_id(id) < 2_000_000 for id in ("", "u1", "x" * 300))


def test_hard_links_carry_their_inode() -> None:
    assert [inode(uuid) for uuid in ("abc", "link_12_file_abc", "link_12")] == ["abc", "abc", "link_12"]
