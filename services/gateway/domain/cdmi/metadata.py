"""CDMI metadata: what is shown of a file, and what a request changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.errors import InvalidName, NameTooLong, NotPermitted
from runtime.http.errors import ApiError
from services.gateway.domain.acls import ParsedEntry, UnreadableAcl, parse
from services.gateway.domain.cdmi.hashes import VALUE_HASH, check_algorithm
from services.gateway.domain.files import DIRECTORY, FileRecord
from services.gateway.domain.xattrs import ACL, JSON, RDF

_SYSTEM: Final = "cdmi_"
#: Items of the system's names that users may set.
_OURS: Final = frozenset({ACL, VALUE_HASH})
_MAX_NAME_BYTES = 255


def _time(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds // 1000))


def system_items(file: FileRecord) -> dict[str, str]:
    """The items the system keeps. A directory's size is told as 0."""
    return {
        "cdmi_size": "0" if file.type == DIRECTORY else str(file.size_bytes),
        "cdmi_ctime": _time(file.ctime_ms),
        "cdmi_atime": _time(file.atime_ms),
        "cdmi_mtime": _time(file.mtime_ms),
        "cdmi_owner": file.owner_id,
    }


def shown(file: FileRecord, items: Mapping[str, Any], prefixes: Sequence[str]) -> dict[str, Any]:
    """The `metadata` of an answer: everything, or what begins with one of the prefixes.

    `items`: those of users, and the ACL where there is one.
    """
    everything = {**system_items(file), **items}
    if not prefixes:
        return everything
    return {name: value for name, value in everything.items() if name.startswith(tuple(prefixes))}


def shows_acl(prefixes: Sequence[str]) -> bool:
    """Whether the ACL is among what is asked for."""
    return not prefixes or ACL.startswith(tuple(prefixes))


def shows_user_items(prefixes: Sequence[str]) -> bool:
    """Whether items of users can be among what is asked for."""
    return not prefixes or not all(prefix.startswith(_SYSTEM) for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class Change:
    """What a request changes; None leaves what there is.

    `set`: JSON texts by name. `replace_all` removes every item of users and every document that is not set.
    `acl`: as it came, since reading it takes the type of the file; an empty list removes it.
    """

    set: dict[str, bytes] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    replace_all: bool = False
    acl: Any = None
    json: bytes | None = None
    rdf: bytes | None = None
    value_hash: str | None = None

    def entries(self, *, directory: bool) -> list[ParsedEntry] | None:
        """The ACL to be set. Raises ApiError `badData` of `acl`; InvalidName for what fits no such file."""
        if self.acl is None:
            return None
        try:
            return parse(self.acl, directory=directory)
        except UnreadableAcl:
            raise ApiError("badData", {"key": "acl"}) from None


def plan(body: Any, named: Sequence[str]) -> Change | None:
    """What the `metadata` of a body (None: absent) and the names in the query change; None for nothing.

    Names that begin with `cdmi_` are the system's and are dropped, but for the ACL. Raises ApiError `badData`
    for metadata that is no object and for an ACL or RDF of the wrong type; InvalidName, NameTooLong and
    NotPermitted for names no item can have.
    """
    if body is not None and not isinstance(body, dict):
        raise ApiError("badData", {"key": "metadata"})
    given: dict[str, Any] = body or {}
    if not named:
        return None if body is None else _change(given, (), replace_all=True)
    touched = {name: given[name] for name in named if name in given}
    gone = tuple(name for name in dict.fromkeys(named) if name not in given and _is_kept(name))
    return _change(touched, gone, replace_all=False) if gone or any(map(_is_kept, touched)) else None


def _change(items: Mapping[str, Any], gone: tuple[str, ...], *, replace_all: bool) -> Change:
    for name in (*items, *gone):
        _check_name(name)
    acl = items.get(ACL)
    if ACL in items and not isinstance(acl, list):
        raise ApiError("badData", {"key": "acl"})
    return Change(
        set={name: _text(value) for name, value in items.items() if _is_plain(name)},
        remove=tuple(name for name in gone if name not in _OURS),
        replace_all=replace_all,
        acl=[] if ACL in gone else acl,
        json=_text(items[JSON]) if JSON in items else None,
        value_hash="" if VALUE_HASH in gone else _value_hash(items),
        rdf=_rdf(items[RDF]) if RDF in items else None,
    )


def _value_hash(items: Mapping[str, Any]) -> str | None:
    return check_algorithm(items[VALUE_HASH]) if VALUE_HASH in items else None


def _is_kept(name: str) -> bool:
    return name in _OURS or not name.startswith(_SYSTEM)


def _is_plain(name: str) -> bool:
    return not name.startswith(_SYSTEM) and name not in (JSON, RDF)


def _check_name(name: str) -> None:
    if not name or "\0" in name:
        raise InvalidName("not a possible name of metadata")
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise NameTooLong("the name of metadata is too long")
    if name.startswith("onedata_") and name not in (JSON, RDF):
        raise NotPermitted("the name is reserved", name=name)


def _rdf(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ApiError("badData", {"key": "metadata"})
    return value.encode()


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
