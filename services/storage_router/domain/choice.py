"""Where new bytes go: which storage, and under which id.

The layout is flat: `/<space>/<u1>/<u2>/<u3>/<name>`, three folders from the first three characters of the
name, so that no folder grows without bound and renaming a file never touches the storage. The name is
random for whole content, so a replacement never meets what it replaces; it is the file's own id for bytes
patched into a file that has none yet, so that patchers at the same time write into one storage file.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

#: Files a sweep may judge: nothing that does not look like ours is ever touched.
_OURS = re.compile(r"/[^/]+/(?:([0-9a-f])/([0-9a-f])/([0-9a-f])/\1\2\3[0-9a-f]{5,}|other/[^/]+)")

NewName = Callable[[], str]


def random_name() -> str:
    """32 hex digits nobody has used before.

    From the interpreter's generator, which the kernel seeds: asking the kernel for each name would give up
    the interpreter's lock each time. A name is no secret, and creating its file fails where it is taken.
    """
    return f"{random.getrandbits(128):032x}"


def storage_file_id(space_id: str, name: str) -> str:
    """The id of the storage file with this name in the flat layout of a space."""
    if len(name) < 3 or not name[:3].isalnum():
        return f"/{space_id}/other/{name}"
    return f"/{space_id}/{name[0]}/{name[1]}/{name[2]}/{name}"


def is_ours(storage_file_id: str) -> bool:
    """Whether an id has the shape this service gives its storage files."""
    return _OURS.fullmatch(storage_file_id) is not None
