"""Attributes that are told only when wanted: the ACL, and extended attributes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runtime.identity import Identity

from . import permissions
from .custom_metadata import as_texts
from .paths import Found
from .records import AclEntry, File
from .stores import CustomMetadata, CustomMetadataStore

#: Values told with one page of a listing; a page with more ends early.
MAX_PAGE_BYTES = 4 * 1024 * 1024
#: What an entry of an ACL takes beside its identifier, at most.
ENTRY_BYTES = 16
#: Of one file: everything it can have.
MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to tell. `xattrs`: names, those of the documents among them; other reserved ones tell nothing."""

    acl: bool = False
    xattrs: frozenset[str] = frozenset()

    @property
    def bits(self) -> int:
        """Rights it needs."""
        bits = permissions.READ_ACL if self.acl else 0
        return bits | (permissions.READ_METADATA if self.xattrs else 0)


@dataclass(frozen=True, slots=True)
class Extra:
    """What is told of one file. `xattrs`: JSON texts by name."""

    acl: Sequence[AclEntry] = ()
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


#: For who wanted nothing.
NO_EXTRA = Extra()


class Extras:
    """Reads what is wanted."""

    def __init__(self, store: CustomMetadataStore) -> None:
        self._store = store

    async def of_file(self, identity: Identity, found: Found, wanted: Wanted) -> Extra:
        """Of one file. Raises `AccessDenied` without the rights."""
        permissions.require(identity, found.chain, wanted.bits, found.reach)
        file = found.file
        values = await self._values([file], wanted, limit_bytes=MAX_FILE_BYTES)
        return _extra(file, wanted, wanted.bits, values or {})

    async def of_children(
        self, identity: Identity, directory: Found, children: Sequence[Found], wanted: Wanted
    ) -> Sequence[Extra]:
        """As `of_each`; but the rights are asked at the directory, too. Raises `AccessDenied`."""
        permissions.require(identity, directory.chain, wanted.bits, directory.reach)
        return await self.of_each(identity, children, wanted)

    async def of_each(self, identity: Identity, files: Sequence[Found], wanted: Wanted) -> Sequence[Extra]:
        """Of files in their order, at least one; of fewer when there is too much to tell.

        A file that refuses the rights tells nothing of itself.
        """
        files = files[: _with_fitting_acls(files)] if wanted.acl else files
        rights = [_granted(identity, found, wanted.bits) for found in files]
        count, values = await self._fitting(files, rights, wanted)
        return [_extra(files[at].file, wanted, rights[at], values) for at in range(count)]

    async def _fitting(
        self, files: Sequence[Found], rights: Sequence[int], wanted: Wanted
    ) -> tuple[int, Mapping[str, CustomMetadata]]:
        """So many of the first files as can be told of together, and what is set on them."""
        readable = [right & permissions.READ_METADATA for right in rights]
        count = len(files)
        while count > 1:
            some = [found.file for found, reads in zip(files[:count], readable, strict=False) if reads]
            values = await self._values(some, wanted, limit_bytes=MAX_PAGE_BYTES)
            if values is not None:
                return count, values
            count //= 2
        first = [found.file for found, reads in zip(files[:1], readable, strict=False) if reads]
        return count, await self._values(first, wanted, limit_bytes=MAX_FILE_BYTES) or {}

    async def _values(
        self, files: Sequence[File], wanted: Wanted, *, limit_bytes: int
    ) -> Mapping[str, CustomMetadata] | None:
        bearers = [file.file_id for file in files if file.has_custom_metadata]
        if not bearers or not wanted.xattrs:
            return {}
        return await self._store.find_many(bearers, wanted.xattrs, limit_bytes=limit_bytes)


def _with_fitting_acls(files: Sequence[Found]) -> int:
    """How many of the first files have ACLs that can be told together, at least one."""
    size_bytes = 0
    for count, found in enumerate(files):
        size_bytes += sum(ENTRY_BYTES + 4 * len(entry.identifier) for entry in found.file.acl or ())
        if size_bytes > MAX_PAGE_BYTES and count:
            return count
    return len(files)


def _granted(identity: Identity, found: Found, bits: int) -> int:
    """Which of these bits the caller has at the file."""
    return sum(
        bit
        for bit in (permissions.READ_ACL, permissions.READ_METADATA)
        if bits & bit and permissions.allows(identity, found.chain, bit, found.reach)
    )


def _extra(file: File, wanted: Wanted, rights: int, values: Mapping[str, CustomMetadata]) -> Extra:
    acl = file.acl or () if wanted.acl and rights & permissions.READ_ACL else ()
    set_here = values.get(file.file_id)
    return Extra(acl, as_texts(set_here.xattrs) if set_here else {})
