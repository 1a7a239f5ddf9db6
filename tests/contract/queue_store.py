"""What every store of queues promises. `MetadataStoreContract` inherits it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.metadata.domain.errors import RevisionConflict
from services.metadata.domain.queue_books import QueueChange, QueueOp, QueueState, QueueValue
from services.metadata.domain.stores import Stores

SPACE = "space1"


def a_value(number: int, content: bytes = b"xyz") -> QueueValue:
    return QueueValue(number, content, "text/plain", "utf-8")


def added(before: QueueState, *contents: bytes, ops: tuple[QueueOp, ...] = ()) -> QueueChange:
    values = [a_value(number, content) for number, content in enumerate(contents, before.next)]
    state = replace(
        before,
        next=before.next + len(values),
        held_bytes=before.held_bytes + sum(map(len, contents)),
        revision=before.revision + 1,
    )
    return QueueChange(state, values, ops=ops)


def taken(before: QueueState, count: int, size_bytes: int) -> QueueChange:
    state = replace(
        before,
        first=before.first + count,
        held_bytes=before.held_bytes - size_bytes,
        revision=before.revision + 1,
    )
    return QueueChange(state, dropped=range(before.first, state.first))


async def filled(stores: Stores, *contents: bytes, queue_id: str = "q") -> QueueState:
    change = added(QueueState(queue_id, SPACE), *contents)
    await stores.queues.change([change])
    return change.state


class QueueStoreContract:
    async def test_a_queue_nothing_was_put_into_has_no_state(self, stores: Stores) -> None:
        assert await stores.queues.find("q") is None
        assert not await stores.queues.list_values("q", first=0, limit=9, limit_bytes=99)
        assert await stores.queues.size_bytes("q", range(9)) == 0
        assert await stores.queues.held_bytes(SPACE) == 0

    async def test_values_are_told_whole_and_in_order(self, stores: Stores) -> None:
        state = await filled(stores, *(b"%d" % number for number in range(300)))
        assert await stores.queues.find("q") == state
        values = await stores.queues.list_values("q", first=9, limit=250, limit_bytes=10**6)
        assert values == [a_value(number, b"%d" % number) for number in range(9, 259)]

    async def test_values_end_with_the_one_that_is_too_much(self, stores: Stores) -> None:
        await filled(stores, b"1234", b"5678", b"9")
        values = await stores.queues.list_values("q", first=0, limit=9, limit_bytes=5)
        assert [value.content for value in values] == [b"1234", b"5678"]

    async def test_values_of_one_queue_are_none_of_another(self, stores: Stores) -> None:
        for queue_id in ("q", "q0", "q/", "p"):
            await filled(stores, queue_id.encode(), queue_id=queue_id)
        values = await stores.queues.list_values("q", first=0, limit=9, limit_bytes=99)
        assert [value.content for value in values] == [b"q"]

    async def test_what_is_taken_is_gone_with_its_bytes(self, stores: Stores) -> None:
        state = await filled(stores, b"a", b"bc", b"")
        assert await stores.queues.size_bytes("q", range(2)) == 3
        await stores.queues.change([taken(state, 2, 3)])
        left = await stores.queues.find("q")
        assert left is not None
        assert (left.first, left.next, left.held_bytes) == (2, 3, 0)
        assert [v.number for v in await stores.queues.list_values("q", first=0, limit=9, limit_bytes=9)] == [
            2
        ]
        assert await stores.queues.size_bytes("q", range(9)) == 0

    async def test_a_change_of_another_state_changes_nothing(self, stores: Stores) -> None:
        state = await filled(stores, b"a")
        await stores.queues.change([added(state, b"b")])
        for late in (added(state, b"c"), taken(state, 1, 1), added(QueueState("q", SPACE), b"d")):
            with pytest.raises(RevisionConflict):
                await stores.queues.change([late])
        values = await stores.queues.list_values("q", first=0, limit=9, limit_bytes=99)
        assert [value.content for value in values] == [b"a", b"b"]

    async def test_two_queues_change_together_or_not_at_all(self, stores: Stores) -> None:
        one = await filled(stores, b"a", queue_id="one")
        two = await filled(stores, b"b", queue_id="two")
        await stores.queues.change([added(two, b"c")])
        with pytest.raises(RevisionConflict):
            await stores.queues.change([taken(one, 1, 1), added(two, b"a")])
        assert await stores.queues.find("one") == one
        assert len(await stores.queues.list_values("one", first=0, limit=9, limit_bytes=99)) == 1

    async def test_what_a_request_did_is_remembered_and_done_once(self, stores: Stores) -> None:
        op = QueueOp("q/alice/r1", 0, 1, through=5)
        first = added(QueueState("q", SPACE), b"a", ops=(op,))
        await stores.queues.change([first])
        assert await stores.queues.find_ops(["q/alice/r1", "q/alice/r2"]) == {op.op_id: op}
        assert await stores.queues.find_ops([]) == {}
        with pytest.raises(RevisionConflict):
            await stores.queues.change([added(first.state, b"a", ops=(op,))])
        assert len(await stores.queues.list_values("q", first=0, limit=9, limit_bytes=99)) == 1

    async def test_of_many_changes_of_one_state_one_wins(self, stores: Stores) -> None:
        state = await filled(stores, b"a")
        changes = (stores.queues.change([added(state, b"%d" % number)]) for number in range(8))
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, RevisionConflict) for outcome in outcomes) == 7
        assert len(await stores.queues.list_values("q", first=0, limit=9, limit_bytes=99)) == 2

    async def test_a_deleted_queue_is_known_as_gone(self, stores: Stores) -> None:
        state = await filled(stores, b"a")
        gone = replace(taken(state, 1, 1).state, gone=True)
        await stores.queues.change([QueueChange(gone, dropped=range(1))])
        assert await stores.queues.find("q") == gone

    async def test_bytes_are_held_by_the_space(self, stores: Stores) -> None:
        await filled(stores, b"abc", queue_id="one")
        await filled(stores, b"de", b"", queue_id="two")
        await stores.queues.change([added(QueueState("three", "space2"), b"x")])
        assert await stores.queues.held_bytes(SPACE) == 5
