"""File ids as users see them: CDMI object ids around the text `guid#<uuid>#<spaceId>`.

byte 0      0               byte 5      length of the data, modulo 256
bytes 1-3   enterprise, 0   bytes 6-7   CRC-16/ARC of the whole id with these two bytes zero
byte 4      0               bytes 8...  the guid text
"""

from __future__ import annotations

import base64
import binascii
import struct
from array import array
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

from runtime.http.errors import ApiError
from runtime.identity import Identity, Kind

#: Pseudo space of the directory that lists a user's spaces.
ROOT_SPACE_ID = "rootDirVirtualSpaceId"

_HEADER_SIZE = 8
_MAX_DATA_SIZE = 320


@dataclass(frozen=True, slots=True)
class FileId:
    """A file in a space, or as seen through a share."""

    space_id: str
    uuid: str
    share_id: str | None = None

    @property
    def is_space_root(self) -> bool:
        """Whether this is the directory of the space itself."""
        return self.uuid == f"space_{self.space_id}"

    @property
    def is_user_root(self) -> bool:
        """Whether this is a directory that lists a user's spaces."""
        return self.space_id == ROOT_SPACE_ID


def _crc_tables() -> tuple[array[int], array[int]]:
    """What a byte, and what two at once, make of the CRC they meet."""
    of_byte = array("H")
    for crc in range(1 << 8):
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        of_byte.append(crc)

    def after(crc: int) -> int:
        return crc >> 8 ^ of_byte[crc & 0xFF]

    # What both bytes of a CRC come to is what each alone does, together.
    low = [after(after(crc)) for crc in range(1 << 8)]
    return of_byte, array(
        "H", [high ^ each for high in (after(crc) for crc in range(1 << 8)) for each in low]
    )


_CRC_OF_BYTE, _CRC_OF_PAIR = _crc_tables()


def crc16(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, initial 0, no final xor."""
    crc, of_pair = 0, _CRC_OF_PAIR
    pairs, odd = divmod(len(data), 2)
    for pair in struct.unpack_from(f"<{pairs}H", data):
        crc = of_pair[crc ^ pair]
    return crc >> 8 ^ _CRC_OF_BYTE[(crc ^ data[-1]) & 0xFF] if odd else crc


def encode_data(data: bytes) -> str:
    """The object id around any data part."""
    head = bytes((0, 0, 0, 0, 0, len(data) & 0xFF))
    crc = crc16(head + b"\0\0" + data)
    return (head + crc.to_bytes(2, "big") + data).hex().upper()


@lru_cache(maxsize=16_384)
def encode(space_id: str, uuid: str, share_id: str | None = None) -> str:
    """The object id of a file, upper-case hexadecimal: what REST calls `fileId`."""
    return encode_data(_text(space_id, uuid, share_id).encode())


def _text(space_id: str, uuid: str, share_id: str | None) -> str:
    if share_id is None:
        return f"guid#{uuid}#{space_id}"
    return f"shareGuid#{uuid}#{space_id}#{share_id}"


@lru_cache(maxsize=16_384)
def decode(text: str) -> FileId | None:
    """The file an object id means, or None for what is no object id.

    Lower case is taken, CRC and length are not checked, as in the original.
    """
    if not 2 * _HEADER_SIZE < len(text) <= 2 * (_HEADER_SIZE + _MAX_DATA_SIZE) or not text.isascii():
        return None
    try:
        # unhexlify takes no blanks, as bytes.fromhex would.
        raw = binascii.unhexlify(text)
        return _parse(raw[_HEADER_SIZE:].decode())
    except ValueError:
        return None


def _parse(guid: str) -> FileId | None:
    if not guid.isprintable():
        return None
    match guid.split("#"):
        case ["guid", uuid, space_id] if uuid and space_id:
            return FileId(space_id, uuid)
        case ["shareGuid", uuid, space_id, share_id] if uuid and space_id and share_id:
            return FileId(space_id, uuid, share_id)
    return None


def to_guid(file_id: FileId) -> str:
    """The guid: the same text in URL-safe base64 without padding."""
    text = _text(file_id.space_id, file_id.uuid, file_id.share_id)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_guid(guid: str) -> FileId | None:
    """The file a guid means, or None for what is no guid."""
    try:
        padded = guid.encode("ascii") + b"=" * (-len(guid) % 4)
        return _parse(base64.urlsafe_b64decode(padded).decode())
    except ValueError:
        return None


def space_root(space_id: str) -> FileId:
    """The directory of a space."""
    return FileId(space_id, f"space_{space_id}")


def user_root(user_id: str) -> FileId:
    """The directory that lists the spaces of a user."""
    return FileId(ROOT_SPACE_ID, f"userRoot_{user_id}")


def resolve_id(
    segment: str, identity: Identity, *, provider_id: str, supported_spaces: Container[str] = ()
) -> FileId:
    """The file that `{id}` of a REST path means: an object id, or the bare id of a space supported here.

    `supported_spaces` are spaces known to be supported besides those of the caller. Raises ApiError
    `spaceNotSupportedBy` for everything else. Whether the caller may touch it is `check_member`'s to say,
    which comes after the parameters were checked.
    """
    file_id = decode(segment)
    if file_id is not None:
        return file_id
    rights = identity.spaces.get(segment)
    if (rights is not None and rights.supported) or segment in supported_spaces:
        return space_root(segment)
    raise ApiError("spaceNotSupportedBy", {"spaceId": segment, "providerId": provider_id})


def check_member(identity: Identity, file_id: FileId, *, provider_id: str) -> None:
    """Refuses who is no member of the file's space (403), then what is not supported here (400)."""
    if file_id.space_id == ROOT_SPACE_ID:
        if identity.kind is Kind.USER and file_id.uuid == f"userRoot_{identity.subject_id}":
            return
        raise ApiError("forbidden")
    rights = identity.spaces.get(file_id.space_id)
    if rights is None:
        raise ApiError("unauthorized" if identity.kind is Kind.GUEST else "forbidden")
    if not rights.supported:
        raise ApiError("spaceNotSupportedBy", {"spaceId": file_id.space_id, "providerId": provider_id})
