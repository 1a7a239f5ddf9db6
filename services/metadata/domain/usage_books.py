"""How quota and usage of spaces went, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """Quota and usage of a space as they were last in the step that began then."""

    time_s: int
    quota_bytes: int
    used_bytes: int


class UsageHistoryStore(Protocol):
    """Samples by space and width of step."""

    async def put(self, space_id: str, step_s: int, point: UsagePoint, *, keep: int) -> None:
        """Adds the newest point or replaces the one of the same step; the newest `keep` stay."""
        ...

    async def list(self, space_id: str, step_s: int) -> Sequence[UsagePoint]:
        """All points, oldest first."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class OwnerKey:
    """Who owns files in which space."""

    space_id: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class HeldPage:
    """Bytes of content held here by the files of one page, and the id after which the next begins.

    `next_id`: empty after the last page.
    """

    held_bytes: Mapping[OwnerKey, int]
    next_id: str


@dataclass(frozen=True, slots=True)
class HeldPoint:
    """The bytes of an owner from the step on that began then, up to the next point."""

    time_s: int
    held_bytes: int


class OwnerUsageStore(Protocol):
    """What belongs to whom, and how that went."""

    async def count_page(self, *, after: str, limit: int) -> HeldPage:
        """Sums up those alive of so many files with ids after that one. One round trip, a small one."""
        ...

    async def list_last(self, *, after: OwnerKey | None, limit: int) -> Mapping[OwnerKey, int]:
        """What was noted last, in the order of the keys."""
        ...

    async def note(self, held_bytes: Mapping[OwnerKey, int], now_s: int) -> None:
        """Makes these the last values of the steps of now, of every width. Safe to repeat."""
        ...

    async def forget(self, *, before_s: int) -> None:
        """Removes who has owned nothing since before that time."""
        ...

    async def list(self, key: OwnerKey, step_s: int) -> Sequence[HeldPoint]:
        """The points at which it changed, oldest first; the newest of them, as many as steps are told."""
        ...
