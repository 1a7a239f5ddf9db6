"""What is kept of a queue beside its record in the tree, and what its store promises."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueueValue:
    """One value. `encoding`: how it stands in JSON, `utf-8` or `base64`; `content` is decoded."""

    number: int
    content: bytes
    mimetype: str
    encoding: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """Which values a queue holds: those from `first` up to, and without, `next`.

    Numbers count from 0 and are never given again. `revision` grows by one with every change; 0 is not stored
    yet. `gone`: the queue was deleted, and nothing may be added any more.
    """

    queue_id: str
    space_id: str
    first: int = 0
    next: int = 0
    held_bytes: int = 0
    revision: int = 0
    gone: bool = False

    @property
    def count(self) -> int:
        """How many values it holds."""
        return self.next - self.first


@dataclass(frozen=True, slots=True)
class QueueOp:
    """What a request did to a queue: it added or took these numbers. Its repetition hears the same.

    `through`: of copies, the number behind the last one that was copied.
    """

    op_id: str
    first: int
    count: int
    through: int = 0

    @property
    def numbers(self) -> range:
        """The numbers added or taken."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class QueueChange:
    """The next revision of a queue's state, the values that come and go with it, and who asked for it."""

    state: QueueState
    added: Sequence[QueueValue] = ()
    dropped: range = range(0)
    ops: Sequence[QueueOp] = ()


class QueueStore(Protocol):
    """Values of queues; a queue nothing was ever put into has no state."""

    async def find(self, queue_id: str) -> QueueState | None:
        """The state, of deleted ones for a day, too."""
        ...

    async def find_ops(self, op_ids: Collection[str]) -> Mapping[str, QueueOp]:
        """What these requests did, by id, as far as it is remembered: for a quarter of an hour at least."""
        ...

    async def list_values(
        self, queue_id: str, *, first: int, limit: int, limit_bytes: int
    ) -> Sequence[QueueValue]:
        """Values in the order of their numbers, from `first` on; it ends with the one by which they are more
        than `limit_bytes` together."""
        ...

    async def size_bytes(self, queue_id: str, numbers: range) -> int:
        """Bytes of the values with these numbers."""
        ...

    async def change(self, changes: Sequence[QueueChange]) -> None:
        """All of the changes or none, in one transaction.

        Raises `RevisionConflict` when a state is not at the revision before, or one of the requests is known
        already: what it did is found then.
        """
        ...

    async def held_bytes(self, space_id: str) -> int:
        """Bytes of the values of a space."""
        ...
