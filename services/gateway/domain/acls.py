"""ACLs as users write and read them: the CDMI form, and the form of the attribute `acl`.

Both fronts share this: REST sets and tells an ACL as the extended attribute `cdmi_acl`, CDMI as the metadata
item of that name. An entry in CDMI form is an object of `acetype`, `identifier`, `aceflags` and `acemask`;
type, flags and mask are names joined by commas, a list of names, or a number as `"0x…"`, and are always told
as numbers. What cannot be read is `UnreadableAcl`, which is EINVAL in REST and `badData` of `acl` in CDMI;
what can be read but fits no file is InvalidName (EINVAL) in both, here or from the metadata service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from runtime.errors import InvalidName

ALLOW: Final = 0x0
DENY: Final = 0x1
IDENTIFIER_GROUP: Final = 0x40

#: Principals that are no user and no group.
SPECIAL: Final = frozenset({"OWNER@", "GROUP@", "EVERYONE@", "ANONYMOUS@"})

_TYPES: Mapping[str, int] = {"ALLOW": ALLOW, "DENY": DENY, "AUDIT": 0x2}
_FLAGS: Mapping[str, int] = {
    "NO_FLAGS": 0x0,
    "OBJECT_INHERIT": 0x1,
    "CONTAINER_INHERIT": 0x2,
    "NO_PROPAGATE": 0x4,
    "INHERIT_ONLY": 0x8,
    "IDENTIFIER_GROUP": IDENTIFIER_GROUP,
    "INHERITED": 0x80,
}
#: Names for objects and containers are taken for both; the file's own type decides which bits fit.
_MASKS: Mapping[str, int] = {
    "READ_OBJECT": 0x1,
    "LIST_CONTAINER": 0x1,
    "WRITE_OBJECT": 0x2,
    "ADD_OBJECT": 0x2,
    "APPEND_DATA": 0x4,
    "ADD_SUBCONTAINER": 0x4,
    "READ_METADATA": 0x8,
    "WRITE_METADATA": 0x10,
    "EXECUTE": 0x20,
    "TRAVERSE_CONTAINER": 0x20,
    "DELETE_OBJECT": 0x40,
    "DELETE_SUBCONTAINER": 0x40,
    "READ_ATTRIBUTES": 0x80,
    "WRITE_ATTRIBUTES": 0x100,
    "WRITE_RETENTION": 0x200,
    "WRITE_RETENTION_HOLD": 0x400,
    "DELETE": 0x10000,
    "READ_ACL": 0x20000,
    "WRITE_ACL": 0x40000,
    "WRITE_OWNER": 0x80000,
    "SYNCHRONIZE": 0x100000,
}
_FILE_BITS: Final = 0x7019B
_DIRECTORY_BITS: Final = 0x701FF
#: Names for many bits, of which those are meant that fit the file.
_COMPOSITES: Mapping[str, int] = {
    "ALL_PERMS": 0x1F07FF,
    "RW_ALL": 0x601DF,
    "RW": 0x1F,
    "READ_ALL": 0x9,
}
_DELETE_CHILD: Final = frozenset({"DELETE_OBJECT", "DELETE_SUBCONTAINER"})

_HEX = re.compile(r"0x[0-9a-fA-F]{1,8}")
_KEYS: Final = ("acetype", "identifier", "aceflags", "acemask")


class UnreadableAcl(InvalidName):
    """Not an ACL in CDMI form."""


class Entry(Protocol):
    """One entry as the metadata service tells it."""

    @property
    def allow(self) -> bool: ...
    @property
    def identifier(self) -> str: ...
    @property
    def mask(self) -> int: ...
    @property
    def is_group(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """One entry as a user wrote it."""

    allow: bool
    identifier: str
    mask: int
    is_group: bool = False


class PrincipalNames(Protocol):
    """Who is behind the ids of an ACL."""

    async def of_acl(self, space_id: str, acl: Sequence[Entry]) -> Mapping[str, str]:
        """Names of users and groups by id, as far as they are known now. Never fails."""
        ...


def parse(value: Any, *, directory: bool) -> list[ParsedEntry]:
    """A list of entries in CDMI form, for a directory or for another file; empty means no ACL.

    Raises `UnreadableAcl` for what cannot be read, `InvalidName` for types, flags and pairs of bits that are
    known and not taken.
    """
    if not isinstance(value, list):
        raise UnreadableAcl("an ACL is a list")
    return [_parse_entry(entry, directory=directory) for entry in value]


def _parse_entry(entry: Any, *, directory: bool) -> ParsedEntry:
    if not isinstance(entry, dict) or any(key not in entry for key in _KEYS):
        raise UnreadableAcl("an entry of an ACL has acetype, identifier, aceflags and acemask")
    if not isinstance(entry["acetype"], str):
        raise UnreadableAcl("acetype is a text")
    type = _number(entry["acetype"], _TYPES)
    flags = _number(entry["aceflags"], _FLAGS)
    if type not in (ALLOW, DENY) or flags & ~IDENTIFIER_GROUP:
        raise InvalidName("the ACL has a type or a flag that is not supported")
    mask = _mask(entry["acemask"], directory=directory)
    return ParsedEntry(type == ALLOW, _identifier(entry["identifier"]), mask, flags == IDENTIFIER_GROUP)


def _mask(value: Any, *, directory: bool) -> int:
    fitting = _DIRECTORY_BITS if directory else _FILE_BITS
    names = {**_MASKS, **{name: bits & fitting for name, bits in _COMPOSITES.items()}}
    mask = _number(value, names)
    if _DELETE_CHILD.isdisjoint(given := set(_words(value))) or given >= _DELETE_CHILD:
        return mask
    raise InvalidName("DELETE_OBJECT and DELETE_SUBCONTAINER come together")


def _number(value: Any, names: Mapping[str, int]) -> int:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return int(value, 16)
    number = 0
    for word in _words(value):
        if word not in names:
            raise UnreadableAcl("an ACL has an unknown name", name=word[:64])
        number |= names[word]
    return number


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return value
    raise UnreadableAcl("names of an ACL are a text or a list of texts")


def _identifier(value: Any) -> str:
    """`NAME#ID` and `ID` mean the id; what the name says is not looked at."""
    if not isinstance(value, str):
        raise UnreadableAcl("an identifier is a text")
    id = value.rpartition("#")[2]
    if not id or (id.endswith("@") and value not in SPECIAL):
        raise UnreadableAcl("the identifier names nobody", identifier=value[:64])
    return id


def cdmi_form(acl: Iterable[Entry], names: Mapping[str, str]) -> list[dict[str, str]]:
    """The ACL as `cdmi_acl` tells it. `names`: of users and groups by id, as far as they are known."""
    return [
        {
            "acetype": f"0x{ALLOW if entry.allow else DENY:X}",
            "identifier": _shown(entry.identifier, names),
            "aceflags": f"0x{IDENTIFIER_GROUP if entry.is_group else 0:X}",
            "acemask": f"0x{entry.mask:X}",
        }
        for entry in acl
    ]


def _shown(identifier: str, names: Mapping[str, str]) -> str:
    name = names.get(identifier)
    return f"{name}#{identifier}" if name else identifier


def attribute_form(acl: Iterable[Entry]) -> list[dict[str, Any]]:
    """The ACL as the attribute `acl` tells it."""
    return [
        {
            "aceType": "ALLOW" if entry.allow else "DENY",
            "identifier": entry.identifier,
            "aceFlags": IDENTIFIER_GROUP if entry.is_group else 0,
            "aceMask": entry.mask,
        }
        for entry in acl
    ]


def principals(acl: Sequence[Entry]) -> tuple[set[str], set[str]]:
    """Ids of the users and of the groups an ACL names."""
    named = [entry for entry in acl if entry.identifier not in SPECIAL]
    users = {entry.identifier for entry in named if not entry.is_group}
    return users, {entry.identifier for entry in named if entry.is_group}
