"""Shares that are half made or half ended, as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ShareNote:
    """A share that is being made, or (`ending`) ended: at the record of its root file and at the zone.

    `user_id`, `peer_ip`: for whom, and where his request came from.
    """

    share_id: str
    space_id: str
    file_id: str
    ending: bool
    time_ms: int
    user_id: str = ""
    peer_ip: str = ""


class ShareNoteStore(Protocol):
    """Shares that are half made or half ended; none in quiet times."""

    async def put(self, note: ShareNote) -> None:
        """Adds it or replaces the one of the same share."""
        ...

    async def find(self, share_id: str) -> ShareNote | None:
        """The note of a share."""
        ...

    async def remove(self, share_id: str) -> None:
        """Removes it, if it is there."""
        ...

    async def list(self, *, before_ms: int, limit: int) -> Sequence[ShareNote]:
        """Those since before that time, oldest first."""
        ...
