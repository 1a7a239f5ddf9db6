"""Attributes of many files at once are those of each file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.params import Params
from services.gateway.domain import attributes
from services.gateway.domain.attributes import CHILDREN_DEFAULT, DEFAULT, PUBLIC_DEFAULT, Selection, select
from services.gateway.domain.files import DIRECTORY, QUEUE, REGULAR, SYMLINK, VirtualDirectory
from services.gateway.domain.views import View

SPACE = "s1"


@dataclass(frozen=True)
class AnEntry:
    allow: bool = True
    identifier: str = "OWNER@"
    mask: int = 1
    is_group: bool = False


NUMBERS = st.integers(0, 2**40)
IDS = st.sampled_from(["", "a", "share1", "user2"])
FILES = st.builds(
    VirtualDirectory,
    file_id=st.one_of(st.text("0123456789abcdef", min_size=32, max_size=32), st.just(f"space_{SPACE}")),
    space_id=st.just(SPACE),
    name=st.text(max_size=5),
    owner_id=IDS,
    provider_id=IDS,
    type=st.sampled_from([REGULAR, DIRECTORY, SYMLINK, QUEUE]),
    mode=st.integers(0, 0o1777),
    creation_time_ms=NUMBERS,
    atime_ms=NUMBERS,
    mtime_ms=NUMBERS,
    ctime_ms=NUMBERS,
    size_bytes=NUMBERS,
    local_bytes=NUMBERS,
    symlink_target=st.text(max_size=5),
    share_ids=st.lists(IDS, max_size=2).map(tuple),
    hard_link_count=st.integers(0, 3),
    has_custom_metadata=st.booleans(),
    mimetype=st.sampled_from(["", "text/plain"]),
    value_transfer_encoding=st.sampled_from(["", "utf-8"]),
    completion_status=st.sampled_from(["", "Error"]),
    has_sum=st.booleans(),
    has_acl=st.booleans(),
    acl=st.sampled_from([(), (AnEntry(),)]),
    xattrs=st.sampled_from([{}, {"k": b"[1, 2]"}]),
)
CURRENT = [*attributes.names_of("attributes"), "xattr.k", "xattr.cdmi_acl", "xattr.cdmi_mimetype"]
OLD = [*attributes.names_of("attribute"), "xattr.k"]
SELECTIONS = st.one_of(
    st.sampled_from([DEFAULT, PUBLIC_DEFAULT, CHILDREN_DEFAULT]),
    st.lists(st.sampled_from(CURRENT), min_size=1).map(lambda names: chosen("attributes", names)),
    st.lists(st.sampled_from(OLD), min_size=1).map(lambda names: chosen("attribute", names)),
)
VIEWS = st.builds(
    View,
    st.just("home"),
    parent_path=st.sampled_from([None, ("x", "y")]),
    share_id=st.sampled_from([None, "share1"]),
    shows_shares=st.booleans(),
)


def chosen(key: str, names: list[str]) -> Selection:
    return select(Params({key: names}), DEFAULT)


def in_columns(files: list[VirtualDirectory]) -> dict[str, list[Any]]:
    names = [field.name for field in fields(VirtualDirectory)]
    return {name: [getattr(file, name) for file in files] for name in names}


@given(files=st.lists(FILES, max_size=12), selection=SELECTIONS, view=VIEWS)
def test_all_at_once_are_told_as_each_alone(
    files: list[VirtualDirectory], selection: Selection, view: View
) -> None:
    # One directory holds them all.
    files = [replace(file, parent_id="d") for file in files]
    told = {name: column for name, column in in_columns(files).items() if name in selection.needs}
    together = orjson.dumps(selection.encode_all(told, view))
    assert together == orjson.dumps([selection.encode(file, view) for file in files])
