"""CDMI addresses: paths, object ids and capability objects; sources of copies and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.http.cdmi import BY_ID, CAPABILITY_IDS, capability_of, object_id
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId
from runtime.http.paths import decode_segment, quote_segment, split_path

#: What a copy can be made of.
_COPIED_FIELDS: Final = frozenset({"value", "children", "metadata", "mimetype", "valuetransferencoding"})


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL below `/cdmi` names.

    `names` are decoded, relative to `object_id` where that is set, else from the root. `container`: the form
    with a slash at the end. `capability`: address of a capability object. `impossible`: no object can have
    this address.
    """

    names: tuple[str, ...] = ()
    container: bool = True
    object_id: FileId | None = None
    capability: str | None = None
    impossible: bool = False


def parse(raw_path: bytes) -> Address:
    """The address of a raw path below `/cdmi` (with its leading slash, if any).

    Raises ApiError `badValueIdentifier` with key `file_id`, and `badValueFilePath`.
    """
    container = not raw_path or raw_path.endswith(b"/")
    bare = raw_path.lstrip(b"/").decode("latin-1")
    if bare in CAPABILITY_IDS:
        return Address(capability=bare)
    head, _, rest = raw_path.lstrip(b"/").partition(b"/")
    if decode_segment(head) == BY_ID and (rest or container):
        return _by_id(rest, container=container)
    return _of_names(split_path(raw_path, fold=False), container=container)


def _by_id(rest: bytes, *, container: bool) -> Address:
    segment, _, tail = rest.partition(b"/")
    text = decode_segment(segment)
    capability = capability_of(text)
    if capability is not None and not tail.strip(b"/"):
        return Address(capability=capability)
    return _of_names(split_path(tail, fold=False), container=container, base=object_id(text, "file_id"))


def _of_names(names: Sequence[str], *, container: bool, base: FileId | None = None) -> Address:
    return Address(tuple(names), container, base, impossible=".." in names)


def parse_source(source: Any, key: str) -> Address:
    """The source of a copy or move (`key`): a path from the root, or `cdmi_objectid/ID[/path]`.

    It is plain text, not percent-encoded; a leading slash and a trailing one change nothing.
    """
    if not isinstance(source, str):
        raise ApiError("badData", {"key": key})
    if "\0" in source:
        raise ApiError("badValueFilePath")
    names = [name for name in source.split("/") if name not in ("", ".")]
    container = source.endswith("/")
    if names and names[0] == BY_ID:
        if len(names) < 2:
            raise ApiError("badValueIdentifier", {"key": key})
        return _of_names(names[2:], container=container, base=object_id(names[1], key))
    return _of_names(names, container=container)


def split_fields(source: Any) -> tuple[Any, frozenset[str] | None]:
    """The source of a copy, and the fields it is to be made of; None for all.

    They follow a `?`, separated by `;`. A text of anything else is part of a name: files that came by other
    ways may have one with a `?`.
    """
    if not isinstance(source, str):
        return source, None
    path, mark, text = source.rpartition("?")
    fields = frozenset(text.split(";"))
    if not mark or not fields <= _COPIED_FIELDS:
        return source, None
    return path, fields


def to_url_path(names: Sequence[str], *, container: bool) -> str:
    """The percent-encoded path of an object below `/cdmi`, with its leading slash."""
    path = "".join(f"/{quote_segment(name)}" for name in names)
    return f"{path}/" if container else path
