"""Notes of changes in memory, under the same contract as MongoDB."""

from __future__ import annotations

from services.zone.domain.entities import Note


class MemoryAuditStore:
    """Answers AuditStore."""

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    async def begin(self, note: Note) -> None:
        self._notes[note.id] = note

    async def finish(self, note: Note) -> None:
        self._notes[note.id] = note

    async def cancel(self, note_id: str) -> None:
        self._notes.pop(note_id, None)

    async def list(self, *, who: str | None, about: str | None, before: str | None, limit: int) -> list[Note]:
        found = [
            note
            for note in self._notes.values()
            if who in (None, note.who, note.on_behalf_of)
            and (about is None or about in note.about)
            and (before is None or note.id < before)
        ]
        return sorted(found, key=lambda note: note.id, reverse=True)[:limit]
