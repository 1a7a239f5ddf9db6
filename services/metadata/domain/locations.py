"""The replica of one regular file at one provider, and what uploads make of it."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import blocks as ranges
from .blocks import Blocks
from .errors import StaleUpload, TooFragmented

#: More pieces would make the record too large to be changed often.
MAX_BLOCKS = 50_000
#: Changes that another provider can replay; whoever missed more takes the file as changed whole.
MAX_RECENT_CHANGES = 40
#: Requests whose repetition is known. More writers than this at once on one file are not expected.
MAX_RECENT_OPS = 64


class ChangeKind(enum.Enum):
    """What a content change did."""

    WRITE = "write"
    SHRINK = "shrink"


@dataclass(frozen=True, slots=True)
class ContentChange:
    """One change of the content: `size_bytes` written at `offset`, or shrunk to `offset` bytes."""

    kind: ChangeKind
    offset: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Garbage:
    """A storage file that nothing refers to any more. `size_bytes` is what its removal gives back."""

    storage_id: str
    storage_file_id: str
    size_bytes: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Upload:
    """What one upload does to a file: replaces the content, or writes into it at `offset`.

    `registers`: nothing was uploaded, the storage file is the owner's of an imported storage.
    """

    op_id: str
    replaces: bool
    storage_id: str
    storage_file_id: str
    offset: int
    size_bytes: int
    registers: bool = False

    @property
    def has_storage_file(self) -> bool:
        """Whether there is a storage file afterwards. That of an owner is kept in mind while it is empty."""
        return self.registers or bool(self.size_bytes)


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bytes of a file lie at one provider, and in which version.

    Revision 0 is not stored yet. `generation` counts whole-content replacements. `dirty_ms` is set by each
    change and taken away once the file record mirrors it. `retired`: the file is gone, only garbage is left.
    `registered`: the storage file was there before us. New content leaves it to its owner; only the
    deletion of the file removes it.
    """

    file_id: str
    space_id: str
    provider_id: str
    storage_id: str = ""
    storage_file_id: str = ""
    size_bytes: int = 0
    blocks: Blocks = ()
    version_vector: Mapping[str, int] = field(default_factory=dict)
    recent_changes: tuple[ContentChange, ...] = ()
    recent_ops: tuple[str, ...] = ()
    garbage: tuple[Garbage, ...] = ()
    generation: int = 0
    changed_ms: int = 0
    dirty_ms: int | None = None
    retired: bool = False
    registered: bool = False
    revision: int = 0

    @property
    def local_bytes(self) -> int:
        """Bytes of the content held here."""
        return ranges.total(self.blocks)

    @property
    def held_bytes(self) -> int:
        """Bytes that count against the quota: the content, and garbage until it is removed."""
        return self.local_bytes + sum(item.size_bytes for item in self.garbage)

    def knows(self, upload: Upload) -> bool:
        """Whether this upload was applied already, also if replaced since."""
        return bool(upload.op_id) and upload.op_id in self.recent_ops

    def planned_storage_file(self) -> str:
        """The storage file for writes at an offset; empty while the writer may choose.

        A file emptied after it had content can't go back to a name that may still be waiting for removal; all
        concurrent writers derive the same new one.
        """
        if self.storage_file_id or not self.generation:
            return self.storage_file_id
        name = hashlib.sha256(f"{self.file_id}:{self.generation}".encode()).hexdigest()[:32]
        return f"/{self.space_id}/{name[0]}/{name[1]}/{name[2]}/{name}"

    def applied(self, upload: Upload, now_ms: int) -> Location:
        """The content after this upload. Raises `StaleUpload` or `TooFragmented`. The revision stays."""
        if upload.replaces:
            return self._replaced(upload, now_ms)
        return self._patched(upload, now_ms)

    def extra_bytes(self, upload: Upload) -> int:
        """Bytes the upload adds to what is held; below 0 when a registered storage file was larger."""
        if upload.replaces:
            return upload.size_bytes - (self.local_bytes if self.registered else 0)
        return ranges.total(ranges.merged(self.blocks, upload.offset, upload.size_bytes)) - self.local_bytes

    def shrunk_to_garbage(self, now_ms: int) -> Location:
        """The file is gone: whatever lies on a storage is garbage."""
        return replace(
            self,
            storage_file_id="",
            size_bytes=0,
            blocks=(),
            garbage=self._with_content(now_ms),
            retired=True,
            dirty_ms=None,
            changed_ms=now_ms,
            revision=self.revision + 1,
        )

    def without_garbage(self, storage_files: Collection[tuple[str, str]]) -> tuple[Location, int]:
        """Without these storage files (storage id, storage file id), and the bytes that gives back."""
        gone = [item for item in self.garbage if (item.storage_id, item.storage_file_id) in storage_files]
        kept = tuple(item for item in self.garbage if item not in gone)
        freed = sum(item.size_bytes for item in gone)
        return replace(self, garbage=kept, revision=self.revision + 1), freed

    def _with_content(self, now_ms: int) -> tuple[Garbage, ...]:
        """The garbage, and the content as the newest piece of it."""
        if not self.storage_file_id:
            return self.garbage
        return (*self.garbage, Garbage(self.storage_id, self.storage_file_id, self.local_bytes, now_ms))

    def _replaced(self, upload: Upload, now_ms: int) -> Location:
        if upload.registers and self.storage_file_id and not self.registered:
            # Somebody has written the only copy of something here.
            raise StaleUpload(file_id=self.file_id)
        changes = [ContentChange(ChangeKind.SHRINK, 0)]
        blocks: Blocks = ()
        if upload.size_bytes:
            changes.append(ContentChange(ChangeKind.WRITE, 0, upload.size_bytes))
            blocks = ((0, upload.size_bytes),)
        return replace(
            self,
            **self._noted(upload, changes, now_ms),
            storage_id=upload.storage_id or self.storage_id,
            storage_file_id=upload.storage_file_id if upload.has_storage_file else "",
            size_bytes=upload.size_bytes,
            blocks=blocks,
            garbage=self.garbage if self.registered else self._with_content(now_ms),
            registered=upload.registers,
            generation=self.generation + 1,
        )

    def _patched(self, upload: Upload, now_ms: int) -> Location:
        expected = self.planned_storage_file()
        if (expected and upload.storage_file_id != expected) or (
            self.storage_file_id and upload.storage_id != self.storage_id
        ):
            raise StaleUpload(file_id=self.file_id)
        blocks = ranges.merged(self.blocks, upload.offset, upload.size_bytes)
        if len(blocks) > MAX_BLOCKS:
            raise TooFragmented(file_id=self.file_id, blocks=len(blocks))
        change = ContentChange(ChangeKind.WRITE, upload.offset, upload.size_bytes)
        return replace(
            self,
            **self._noted(upload, [change], now_ms),
            storage_id=upload.storage_id,
            storage_file_id=upload.storage_file_id,
            size_bytes=max(self.size_bytes, upload.offset + upload.size_bytes),
            blocks=blocks,
        )

    def _noted(self, upload: Upload, changes: list[ContentChange], now_ms: int) -> dict[str, Any]:
        """What every change of the content changes."""
        counter = self.version_vector.get(self.provider_id, 0) + len(changes)
        ops = (*self.recent_ops, upload.op_id) if upload.op_id else self.recent_ops
        return {
            "version_vector": {**self.version_vector, self.provider_id: counter},
            "recent_changes": (*self.recent_changes, *changes)[-MAX_RECENT_CHANGES:],
            "recent_ops": ops[-MAX_RECENT_OPS:],
            "changed_ms": now_ms,
            "dirty_ms": now_ms,
        }
