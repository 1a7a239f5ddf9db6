"""What a request that is tried again knows its own work by.

The front door repeats a request whose instance died. Metadata remembers of each file which request changed it
last, and a request of several steps gives each step a name of its own.
"""

from __future__ import annotations

from typing import Final

from runtime.request import request_id
from services.gateway.domain.files import FileRecord

#: Steps after the first, which has the id of the request itself.
CREATED: Final = "created"
MOVED: Final = "moved"
REPLACED: Final = "replaced"
CHANGED: Final = "metadata"


def step_id(step: str) -> str:
    """The request id of a step."""
    return f"{request_id()}/{step}"


def is_ours(file: FileRecord | None) -> bool:
    """Whether the request under way, on an earlier try, made the last change of this file."""
    id = request_id()
    if file is None or not id:
        return False
    return file.last_request_id == id or file.last_request_id.startswith(f"{id}/")


def has_done(file: FileRecord | None, *steps: str) -> bool:
    """Whether the last change was one of these steps of the request under way; `""` is the first."""
    if file is None or not request_id():
        return False
    return any(file.last_request_id == (step_id(step) if step else request_id()) for step in steps)
