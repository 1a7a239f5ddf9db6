"""Records in memory, bounded and coherent.

A record read from the store may be older than a change that came to light while the read was under way. So a
reader takes a `mark` first, and what was invalidated after that mark is not kept. The own writes of a process
put the new record here before they are answered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from .records import File


class Revisioned(Protocol):
    """What every cached record has."""

    @property
    def file_id(self) -> str: ...

    @property
    def revision(self) -> int: ...


R = TypeVar("R", bound=Revisioned)

#: Invalidations remembered for reads under way; a read that is slower is just not kept.
MAX_INVALIDATIONS = 16_384


class RecordCache(Generic[R]):
    """The `capacity` records last used, by file id. A newer revision is never replaced by an older one."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, R] = OrderedDict()
        self._invalidated: OrderedDict[str, int] = OrderedDict()
        self._clock = 0
        self._floor = 0

    def __len__(self) -> int:
        return len(self._records)

    def get(self, file_id: str) -> R | None:
        """The record as last seen."""
        record = self._records.get(file_id)
        if record is not None:
            self._records.move_to_end(file_id)
        return record

    def holds(self, record: R) -> bool:
        """Whether this very record is the newest known."""
        return self._records.get(record.file_id) is record

    def mark(self) -> int:
        """The moment before a read."""
        return self._clock

    def put_read(self, record: R, mark: int) -> None:
        """Keeps what a read brought, unless it was invalidated since `mark`."""
        if mark >= self._floor and self._invalidated.get(record.file_id, -1) <= mark:
            self._keep(record)

    def put_written(self, record: R) -> None:
        """Keeps what this process wrote; reads that began before are older."""
        self._note(record.file_id)
        self._keep(record)

    def invalidate(self, file_id: str, revision: int | None = None) -> bool:
        """Forgets a record, unless it is as new as `revision`; false when it is."""
        record = self._records.get(file_id)
        if record is not None and revision is not None and record.revision >= revision:
            return False
        self._note(file_id)
        if record is not None:
            self._drop(file_id)
        return True

    def clear(self) -> None:
        """Forgets everything, also what reads under way will bring."""
        self._clock += 1
        self._floor = self._clock
        self._records.clear()
        self._invalidated.clear()

    def _note(self, file_id: str) -> None:
        self._clock += 1
        self._invalidated[file_id] = self._clock
        self._invalidated.move_to_end(file_id)
        if len(self._invalidated) > MAX_INVALIDATIONS:
            _, self._floor = self._invalidated.popitem(last=False)

    def _keep(self, record: R) -> None:
        known = self._records.get(record.file_id)
        if known is not None and known.revision > record.revision:
            return
        self._records[record.file_id] = record
        self._records.move_to_end(record.file_id)
        if len(self._records) > self._capacity:
            self._drop(next(iter(self._records)))

    def _drop(self, file_id: str) -> None:
        self._records.pop(file_id, None)


class FileCache(RecordCache[File]):
    """Files by id and by (parent, name). A name is only a hint: the record found by it has the last word."""

    def __init__(self, capacity: int, provider_id: str) -> None:
        super().__init__(capacity)
        self._provider_id = provider_id
        self._ids: dict[tuple[str, str], str] = {}

    def get_named(self, parent_id: str, name: str) -> File | None:
        """The file alive with this name, if known. Of several, the one this provider named."""
        file_id = self._ids.get((parent_id, name))
        file = None if file_id is None else self.get(file_id)
        if file is None or file.deleted or file.parent_id != parent_id or file.name != name:
            return None
        return file

    def clear(self) -> None:
        super().clear()
        self._ids.clear()

    def _keep(self, record: File) -> None:
        old = self._records.get(record.file_id)
        if old is not None and (old.parent_id, old.name) != (record.parent_id, record.name):
            self._forget_name(old)
        super()._keep(record)
        # Names of other providers may stand beside one of ours, so they are asked for each time.
        if not record.deleted and record.named_by == self._provider_id:
            self._ids[record.parent_id, record.name] = record.file_id

    def _drop(self, file_id: str) -> None:
        record = self._records.pop(file_id, None)
        if record is not None:
            self._forget_name(record)

    def _forget_name(self, record: File) -> None:
        key = (record.parent_id, record.name)
        if self._ids.get(key) == record.file_id:
            del self._ids[key]
