"""Access control lists: which ones a file can have. What they decide: `permissions`."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import InvalidName, TooMuchData

from .permissions import DIRECTORY_BITS, FILE_BITS
from .records import AclEntry, File

#: An ACL is part of the file's record and read with it.
MAX_ENTRIES = 512
MAX_IDENTIFIER_BYTES = 255


def check_acl(file: File, acl: Sequence[AclEntry]) -> tuple[AclEntry, ...] | None:
    """The ACL as the record has it; an empty one is none.

    Raises `InvalidName` for bits that mean nothing for this type of file, `TooMuchData`.
    """
    if len(acl) > MAX_ENTRIES:
        raise TooMuchData("the ACL has too many entries", limit=MAX_ENTRIES)
    for entry in acl:
        _check_entry(file, entry)
    return tuple(acl) or None


def _check_entry(file: File, entry: AclEntry) -> None:
    possible = DIRECTORY_BITS if file.is_directory else FILE_BITS
    if entry.mask & ~possible:
        raise InvalidName("the ACL has bits that this file does not know", mask=hex(entry.mask))
    if not entry.identifier or "\0" in entry.identifier:
        raise InvalidName("an entry of the ACL names nobody")
    if len(entry.identifier.encode()) > MAX_IDENTIFIER_BYTES:
        raise InvalidName("an entry of the ACL has too long a name")
