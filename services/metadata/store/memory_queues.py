"""Values of queues in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.metadata.domain.errors import RevisionConflict
from services.metadata.domain.queue_books import QueueChange, QueueOp, QueueState, QueueValue


class MemoryQueueStore:
    """States, values by number, and what requests did."""

    def __init__(self) -> None:
        self._states: dict[str, QueueState] = {}
        self._values: dict[str, dict[int, QueueValue]] = {}
        self._ops: dict[str, QueueOp] = {}

    async def find(self, queue_id: str) -> QueueState | None:
        return self._states.get(queue_id)

    async def find_ops(self, op_ids: Collection[str]) -> Mapping[str, QueueOp]:
        return {op_id: self._ops[op_id] for op_id in op_ids if op_id in self._ops}

    async def list_values(
        self, queue_id: str, *, first: int, limit: int, limit_bytes: int
    ) -> Sequence[QueueValue]:
        values = self._values.get(queue_id, {})
        told: list[QueueValue] = []
        for number in sorted(number for number in values if number >= first)[:limit]:
            told.append(values[number])
            limit_bytes -= len(values[number].content)
            if limit_bytes < 0:
                break
        return told

    async def size_bytes(self, queue_id: str, numbers: range) -> int:
        values = self._values.get(queue_id, {})
        return sum(len(values[number].content) for number in numbers if number in values)

    async def change(self, changes: Sequence[QueueChange]) -> None:
        for change in changes:
            self._require_previous(change)
        for change in changes:
            state = change.state
            values = self._values.setdefault(state.queue_id, {})
            for number in change.dropped:
                values.pop(number, None)
            values.update({value.number: value for value in change.added})
            self._ops.update({op.op_id: op for op in change.ops})
            self._states[state.queue_id] = state

    async def held_bytes(self, space_id: str) -> int:
        return sum(state.held_bytes for state in self._states.values() if state.space_id == space_id)

    def _require_previous(self, change: QueueChange) -> None:
        state = change.state
        old = self._states.get(state.queue_id)
        if (old.revision if old is not None else 0) != state.revision - 1:
            raise RevisionConflict(file_id=state.queue_id)
        if any(op.op_id in self._ops for op in change.ops):
            raise RevisionConflict(file_id=state.queue_id)
