"""Copies that take long, as they are kept."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from runtime.errors import Aborted, NotFound

from .records import FileType


class NoSuchCopy(NotFound):
    """No copy is on its way to this place."""

    reason = "NO_SUCH_COPY"


class CopyLost(Aborted):
    """Somebody else works at the copy, or it was given up."""

    reason = "COPY_LOST"


class CopyState(enum.Enum):
    """How far a copy is; `CopyService` says what each means."""

    COPYING = "copying"
    #: About to get its place: too late to be cancelled.
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    UNDOING = "undoing"
    FAILED = "failed"
    DONE = "done"


#: Whoever finds such a copy without a holder goes on with it.
WORKED_AT = (CopyState.COPYING, CopyState.PUBLISHING, CopyState.PUBLISHED)
#: It has no place yet.
UNPUBLISHED = (CopyState.COPYING, CopyState.PUBLISHING)
#: What counts as under way.
OPEN = (*WORKED_AT, CopyState.UNDOING)


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """How far the work is; totals are 0 while nobody knows them. `position` is the worker's own."""

    copied_bytes: int = 0
    copied_files: int = 0
    total_bytes: int = 0
    total_files: int = 0
    position: bytes = b""


@dataclass(frozen=True, slots=True)
class Copy:
    """One record a copy. `revision` grows by one with every change, and a replace is conditional on it.

    `epoch` counts the leases: only who has the last one may change the copy. `reserves`: it keeps its name in
    the directory from other copies. `forgotten`: nothing is to be kept of it once it is undone.
    """

    copy_id: str
    request_id: str
    user_id: str
    identity: bytes
    space_id: str
    parent_id: str
    name: str
    root_id: str
    type: FileType
    source_space_id: str
    source_id: str
    moves: bool
    workshop_id: str
    update: bytes
    started_ms: int
    changed_ms: int
    state: CopyState = CopyState.COPYING
    epoch: int = 0
    holder: str = ""
    lease_until_ms: int = 0
    barren_leases: int = 0
    progress: CopyProgress = CopyProgress()
    error_reason: str = ""
    error_message: str = ""
    reserves: bool = True
    forgotten: bool = False
    expires_ms: int | None = None
    revision: int = 1

    @property
    def is_handmade(self) -> bool:
        """Whether it has no source, so that only its holder knows what it is to be."""
        return not self.source_id

    @property
    def publish_id(self) -> str:
        """Request that gives it its place: as a step of the one that began it."""
        return f"{self.request_id}/published"

    def changed(self, **changes: Any) -> Copy:
        """The next revision, with these fields changed."""
        return replace(self, revision=self.revision + 1, **changes)


class CopyStore(Protocol):
    """All copies. What is over stays until `expires_ms`, and may be found a little longer."""

    async def insert(self, copy: Copy) -> None:
        """Adds it. Raises `IdTaken`; `NameTaken` when another one reserves the name."""
        ...

    async def find(self, copy_id: str) -> Copy | None:
        """The copy."""
        ...

    async def find_reserving(self, parent_id: str, name: str) -> Copy | None:
        """The one that reserves this name."""
        ...

    async def replace(self, copy: Copy) -> None:
        """Puts it in the place of its previous revision. Raises `RevisionConflict`, `NameTaken`."""
        ...

    async def remove(self, copy: Copy) -> None:
        """Removes it, if it is still at this revision."""
        ...

    async def list_lapsed(self, states: Sequence[CopyState], *, before_ms: int, limit: int) -> Sequence[Copy]:
        """Those in one of these states whose lease ended before that time, the longest ago first."""
        ...

    async def list(self, *, after: str, limit: int) -> Sequence[Copy]:
        """All but those that are done, by their ids, behind this one."""
        ...

    async def count_open(self, *, user_id: str = "", limit: int) -> int:
        """How many are under way, of this user if one is named; at most `limit` are counted."""
        ...
