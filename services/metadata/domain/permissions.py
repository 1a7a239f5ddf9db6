"""May this caller do this to this file? The one place where that is decided.

The order: kind of caller and membership, token caveats, protection flags, space privileges, then ACL or mode.
An operation names the bits it needs (NFSv4 masks); besides, every ancestor must be traversable.

- A service of this provider passes everything but protection flags.
- An owner of the space is treated alike, except on the directory of the space, where it is a plain member.
- Who is no member is told `FORBIDDEN`, also of spaces that do not exist; a guest is asked for credentials.
- A guest, let in by a share, never writes, needs no privilege, and is nobody's group: ACL entries for
  EVERYONE@ and ANONYMOUS@, else the last three bits of the mode, are for him.
- What is forbidden by flags or privileges is EPERM, what ACL or mode do not grant is EACCES
  (docs/decisions/0015).
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import AccessDenied, NotPermitted, SpaceNotSupported, Unauthenticated
from runtime.identity import Identity, Kind, SpacePrivilege, SpaceRights

from .caveats import Reach, Reached
from .errors import Forbidden
from .records import AclEntry, File

READ_DATA = LIST = 0x00001
WRITE_DATA = ADD_FILE = 0x00002
ADD_SUBDIRECTORY = 0x00004
READ_METADATA = 0x00008
WRITE_METADATA = 0x00010
TRAVERSE = 0x00020
DELETE_CHILD = 0x00040
READ_ATTRIBUTES = 0x00080
WRITE_ATTRIBUTES = 0x00100
DELETE = 0x10000
READ_ACL = 0x20000
WRITE_ACL = 0x40000

#: Every bit that means something for a type; an ACL may hold no other.
FILE_BITS = 0x7019B
DIRECTORY_BITS = 0x701FF

#: What a read-only token leaves.
READONLY_BITS = READ_DATA | READ_METADATA | TRAVERSE | READ_ATTRIBUTES | READ_ACL
#: What needs `space_read_data` and `space_write_data`.
READ_PRIVILEGE_BITS = READ_DATA | READ_METADATA
WRITE_PRIVILEGE_BITS = (
    WRITE_ATTRIBUTES | WRITE_DATA | ADD_SUBDIRECTORY | DELETE | DELETE_CHILD | WRITE_METADATA | WRITE_ACL
)
#: What is left above a place a token is confined to: the way down to it.
ANCESTOR_BITS = TRAVERSE | LIST | READ_ATTRIBUTES

STICKY = 0o1000
_OWNER, _GROUP, _OTHER = 6, 3, 0


def enter_space(identity: Identity, space_id: str) -> None:
    """Raises unless the caller has any business in the space.

    Whether the space is kept here at all is known to the tree; a member of a space that this provider does
    not support is told so.
    """
    if identity.kind is Kind.SERVICE:
        return
    if identity.kind is Kind.GUEST:
        raise Unauthenticated("credentials are needed")
    rights = identity.rights_in(space_id)
    if identity.kind is not Kind.USER or rights is None:
        raise Forbidden(space_id=space_id)
    if not rights.supported:
        raise SpaceNotSupported(space_id=space_id)


def require_public(identity: Identity) -> None:
    """Raises unless the caller is nobody: through a share everybody sees what the public sees."""
    if identity.kind is not Kind.GUEST:
        raise Forbidden("what is shared is read as a guest")


def require(
    identity: Identity, chain: Sequence[File], bits: int, reach: Reach, *, protected_bits: int = 0
) -> None:
    """Raises unless the caller may do what needs `bits` to the last file of `chain`.

    `chain`: the directory of the space first, each the parent of the next. `reach`: what the token's caveats
    say of this file. `protected_bits`: what protection flags forbid. Ancestors are not looked at here:
    `require_way` does it, once for all operations on a file.
    """
    file = chain[-1]
    _require_caveats(identity, bits, reach)
    if bits & protected_bits:
        raise NotPermitted("the file is protected", file_id=file.file_id)
    if passes_all(identity, file):
        return
    if bits & forbidden_bits(identity, file.space_id):
        raise NotPermitted("a space privilege is missing", file_id=file.file_id)
    parent = chain[-2] if len(chain) > 1 else None
    if not granted(identity, file, parent, bits):
        raise AccessDenied(file_id=file.file_id)


def allows(identity: Identity, chain: Sequence[File], bits: int, reach: Reach) -> bool:
    """Whether `require` would let it pass."""
    try:
        require(identity, chain, bits, reach)
    except (AccessDenied, NotPermitted):
        return False
    return True


def require_way(identity: Identity, chain: Sequence[File], reach: Reach) -> None:
    """Raises unless the caller may walk down to the last file of `chain`."""
    if reach.reached is Reached.OUTSIDE:
        raise AccessDenied("outside of what the token allows", file_id=chain[-1].file_id)
    parent: File | None = None
    for file in chain[:-1]:
        if not passes_all(identity, file) and not granted(identity, file, parent, TRAVERSE):
            raise AccessDenied(file_id=file.file_id)
        parent = file


def require_owner(identity: Identity, file: File, reach: Reach) -> None:
    """Raises unless the caller may change the mode: the owner of the file or of the space."""
    if file.is_special:
        raise NotPermitted("a directory every space has can't be changed", file_id=file.file_id)
    _require_caveats(identity, WRITE_ATTRIBUTES, reach)
    if passes_all(identity, file):
        return
    if not _rights(identity, file.space_id).has(SpacePrivilege.WRITE_DATA):
        raise NotPermitted("a space privilege is missing", file_id=file.file_id)
    if identity.subject_id != file.owner_id:
        raise AccessDenied("only the owner may", file_id=file.file_id)


def forbidden_bits(identity: Identity, space_id: str) -> int:
    """What no ACL or mode can grant the caller in this space. Raises `Forbidden` for who is no member."""
    if identity.kind is Kind.GUEST:
        return WRITE_PRIVILEGE_BITS
    rights = _rights(identity, space_id)
    forbidden = 0
    if not rights.has(SpacePrivilege.READ_DATA):
        forbidden |= READ_PRIVILEGE_BITS
    if not rights.has(SpacePrivilege.WRITE_DATA):
        forbidden |= WRITE_PRIVILEGE_BITS
    return forbidden


def passes_all(identity: Identity, file: File) -> bool:
    """Whether privileges, ACL and mode of this file are nothing to the caller."""
    if identity.kind is Kind.SERVICE:
        return True
    rights = identity.rights_in(file.space_id)
    return rights is not None and rights.owner and not file.is_root


def granted(identity: Identity, file: File, parent: File | None, bits: int) -> bool:
    """What ACL, else mode, say; nothing else is looked at."""
    if file.acl:
        return acl_grants(identity, file, file.acl, bits)
    return not bits & ~mode_bits(identity, file, parent)


def mode_bits(identity: Identity, file: File, parent: File | None) -> int:
    """Every bit that the mode of the file, and the sticky bit of its parent, grant to the caller."""
    is_owner = _is_owner(identity, file)
    member_shift = _GROUP if identity.rights_in(file.space_id) is not None else _OTHER
    shift = _OWNER if is_owner else member_shift
    rwx = file.mode >> shift & 7
    bits = READ_ATTRIBUTES | READ_ACL
    if rwx & 4:
        bits |= READ_DATA | READ_METADATA
    if rwx & 2:
        bits |= WRITE_ATTRIBUTES | WRITE_METADATA | (ADD_SUBDIRECTORY if file.is_directory else WRITE_DATA)
    if rwx & 1:
        bits |= TRAVERSE
        if rwx & 2 and file.is_directory:
            bits |= ADD_FILE | DELETE_CHILD
    if is_owner:
        bits |= DELETE | WRITE_ACL
    elif parent is None or not parent.mode & STICKY:
        bits |= DELETE
    return bits


def acl_grants(identity: Identity, file: File, acl: Sequence[AclEntry], bits: int) -> bool:
    """Top down: the first entry for this caller that has a bit decides it; the end of the list denies."""
    left = bits
    for entry in acl:
        if not left:
            break
        if not entry.mask & left or not _applies(identity, file, entry):
            continue
        if not entry.allow:
            return False
        left &= ~entry.mask
    return not left


def _applies(identity: Identity, file: File, entry: AclEntry) -> bool:
    # The special ones first: they mean the same with or without the flag of groups.
    match entry.identifier:
        case "EVERYONE@":
            return True
        case "OWNER@":
            return _is_owner(identity, file)
        case "GROUP@":
            return identity.rights_in(file.space_id) is not None
        case "ANONYMOUS@":
            return identity.kind is Kind.GUEST
    if entry.is_group:
        return entry.identifier in identity.group_ids
    return identity.kind is Kind.USER and entry.identifier == identity.subject_id


def _is_owner(identity: Identity, file: File) -> bool:
    return identity.kind is Kind.USER and identity.subject_id == file.owner_id


def _rights(identity: Identity, space_id: str) -> SpaceRights:
    rights = identity.rights_in(space_id)
    if rights is None:
        raise Forbidden(space_id=space_id)
    return rights


def _require_caveats(identity: Identity, bits: int, reach: Reach) -> None:
    if reach.reached is Reached.OUTSIDE or (reach.reached is Reached.ABOVE and bits & ~ANCESTOR_BITS):
        raise AccessDenied("outside of what the token allows")
    if identity.caveats is not None and identity.caveats.readonly and bits & ~READONLY_BITS:
        raise AccessDenied("the token is read-only")
