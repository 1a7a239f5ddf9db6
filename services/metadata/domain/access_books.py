"""Who read and wrote how much, as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

#: Users are counted by these slots: who was there within one was connected.
USERS_STEP_S = 300


@dataclass(frozen=True, slots=True)
class Sums:
    """Bytes of content, and the requests that moved them."""

    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Sums)))


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody read and wrote in a space. `user_id` is empty for those whom nobody knows."""

    space_id: str
    user_id: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Told:
    """What one process (`holder`) counted since it told before. `sequence` grows with every time."""

    holder: str
    sequence: int
    time_s: int
    accesses: Sequence[Access]

    def by_space(self) -> dict[str, Sums]:
        """Sums of all that happened in each space."""
        totals: dict[str, Sums] = {}
        for access in self.accesses:
            totals[access.space_id] = totals.get(access.space_id, Sums()) + access.sums
        return totals

    def by_user(self) -> dict[tuple[str, str], Sums]:
        """Sums of those who are known, by space and user."""
        totals: dict[tuple[str, str], Sums] = {}
        for access in self.accesses:
            if access.user_id:
                key = access.space_id, access.user_id
                totals[key] = totals.get(key, Sums()) + access.sums
        return totals


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """Sums of the step that began then. `users`: how many were there last; of a space only."""

    time_s: int
    sums: Sums
    users: int = 0


class AccessHistoryStore(Protocol):
    """Sums by space, by user (empty: all of the space) and by width of step."""

    async def note(self, told: Told) -> None:
        """Adds it to the steps it falls into, in one transaction; nothing happens when it was noted before.

        A user not seen before in a slot of `USERS_STEP_S` counts once for its space; the steps wider than
        that have the count of their last slot. Raises `RevisionConflict` when another was faster.
        """
        ...

    async def list(self, space_id: str, user_id: str, step_s: int, *, since_s: int) -> Sequence[AccessPoint]:
        """Steps that began then or later, oldest first; those without accesses are left out."""
        ...
