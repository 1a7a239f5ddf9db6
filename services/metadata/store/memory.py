"""The stores in memory: a twin of those in MongoDB, with the same promises under the same tests.

No method gives up the event loop between reading and changing, which is what makes each of them atomic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from runtime.errors import DirectoryNotEmpty, IsthmusError, NoSuchFile
from services.metadata.domain.columns import Columns, columns_of
from services.metadata.domain.errors import IdTaken, NameTaken, OneRefused, RenameIntoItself, RevisionConflict
from services.metadata.domain.locations import Location
from services.metadata.domain.records import HIDDEN_PREFIX, File, trash_id
from services.metadata.domain.share_books import ShareNote
from services.metadata.domain.stores import CustomMetadata, Position, Stores, TreeChange
from services.metadata.domain.usage_books import UsagePoint

from .memory_access_history import MemoryAccessHistoryStore
from .memory_contents import MemoryChangeLog, MemoryIntentStore, MemoryLocationStore, MemoryQuotaStore
from .memory_copies import MemoryCopyStore
from .memory_dir_stats import MemoryDirStatsStore
from .memory_downloads import MemoryDownloadStore
from .memory_owner_usage import MemoryOwnerUsageStore
from .memory_queues import MemoryQueueStore


class MemoryFileStore:
    """Files in a dictionary, and the names alive in another."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._names: dict[tuple[str, str, str], str] = {}

    def all(self) -> Sequence[File]:
        """Every record, for the twins of what MongoDB finds in the same collection."""
        return list(self._files.values())

    async def find(self, file_id: str) -> File | None:
        return self._files.get(file_id)

    async def find_named(self, parent_id: str, name: str) -> Sequence[File]:
        return [file for file in self._children(parent_id) if file.name == name]

    async def insert(self, file: File) -> None:
        self._insert(file)

    async def insert_link(self, link: File, file: File, *, replaced: File | None = None) -> None:
        self._require_previous(file)
        self._insert(link, replaced)
        self._put(file)

    async def insert_many(self, files: Sequence[File]) -> Sequence[IsthmusError | None]:
        outcomes: list[IsthmusError | None] = []
        for file in files:
            try:
                await self.insert(file)
                outcomes.append(None)
            except (IdTaken, NameTaken) as error:
                outcomes.append(error)
        return outcomes

    async def replace(self, file: File) -> None:
        self._require_previous(file)
        self._require_free(file)
        self._put(file)

    async def replace_many(self, files: Sequence[File]) -> None:
        for file in files:
            try:
                await self.replace(file)
            except (RevisionConflict, NameTaken):
                continue

    async def move(self, file: File, *, replaced: File | None, new_ancestry: bool) -> None:
        self._require_previous(file)
        if new_ancestry:
            self._require_above(file)
        self._put_in_place(file, replaced)

    async def change_together(self, changes: Sequence[TreeChange]) -> None:
        files, names = dict(self._files), dict(self._names)
        # New records come last: a name they take may have been made free.
        for index, change in sorted(enumerate(changes), key=lambda item: item[1].is_new):
            try:
                if change.is_new:
                    self._insert(change.file, change.replaced)
                else:
                    await self.move(change.file, replaced=change.replaced, new_ancestry=change.new_ancestry)
            except IsthmusError as error:
                self._files, self._names = files, names
                raise OneRefused(index, error) from error

    async def list_children(
        self, parent_id: str, *, start: Position | None, inclusive: bool, limit: int
    ) -> Sequence[File]:
        begin = ("", "") if start is None else (start.name, start.named_by)
        files = [
            file
            for file in self._visible(parent_id)
            if _key(file) > begin or (inclusive and _key(file) == begin)
        ]
        return sorted(files, key=_key)[:limit]

    async def list_columns(
        self, parent_id: str, fields: Collection[str], *, start: Position | None, inclusive: bool, limit: int
    ) -> Columns:
        files = await self.list_children(parent_id, start=start, inclusive=inclusive, limit=limit)
        return columns_of(files, fields)

    async def list_columns_of(
        self, parent_ids: Collection[str], fields: Collection[str], *, limit: int
    ) -> Columns:
        files = [file for each in sorted(parent_ids) for file in sorted(self._visible(each), key=_key)]
        return columns_of(files[:limit], {*fields, "parent_id"})

    async def list_before(self, parent_id: str, *, end: Position, limit: int) -> Sequence[File]:
        files = [file for file in self._visible(parent_id) if _key(file) < (end.name, end.named_by)]
        return sorted(files, key=_key, reverse=True)[:limit]

    async def list_names(self, parent_id: str, names: Collection[str]) -> Sequence[File]:
        return sorted((file for file in self._children(parent_id) if file.name in names), key=_key)

    async def has_children(self, parent_id: str) -> bool:
        return self._has_children(parent_id)

    async def find_deleted(self, delete_op: str) -> File | None:
        return next((file for file in self._files.values() if file.delete_op == delete_op), None)

    async def list_trashed(self, *, before_ms: int, limit: int) -> Sequence[File]:
        trashed = [(file.trashed.due_ms, file) for file in self._files.values() if file.trashed is not None]
        return _oldest(trashed, before_ms, limit)

    async def list_cleanups(self, *, before_ms: int, limit: int) -> Sequence[File]:
        due = [(file.cleanup_ms, file) for file in self._files.values() if file.cleanup_ms is not None]
        return _oldest(due, before_ms, limit)

    async def purge(self, *, before_ms: int, limit: int) -> Sequence[str]:
        due = [(file.purge_ms, file) for file in self._files.values() if file.purge_ms is not None]
        gone = [file.file_id for file in _oldest(due, before_ms, limit)]
        for file_id in gone:
            del self._files[file_id]
        return gone

    def first_locations(self) -> Iterator[Location]:
        """Locations that are still in the record of their file."""
        return (file.location for file in self._files.values() if file.location is not None)

    def first_location(self, file_id: str) -> Location | None:
        """The location in the record of this file."""
        file = self._files.get(file_id)
        return None if file is None else file.location

    def _insert(self, file: File, replaced: File | None = None) -> None:
        if file.file_id in self._files:
            raise IdTaken(file_id=file.file_id)
        self._put_in_place(file, replaced)

    def _put_in_place(self, file: File, replaced: File | None) -> None:
        if replaced is not None:
            self._require_previous(replaced)
            if replaced.is_directory and self._has_children(replaced.file_id):
                raise DirectoryNotEmpty(file_id=replaced.file_id)
        self._require_free(file, making_room=replaced)
        if replaced is not None:
            self._put(replaced)
        self._put(file)

    def _put(self, file: File) -> None:
        old = self._files.get(file.file_id)
        if old is not None and not old.deleted:
            del self._names[_name(old)]
        self._files[file.file_id] = file
        if not file.deleted:
            self._names[_name(file)] = file.file_id

    def _require_previous(self, file: File) -> None:
        old = self._files.get(file.file_id)
        if old is None or old.revision != file.revision - 1:
            raise RevisionConflict(file_id=file.file_id)

    def _require_free(self, file: File, making_room: File | None = None) -> None:
        holder = None if file.deleted else self._names.get(_name(file))
        leaving = None if making_room is None else making_room.file_id
        if holder not in (None, file.file_id, leaving):
            raise NameTaken(name=file.name)

    def _require_above(self, file: File) -> None:
        above = self._files.get(file.parent_id)
        while True:
            if above is None or above.deleted or above.parent_id == trash_id(file.space_id):
                raise NoSuchFile(file_id=file.parent_id)
            if above.file_id == file.file_id:
                raise RenameIntoItself(file_id=file.file_id, parent_id=file.parent_id)
            if above.is_root:
                return
            above = self._files.get(above.parent_id)

    def _children(self, parent_id: str) -> list[File]:
        alive = (self._files[file_id] for key, file_id in self._names.items() if key[0] == parent_id)
        return list(alive)

    def _visible(self, parent_id: str) -> list[File]:
        return [file for file in self._children(parent_id) if not file.name.startswith(HIDDEN_PREFIX)]

    def _has_children(self, parent_id: str) -> bool:
        return any(key[0] == parent_id for key in self._names)


class MemoryCustomMetadataStore:
    """Extended attributes, beside the files they belong to."""

    def __init__(self, files: MemoryFileStore) -> None:
        self._files = files
        self._metadata: dict[str, CustomMetadata] = {}

    async def find(self, file_id: str) -> CustomMetadata | None:
        return self._metadata.get(file_id)

    async def find_many(
        self, file_ids: Collection[str], names: Collection[str] | None, *, limit_bytes: int
    ) -> Mapping[str, CustomMetadata] | None:
        found = {
            file_id: _named(self._metadata[file_id], names)
            for file_id in file_ids
            if file_id in self._metadata
        }
        size_bytes = sum(metadata.size_bytes for metadata in found.values())
        return None if size_bytes > limit_bytes else found

    async def replace(self, metadata: CustomMetadata | None, file: File) -> None:
        if metadata is not None:
            old = self._metadata.get(metadata.file_id)
            if (old.revision if old is not None else 0) != metadata.revision - 1:
                raise RevisionConflict(file_id=metadata.file_id)
        if file.revision == 1:
            await self._files.insert(file)
        else:
            await self._files.replace(file)
        if metadata is not None:
            self._metadata[metadata.file_id] = metadata

    async def remove(self, file_id: str) -> None:
        self._metadata.pop(file_id, None)


class MemoryShareNoteStore:
    """Notes in a dictionary."""

    def __init__(self) -> None:
        self._notes: dict[str, ShareNote] = {}

    async def put(self, note: ShareNote) -> None:
        self._notes[note.share_id] = note

    async def find(self, share_id: str) -> ShareNote | None:
        return self._notes.get(share_id)

    async def remove(self, share_id: str) -> None:
        self._notes.pop(share_id, None)

    async def list(self, *, before_ms: int, limit: int) -> Sequence[ShareNote]:
        due = [note for note in self._notes.values() if note.time_ms < before_ms]
        return sorted(due, key=lambda note: note.time_ms)[:limit]


class MemoryUsageHistoryStore:
    """Points in lists."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, int], list[UsagePoint]] = {}

    async def put(self, space_id: str, step_s: int, point: UsagePoint, *, keep: int) -> None:
        earlier = [each for each in await self.list(space_id, step_s) if each.time_s < point.time_s]
        self._points[space_id, step_s] = [*earlier, point][-keep:]

    async def list(self, space_id: str, step_s: int) -> Sequence[UsagePoint]:
        return list(self._points.get((space_id, step_s), ()))


def memory_stores() -> Stores:
    """A set of empty stores."""
    files = MemoryFileStore()
    return Stores(
        files=files,
        locations=MemoryLocationStore(files),
        quotas=MemoryQuotaStore(),
        intents=MemoryIntentStore(),
        custom_metadata=MemoryCustomMetadataStore(files),
        share_notes=MemoryShareNoteStore(),
        usage_history=MemoryUsageHistoryStore(),
        owner_usage=MemoryOwnerUsageStore(files.all),
        access_history=MemoryAccessHistoryStore(),
        dir_stats=MemoryDirStatsStore(),
        changes=MemoryChangeLog(),
        downloads=MemoryDownloadStore(),
        queues=MemoryQueueStore(),
        copies=MemoryCopyStore(),
    )


def _named(metadata: CustomMetadata, names: Collection[str] | None) -> CustomMetadata:
    if names is None:
        return metadata
    return replace(
        metadata, xattrs={name: metadata.xattrs[name] for name in names if name in metadata.xattrs}
    )


def _key(file: File) -> tuple[str, str]:
    return file.name, file.named_by


def _name(file: File) -> tuple[str, str, str]:
    return file.parent_id, file.name, file.named_by


def _oldest(due: Iterable[tuple[int, File]], before_ms: int, limit: int) -> list[File]:
    late = sorted((item for item in due if item[0] < before_ms), key=lambda item: item[0])
    return [file for _, file in late[:limit]]
