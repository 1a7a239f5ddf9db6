"""How quota and usage of spaces went, as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
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
