"""The change log of memory stores, written by looking at what changed since the last look."""

from __future__ import annotations

from services.metadata.domain.change_books import Change
from services.metadata.domain.locations import Location
from services.metadata.domain.records import File
from services.metadata.domain.stores import CustomMetadata, Stores
from services.metadata.store.memory import MemoryCustomMetadataStore, MemoryFileStore
from services.metadata.store.memory_contents import MemoryChangeLog, MemoryLocationStore

Record = File | Location | CustomMetadata


class Journal:
    """Numbers changes as the sequencer does; of several of one record it sees only the newest."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._seen: dict[tuple[str, str], int] = {}

    def note(self) -> None:
        """Appends what changed since the last call."""
        for collection, records in self._collections():
            for record in records:
                key = (collection, record.file_id)
                if self._seen.get(key, 0) < record.revision:
                    self._seen[key] = record.revision
                    self._append(collection, record)

    def _collections(self) -> list[tuple[str, list[Record]]]:
        files, locations, custom = self._stores.files, self._stores.locations, self._stores.custom_metadata
        assert isinstance(files, MemoryFileStore)
        assert isinstance(locations, MemoryLocationStore)
        assert isinstance(custom, MemoryCustomMetadataStore)
        kept = list(files._files.values())
        first = [file.location for file in kept if file.location is not None]
        return [
            ("locations", [*first, *locations._locations.values()]),
            ("files", [*kept]),
            ("custom_metadata", [*custom._metadata.values()]),
        ]

    def _append(self, collection: str, record: Record) -> None:
        assert isinstance(self._stores.changes, MemoryChangeLog)
        log = self._stores.changes.changes.setdefault(record.space_id, [])
        sequence = log[-1].sequence + 1 if log else 1
        change = Change(
            record.space_id, sequence, collection, record.file_id, record.file_id, record.revision, False, 0
        )
        log.append(change)
