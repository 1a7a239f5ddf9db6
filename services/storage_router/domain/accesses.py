"""What users read and write, for the statistics of spaces."""

from __future__ import annotations

from typing import Protocol


class Accesses(Protocol):
    """Counts for the caller of the request under way. Cheap enough for every request."""

    def read(self, space_id: str, size_bytes: int) -> None:
        """A request has read so much of the content of a file in the space."""
        ...

    def wrote(self, space_id: str, size_bytes: int) -> None:
        """A request has published a body of so many bytes."""
        ...
