"""The numbered changes of each space, as they are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change log of a space."""

    space_id: str
    sequence: int
    collection: str
    document_id: str
    file_id: str
    revision: int
    deleted: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class LogEnds:
    """Sequence numbers of the oldest change kept and of the newest one; the first is one more when empty."""

    first: int
    last: int


class ChangeLog(Protocol):
    """The numbered changes of each space."""

    async def list(self, space_id: str, *, after_sequence: int, limit: int) -> Sequence[Change]:
        """Changes after that sequence, in order."""
        ...

    async def ends(self, space_id: str) -> LogEnds:
        """How far the log of a space reaches."""
        ...

    async def heads(self, space_ids: Collection[str]) -> Mapping[str, int]:
        """Number of the newest change of each of these spaces that has any."""
        ...
