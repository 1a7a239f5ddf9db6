"""Answers to listings, kept with the version at which the directory lists so.

Nothing is answered from here unless the metadata service has said, for this very request, that the version
still holds and that the caller may list the directory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

#: What an answer takes beside its body, about.
_ENTRY_BYTES = 2048
#: No answer takes a larger part of the memory than this.
_LARGEST_PART = 4


@dataclass(frozen=True, slots=True)
class KeptListing:
    """The body of an answer, and the version of the directory it is true at."""

    version: str
    body: bytes


class ListingMemory:
    """The listings last asked for, of so many bytes together. 0: none."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[Hashable, KeptListing] = OrderedDict()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What all of them take."""
        return self._size_bytes

    def get(self, request: Hashable) -> KeptListing | None:
        """What was kept. `request`: everything the answer depends on besides the directory's version."""
        kept = self._kept.get(request)
        if kept is not None:
            self._kept.move_to_end(request)
        return kept

    def put(self, request: Hashable, kept: KeptListing) -> None:
        """Keeps an answer in the place of an older one, and lets those go that were not asked for longest."""
        self.drop(request)
        size_bytes = len(kept.body) + _ENTRY_BYTES
        if size_bytes * _LARGEST_PART > self._capacity_bytes:
            return
        self._kept[request] = kept
        self._size_bytes += size_bytes
        while self._size_bytes > self._capacity_bytes:
            self.drop(next(iter(self._kept)))

    def drop(self, request: Hashable) -> None:
        """Forgets an answer, if it was kept."""
        kept = self._kept.pop(request, None)
        if kept is not None:
            self._size_bytes -= len(kept.body) + _ENTRY_BYTES
