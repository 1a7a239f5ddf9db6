"""Every caller gets exactly its own outcome, in bounded space, whatever the others do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.batching import Batcher, QueueFull
from runtime.errors import DeadlineExceeded, InternalError, NotFound, Unavailable


class Broken(Exception):
    """A whole batch fails."""


@dataclass
class Receiver:
    """Answers an item with its double; negative ones with an error; some batches fail whole."""

    failing_batches: frozenset[int] = frozenset()
    turns: tuple[int, ...] = (1,)
    batches: list[list[int]] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    under_way: int = 0
    most_under_way: int = 0

    async def flush(self, items: list[int]) -> Sequence[int | BaseException]:
        number = len(self.batches)
        self.batches.append(items)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            for _ in range(self.turns[number % len(self.turns)]):
                await asyncio.sleep(0)
            if number in self.failing_batches:
                self.failed.update(items)
                raise Broken
        finally:
            self.under_way -= 1
        return [NotFound(item=item) if item % 7 == 3 else item * 2 for item in items]


async def test_a_lone_item_leaves_on_the_next_turn() -> None:
    receiver = Receiver(turns=(0,))
    batcher = Batcher(receiver.flush)
    assert await batcher.submit(4) == 8
    assert receiver.batches == [[4]]


async def test_callers_of_one_turn_share_a_batch() -> None:
    receiver = Receiver()
    batcher = Batcher(receiver.flush)
    assert await asyncio.gather(*map(batcher.submit, [1, 2, 4])) == [2, 4, 8]
    assert receiver.batches == [[1, 2, 4]]


async def test_who_arrives_meanwhile_forms_the_next_batch() -> None:
    receiver = Receiver(turns=(20,))
    batcher = Batcher(receiver.flush, max_in_flight=1)
    callers = []
    for item in (1, 2, 4, 5):
        callers.append(asyncio.ensure_future(batcher.submit(item)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*callers)
    assert receiver.batches == [[1], [2, 4, 5]]


async def test_one_more_than_may_wait_is_refused() -> None:
    batcher = Batcher(Receiver().flush, max_waiting=2)
    answers = await asyncio.gather(*map(batcher.submit, [1, 2, 4]), return_exceptions=True)
    assert answers[:2] == [2, 4]
    assert isinstance(answers[2], QueueFull)


async def test_a_late_answer_is_a_deadline_exceeded() -> None:
    receiver = Receiver(turns=(1_000_000,))
    batcher = Batcher(receiver.flush)
    with pytest.raises(DeadlineExceeded):
        await batcher.submit(1, timeout_s=0.01)
    await batcher.close(grace_s=0)


async def test_a_batch_that_hangs_fails_alone() -> None:
    receiver = Receiver(turns=(1_000_000, 1))
    batcher = Batcher(receiver.flush, max_in_flight=1, flush_timeout_s=0.02)
    first = asyncio.ensure_future(batcher.submit(1))
    await asyncio.sleep(0.005)
    assert await batcher.submit(2) == 4
    with pytest.raises(DeadlineExceeded):
        await first


async def test_a_wrong_number_of_results_is_an_internal_error() -> None:
    async def flush(items: list[int]) -> list[int]:
        return items[1:]

    with pytest.raises(InternalError):
        await Batcher(flush).submit(1)


async def test_closing_fails_those_who_wait_and_lets_the_rest_end() -> None:
    receiver = Receiver(turns=(5,))
    batcher = Batcher(receiver.flush, max_batch=1, max_in_flight=1)
    callers = [asyncio.ensure_future(batcher.submit(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await batcher.close()
    first, second = await asyncio.gather(*callers, return_exceptions=True)
    assert first == 2
    assert isinstance(second, Unavailable)
    with pytest.raises(Unavailable):
        await batcher.submit(4)


async def test_closing_without_grace_ends_batches_under_way() -> None:
    batcher = Batcher(Receiver(turns=(1_000_000,)).flush)
    caller = asyncio.ensure_future(batcher.submit(1))
    await asyncio.sleep(0.001)
    await batcher.close(grace_s=0)
    with pytest.raises(Unavailable):
        await caller
    assert batcher.in_flight == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 200)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@example(
    steps=[("submit", 1), ("turn", 2), ("cancel", 0)],
    failing=frozenset(),
    turns=(1,),
    max_batch=1,
    max_in_flight=1,
    max_waiting=1,
)
@given(
    steps=STEPS,
    failing=st.frozensets(st.integers(0, 12), max_size=5),
    turns=st.lists(st.integers(0, 6), min_size=1, max_size=4).map(tuple),
    max_batch=st.integers(1, 5),
    max_in_flight=st.integers(1, 3),
    max_waiting=st.integers(1, 12),
)
def test_everyone_gets_exactly_their_own_outcome(
    steps: list[tuple[str, int]],
    failing: frozenset[int],
    turns: tuple[int, ...],
    max_batch: int,
    max_in_flight: int,
    max_waiting: int,
) -> None:
    async def scenario() -> None:
        receiver = Receiver(failing_batches=failing, turns=turns)
        batcher = Batcher(
            receiver.flush, max_batch=max_batch, max_in_flight=max_in_flight, max_waiting=max_waiting
        )
        callers: list[asyncio.Task[int]] = []
        for kind, number in steps:
            if kind == "submit":
                callers += [
                    asyncio.ensure_future(batcher.submit(len(callers) + extra)) for extra in range(number)
                ]
            elif kind == "cancel" and callers:
                callers[number % len(callers)].cancel()
            else:
                for _ in range(number):
                    await asyncio.sleep(0)
            assert batcher.waiting <= max_waiting
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        sent = [item for batch in receiver.batches for item in batch]

        assert receiver.most_under_way <= max_in_flight
        assert all(1 <= len(batch) <= max_batch for batch in receiver.batches)
        assert sent == sorted(sent), "first come, first served"
        assert max(Counter(sent).values(), default=1) == 1
        for item, outcome in enumerate(outcomes):
            check(item, outcome, sent=item in sent, failed=item in receiver.failed)
        assert batcher.waiting == 0
        # A caller that is cancelled leaves before its batch ends.
        for _ in range(2 * max(turns) + 4):
            await asyncio.sleep(0)
        assert batcher.in_flight == 0

    asyncio.run(scenario())


def check(item: int, outcome: int | BaseException, *, sent: bool, failed: bool) -> None:
    if isinstance(outcome, asyncio.CancelledError):
        return
    if isinstance(outcome, QueueFull):
        assert not sent
    elif failed:
        assert isinstance(outcome, Broken)
    elif item % 7 == 3:
        assert isinstance(outcome, NotFound)
        assert outcome.facts == {"item": str(item)}
    else:
        assert outcome == item * 2


@settings(max_examples=25, deadline=None)
@given(timeouts_ms=st.lists(st.sampled_from([0, 1, 2, 500]), min_size=1, max_size=20), slow=st.booleans())
def test_each_item_has_its_own_deadline(timeouts_ms: list[int], slow: bool) -> None:
    async def flush(items: list[int]) -> list[int]:
        await asyncio.sleep(0.01 if slow else 0)
        return items

    async def scenario() -> None:
        batcher = Batcher(flush, max_batch=3, max_in_flight=1)
        outcomes = await asyncio.gather(
            *(batcher.submit(item, timeout_s=ms / 1000) for item, ms in enumerate(timeouts_ms)),
            return_exceptions=True,
        )
        for item, outcome in enumerate(outcomes):
            assert outcome == item or (isinstance(outcome, DeadlineExceeded) and timeouts_ms[item] < 500)
        await batcher.close()

    asyncio.run(scenario())
