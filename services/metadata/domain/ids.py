"""uuids of new files.

The uuid is made of the request and the place, so a request that is repeated, at whatever instance, means the
same file and finds it made already. It also tells the commit of an upload whether the name had to be free.
"""

from __future__ import annotations

import hashlib
import secrets

from .records import LINK_PREFIX, FileType

_SYMLINK_PREFIX = "smlnk_"
_LINK_DIGITS = 16


def new_file_id(
    request_id: str, subject_id: str, parent_id: str, name: str, *, type: FileType, exclusive: bool = True
) -> str:
    """32 hexadecimal digits; symbolic links have a prefix. Random when the request has no id."""
    if request_id:
        text = "\0".join((request_id, subject_id, parent_id, name, type.value, str(exclusive)))
        digits = hashlib.sha256(text.encode()).hexdigest()[:32]
    else:
        digits = secrets.token_hex(16)
    return _SYMLINK_PREFIX + digits if type is FileType.SYMLINK else digits


def new_link_id(request_id: str, subject_id: str, parent_id: str, name: str, target_id: str) -> str:
    """uuid of a further name of a regular file."""
    digits = new_file_id(request_id, subject_id, parent_id, name, type=FileType.REGULAR)[:_LINK_DIGITS]
    return f"{LINK_PREFIX}{digits}_file_{target_id}"


def may_take_over(file_id: str, request_id: str, subject_id: str, parent_id: str, name: str) -> bool:
    """Whether the upload that got this uuid may replace a file that took the name meanwhile."""
    return bool(request_id) and file_id == new_file_id(
        request_id, subject_id, parent_id, name, type=FileType.REGULAR, exclusive=False
    )
