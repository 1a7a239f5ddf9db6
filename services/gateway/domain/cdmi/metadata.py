"""CDMI metadata: what is shown of a file, and what a request changes.

ACLs and the JSON and RDF documents are not kept yet: setting one is refused aloud, never dropped silently.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import InvalidName, NameTooLong
from runtime.http.errors import ApiError
from services.gateway.domain.files import DIRECTORY, FileRecord

_ACL = "cdmi_acl"
_NOT_KEPT = frozenset({"onedata_json", "onedata_rdf"})
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


def shown(file: FileRecord, user_items: Mapping[str, Any], prefixes: Sequence[str]) -> dict[str, Any]:
    """The `metadata` of an answer: everything, or what begins with one of the prefixes."""
    items = {**system_items(file), **user_items}
    if not prefixes:
        return items
    return {name: value for name, value in items.items() if name.startswith(tuple(prefixes))}


@dataclass(frozen=True, slots=True)
class Change:
    """User items to set and to remove; `replace_all` removes everything that is not set."""

    set: dict[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    replace_all: bool = False


def plan(body: Any, named: Sequence[str]) -> Change | None:
    """What the `metadata` of a body (None: absent) and the names in the query change; None for nothing.

    Names that begin with `cdmi_` are the system's and are dropped. Raises ApiError `badData` for metadata
    that is no object, and `notSupported` for items that would have to be kept elsewhere; InvalidName and
    NameTooLong for names no item can have.
    """
    if body is not None and not isinstance(body, dict):
        raise ApiError("badData", {"key": "metadata"})
    given: dict[str, Any] = body or {}
    touched = {name: given[name] for name in named if name in given} if named else given
    for name, value in touched.items():
        if name in _NOT_KEPT or (name == _ACL and value):
            raise ApiError("notSupported")
        _check_name(name)
    items = {name: value for name, value in touched.items() if not name.startswith("cdmi_")}
    if named:
        gone = tuple(name for name in named if name not in given and _removable(name))
        return Change(items, gone) if items or gone else None
    return None if body is None else Change(items, replace_all=True)


def _check_name(name: str) -> None:
    if not name or "\0" in name:
        raise InvalidName("not a possible name of metadata")
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise NameTooLong("the name of metadata is too long")


def _removable(name: str) -> bool:
    return bool(name) and not name.startswith("cdmi_") and name not in _NOT_KEPT
