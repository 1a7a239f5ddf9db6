"""Attributes of files as they were told a moment ago, each as the bytes of its answer.

What is remembered is true, not only recent: see `runtime.leased_memory` and docs/decisions/0053.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.clock import Clock
from runtime.leased_memory import Grant, LeasedMemory, Lessor
from services.gateway import metrics

#: Who asks (the signed identity), and path, query and body of the request: with these one answer is all
#: there is, while the records it came from are what they were.
Question = tuple[bytes, bytes, bytes, bytes]

#: What all answers take, at most.
MAX_BYTES = 64 << 20
#: What an answer takes beside its texts, about.
_ENTRY_BYTES = 2048
#: Questions noted as asked once.
MAX_ASKED = 50_000

_REMEMBERED, _ASKED = (metrics.ATTRIBUTES.labels(outcome) for outcome in ("remembered", "asked"))


@dataclass(frozen=True, slots=True)
class ToldAttributes:
    """The body of an answer, about a file in this space."""

    space_id: str
    body: bytes


class AttributeMemory:
    """Answers by question. Of what is asked for the first time the answer is not remembered: most files are
    looked at once."""

    def __init__(self, lessor: Lessor, clock: Clock) -> None:
        self._memory: LeasedMemory[Question, ToldAttributes] = LeasedMemory(
            lessor, clock, max_bytes=MAX_BYTES
        )
        self._asked: set[int] = set()

    def __len__(self) -> int:
        return len(self._memory)

    @property
    def size_bytes(self) -> int:
        """What all of them take."""
        return self._memory.size_bytes

    async def start(self) -> None:
        """Nothing to begin: leases are asked for when they are of use."""

    async def stop(self) -> None:
        """Gives all leases up."""
        await self._memory.stop()

    def get(self, question: Question) -> ToldAttributes | None:
        """The answer, if it is remembered."""
        told = self._memory.get(question)
        if told is not None:
            _REMEMBERED.inc()
        return told

    def lease_for(self, question: Question | None, space_id: str) -> str:
        """The lease under which the answer would be remembered; empty: it would not."""
        if question is None:
            return ""
        _ASKED.inc()
        asked = hash(question)
        if asked in self._asked:
            return self._memory.lease_on(space_id)
        if len(self._asked) >= MAX_ASKED:
            self._asked.clear()
        self._asked.add(asked)
        return ""

    def put(self, question: Question | None, told: ToldAttributes, grant: Grant | None) -> None:
        """Remembers an answer, if it may be, and is not older than what was taken back meanwhile."""
        if question is None or grant is None:
            return
        size_bytes = _ENTRY_BYTES + len(told.body) + sum(map(len, question))
        self._memory.put(told.space_id, question, told, grant, size_bytes=size_bytes)
