"""Codes for downloads, as they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DownloadMark:
    """All that was sent up to `offset` had this digest."""

    offset: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Download:
    """A code and what it is good for. `key`: digest of the code, which itself is kept nowhere.

    `identity`: the signed identity of who made it. `started_by`: the request that used it.
    """

    key: str
    space_id: str
    file_id: str
    name: str
    identity: bytes
    expires_ms: int
    share_id: str = ""
    started_by: str = ""
    started_ms: int = 0
    marks: tuple[DownloadMark, ...] = ()


class DownloadStore(Protocol):
    """Codes that live; others are as good as gone, and are removed some time later."""

    async def insert(self, download: Download) -> None:
        """Adds one."""
        ...

    async def start(
        self, key: str, *, request_id: str, resume: bool, now_ms: int, expires_ms: int
    ) -> Download | None:
        """Marks it as started by this request, if it is not started yet, and prolongs its life; at once.

        None when there is none that lives, or when it was started by another request and `resume` is not set.
        """
        ...

    async def note(self, key: str, mark: DownloadMark, *, keep: int, expires_ms: int) -> None:
        """Adds a mark, keeps the `keep` latest ones, and prolongs the life. Nothing happens without one."""
        ...
