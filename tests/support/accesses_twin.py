"""Notes what is counted, and for whom."""

from __future__ import annotations

from runtime.request import current_call


class AccessesTwin:
    """Keeps each access as (kind, space, user, bytes)."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str, str, int]] = []

    def read(self, space_id: str, size_bytes: int) -> None:
        self._note("read", space_id, size_bytes)

    def wrote(self, space_id: str, size_bytes: int) -> None:
        self._note("wrote", space_id, size_bytes)

    def _note(self, kind: str, space_id: str, size_bytes: int) -> None:
        identity = current_call.get().identity
        self.noted.append((kind, space_id, identity.subject_id if identity else "", size_bytes))
