"""Where an address is: what caveats on networks and countries ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of one address. `asn`, `country` (two letters) and `regions` are None or empty when not known.

    `knows_countries`: there are data about countries at all, so that not to know one says something.
    """

    asn: int | None = None
    country: str | None = None
    regions: frozenset[str] = frozenset()
    knows_countries: bool = False


class Locator(Protocol):
    """Data about addresses."""

    def find(self, address: str) -> Whereabouts:
        """What is known of an address, or of any text; in memory, without waiting."""
        ...


class NoLocator:
    """For a zone without such data: nothing is known."""

    def find(self, address: str) -> Whereabouts:
        return Whereabouts()
