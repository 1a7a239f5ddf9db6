"""Random operations on queues against plain deques."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.metadata.domain.errors import NotTheOldest
from services.metadata.domain.queues import Taking
from services.metadata.domain.records import FileType
from services.metadata.domain.tree import OwnsNothing
from services.metadata.store.memory import memory_stores
from tests.support.metadata import ALICE, World, fresh_id, ref

T = TypeVar("T")

NAMES = ("one", "two")
contents = st.lists(st.binary(max_size=3), min_size=1, max_size=5)
names = st.sampled_from(NAMES)
counts = st.integers(min_value=0, max_value=6)


class Queues(RuleBasedStateMachine):
    """Two queues seen by two instances, and what they have to hold: numbers and values."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        stores = memory_stores()
        self.instances = [World(stores=stores, ownership=OwnsNothing()) for _ in range(2)]
        self.model: dict[str, deque[tuple[int, bytes]]] = {name: deque() for name in NAMES}
        self.next = dict.fromkeys(NAMES, 0)
        self.at = 0

    def teardown(self) -> None:
        self.loop.close()

    @property
    def world(self) -> World:
        """The instances take turns."""
        self.at += 1
        return self.instances[self.at % 2]

    def run_now(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    @initialize()
    def begin(self) -> None:
        self.run_now(self.world.open())
        for name in NAMES:
            self.run_now(self.world.make(name, type=FileType.QUEUE))

    def added(self, name: str, values: list[bytes]) -> None:
        self.model[name].extend(enumerate(values, self.next[name]))
        self.next[name] += len(values)

    def taken(self, name: str, count: int) -> list[bytes]:
        held = self.model[name]
        return [held.popleft()[1] for _ in range(min(count, len(held)))]

    @rule(name=names, values=contents, tries=st.integers(min_value=1, max_value=2))
    def enqueue(self, name: str, values: list[bytes], tries: int) -> None:
        id = fresh_id()
        for _ in range(tries):
            assert self.run_now(self.world.enqueue(name, *values, request_id=id)) == self.next[name]
        self.added(name, values)

    @rule(name=names, count=counts)
    def dequeue(self, name: str, count: int) -> None:
        assert self.run_now(self.world.dequeue(name, count)) == len(self.taken(name, count))

    @rule(name=names, values=contents, count=st.integers(min_value=1, max_value=6))
    def dequeue_twice(self, name: str, values: list[bytes], count: int) -> None:
        self.run_now(self.world.enqueue(name, *values))
        self.added(name, values)
        id, expected = fresh_id(), len(self.taken(name, count))
        for _ in range(2):
            assert self.run_now(self.world.dequeue(name, count, request_id=id)) == expected

    @rule(name=names, first=counts, last=counts)
    def dequeue_numbers(self, name: str, first: int, last: int) -> None:
        oldest = self.next[name] - len(self.model[name])
        taking = Taking(first=max(0, oldest + first - 3), last=oldest + last)
        call = self.world.rules.queues.dequeue(ALICE, fresh_id(), ref(name), taking)
        if taking.first is not None and taking.first > oldest:
            try:
                self.run_now(call)
            except NotTheOldest:
                return
            raise AssertionError("older values were passed over")
        op = self.run_now(call)
        assert op.count == len(self.taken(name, last + 1))

    @rule(limit=st.integers(min_value=1, max_value=4))
    def move_values(self, limit: int) -> None:
        id, moved = fresh_id(), self.taken("one", limit)
        for _ in range(2 if moved else 1):
            call = self.world.rules.queues.move_values(ALICE, id, ref("one"), ref("two"), limit=limit)
            assert self.run_now(call).count == len(moved)
        self.added("two", moved)

    @rule(limit=st.integers(min_value=1, max_value=4))
    def copy_values(self, limit: int) -> None:
        copied = [content for _, content in self.model["one"]][:limit]
        call = self.world.rules.queues.copy_values(ALICE, fresh_id(), ref("one"), ref("two"), limit=limit)
        assert self.run_now(call).count == len(copied)
        self.added("two", copied)

    @invariant()
    def holds_what_it_has_to(self) -> None:
        for name in NAMES if self.at else ():
            page = self.run_now(self.world.rules.queues.read(ALICE, ref(name), limit=1000))
            assert [(value.number, value.content) for value in page.values] == list(self.model[name])
            assert page.state.next == self.next[name]
            assert page.state.held_bytes == sum(len(content) for _, content in self.model[name])


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
