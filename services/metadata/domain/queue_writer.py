"""Changes of queues: what gathers for one queue while its last change is written becomes the next one.

A change is one transaction that is conditional on the state it saw and notes the requests it was made for. So
numbers have no gaps, the order is that of the commits at whatever instance, and a request that is repeated
does nothing again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from runtime.batching import Batcher
from runtime.errors import IsthmusError, NoSpace, NoSuchFile

from .errors import LimitReached, LostRace, NotTheOldest, RevisionConflict, TooManyAtOnce
from .queue_books import QueueChange, QueueOp, QueueState, QueueStore, QueueValue
from .quotas import Quotas
from .retries import patient_attempts

#: Changes of one queue in one transaction, and what they may weigh together.
MAX_TOGETHER = 64
MAX_TOGETHER_VALUES = 1000
MAX_TOGETHER_BYTES = 8 * 1024 * 1024
#: Queues of which it is remembered that nothing is under way.
MAX_IDLE = 1024
MAX_WAITING = 1024


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What an operator allows: bytes of a value, values of a request, values and bytes of a queue."""

    value_bytes: int = 1024 * 1024
    request_values: int = 1000
    queue_values: int = 1_000_000
    queue_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value to be added."""

    content: bytes
    mimetype: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Values to be added behind all others. `through`: as in `QueueOp`."""

    op_id: str
    values: Sequence[NewValue]
    through: int = 0

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def size_bytes(self) -> int:
        return sum(len(value.content) for value in self.values)


@dataclass(frozen=True, slots=True)
class Dequeue:
    """The oldest values to be taken away: so many, or those among the numbers from `first` to `last`."""

    op_id: str
    count: int = 0
    first: int | None = None
    last: int = 0

    @property
    def size_bytes(self) -> int:
        return 0

    def numbers(self, state: QueueState) -> range:
        """What it takes of this state. Raises `NotTheOldest`."""
        if self.first is None:
            return range(state.first, min(state.next, state.first + self.count))
        if self.first > state.first:
            raise NotTheOldest(key="values", oldest=state.first)
        return range(state.first, max(state.first, min(state.next, self.last + 1)))


Job = Enqueue | Dequeue
#: What became of a job: what it did, or why it did nothing.
Outcome = QueueOp | IsthmusError


class QueueWriter:
    """Applies jobs to queues, those of one queue in the order in which they come."""

    def __init__(self, store: QueueStore, quotas: Quotas, limits: QueueLimits) -> None:
        self._store = store
        self._quotas = quotas
        self._limits = limits
        self._lanes: OrderedDict[str, Batcher[Job, QueueOp]] = OrderedDict()

    async def apply(self, space_id: str, queue_id: str, job: Job) -> QueueOp:
        """Does it once, however often the request is repeated.

        Raises `NoSuchFile` when the queue was deleted, `NoSpace`, `LimitReached`, `NotTheOldest`,
        `TooManyAtOnce`, `LostRace`.
        """
        return await self._lane(space_id, queue_id).submit(job)

    async def move(
        self, source: QueueState, target: QueueState, job: Enqueue, taken: range
    ) -> QueueOp | None:
        """Adds values to one queue and takes them from another in the same step; None after a lost race."""
        [outcome], change = self._planned(target, [job], {})
        if isinstance(outcome, IsthmusError):
            raise outcome
        dropped_bytes = await self._store.size_bytes(source.queue_id, taken)
        drop = QueueChange(_without(source, taken, dropped_bytes), dropped=taken)
        await self._quotas.charge(target.space_id, job.size_bytes)
        try:
            await self._store.change([change, drop])
        except RevisionConflict:
            await self._quotas.release(target.space_id, job.size_bytes)
            return None
        await self._quotas.release(source.space_id, dropped_bytes)
        return outcome

    async def drain(self, space_id: str, queue_id: str) -> bool:
        """Removes some of the values of a deleted queue, and lets none in; True when none is left."""
        state = await self._state(space_id, queue_id)
        if state.gone and not state.count:
            return True
        taken = range(state.first, min(state.next, state.first + MAX_TOGETHER_VALUES))
        dropped_bytes = await self._store.size_bytes(queue_id, taken)
        left = replace(_without(state, taken, dropped_bytes), gone=True)
        try:
            await self._store.change([QueueChange(left, dropped=taken)])
        except RevisionConflict:
            return False
        await self._quotas.release(space_id, dropped_bytes)
        return not left.count

    async def close(self) -> None:
        """Lets changes under way end."""
        for lane in list(self._lanes.values()):
            await lane.close()

    async def _state(self, space_id: str, queue_id: str) -> QueueState:
        return await self._store.find(queue_id) or QueueState(queue_id, space_id)

    def _lane(self, space_id: str, queue_id: str) -> Batcher[Job, QueueOp]:
        lane = self._lanes.get(queue_id)
        if lane is None:
            lane = self._lanes[queue_id] = Batcher(
                partial(self._flush, space_id, queue_id),
                max_batch=MAX_TOGETHER,
                max_in_flight=1,
                max_waiting=MAX_WAITING,
                name="queues",
            )
            self._forget_idle()
        self._lanes.move_to_end(queue_id)
        return lane

    def _forget_idle(self) -> None:
        for queue_id, lane in list(self._lanes.items())[: max(0, len(self._lanes) - MAX_IDLE)]:
            if not lane.waiting and not lane.in_flight:
                del self._lanes[queue_id]

    async def _flush(self, space_id: str, queue_id: str, jobs: list[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for some in _together(jobs):
            outcomes += await self._apply(space_id, queue_id, some)
        return outcomes

    async def _apply(self, space_id: str, queue_id: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Jobs of one kind as one change; what cannot be done is told to whoever asked for it alone."""
        try:
            return await self._changed(space_id, queue_id, jobs)
        except NoSpace as error:
            if len(jobs) == 1:
                return [error]
            # All together are too much for the quota: some may still fit, in their order.
            return [(await self._apply(space_id, queue_id, [job]))[0] for job in jobs]
        except IsthmusError as error:
            return [error] * len(jobs)

    async def _changed(self, space_id: str, queue_id: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        async for _ in patient_attempts():
            state = await self._state(space_id, queue_id)
            done = await self._store.find_ops([job.op_id for job in jobs if job.op_id])
            outcomes, change = self._planned(state, jobs, done)
            if not change.added and not change.dropped:
                return outcomes
            if change.dropped:
                dropped_bytes = await self._store.size_bytes(queue_id, change.dropped)
                change = replace(
                    change, state=replace(change.state, held_bytes=change.state.held_bytes - dropped_bytes)
                )
            grown_bytes = change.state.held_bytes - state.held_bytes
            await self._quotas.charge(space_id, grown_bytes)
            try:
                await self._store.change([change])
            except RevisionConflict:
                await self._quotas.release(space_id, grown_bytes)
                continue
            await self._quotas.release(space_id, -grown_bytes)
            return outcomes
        raise LostRace(file_id=queue_id)

    def _planned(
        self, before: QueueState, jobs: Iterable[Job], done: Mapping[str, QueueOp]
    ) -> tuple[list[Outcome], QueueChange]:
        """What becomes of each, and the change that makes it so. Bytes that go are not counted yet."""
        state, outcomes, added = before, list[Outcome](), list[QueueValue]()
        ops: dict[str, QueueOp] = {}
        for job in jobs:
            known = done.get(job.op_id) or ops.get(job.op_id)
            if known is not None:
                outcomes.append(known)
                continue
            try:
                self._check(state, job)
                op = _done(job, state)
            except IsthmusError as error:
                outcomes.append(error)
                continue
            outcomes.append(op)
            if op.op_id:
                ops[op.op_id] = op
            if isinstance(job, Enqueue):
                added += _numbered(job.values, state.next)
                state = replace(
                    state, next=state.next + op.count, held_bytes=state.held_bytes + job.size_bytes
                )
            else:
                state = replace(state, first=state.first + op.count)
        state = replace(state, revision=before.revision + 1)
        dropped = range(before.first, state.first)
        return outcomes, QueueChange(state, added, dropped, tuple(ops.values()))

    def _check(self, state: QueueState, job: Job) -> None:
        if state.gone:
            raise NoSuchFile(file_id=state.queue_id)
        limits = self._limits
        if isinstance(job, Dequeue):
            if len(job.numbers(state)) > limits.request_values:
                raise TooManyAtOnce(key="values", limit=limits.request_values)
            return
        if state.count + job.count > limits.queue_values:
            raise LimitReached(limit=limits.queue_values, resource_description="values in a queue")
        if state.held_bytes + job.size_bytes > limits.queue_bytes:
            raise LimitReached(limit=limits.queue_bytes, resource_description="bytes in a queue")


def _done(job: Job, state: QueueState) -> QueueOp:
    """What a job does to this state."""
    if isinstance(job, Enqueue):
        return QueueOp(job.op_id, state.next, job.count, job.through)
    taken = job.numbers(state)
    return QueueOp(job.op_id, taken.start, len(taken))


def _numbered(values: Sequence[NewValue], first: int) -> Iterator[QueueValue]:
    for number, value in enumerate(values, first):
        yield QueueValue(number, value.content, value.mimetype, value.encoding)


def _without(state: QueueState, taken: range, size_bytes: int) -> QueueState:
    return replace(
        state,
        first=state.first + len(taken),
        held_bytes=state.held_bytes - size_bytes,
        revision=state.revision + 1,
    )


def _together(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """Neighbours of one kind, as many as one transaction bears."""
    for _, same in groupby(jobs, key=type):
        some: list[Job] = []
        for job in same:
            heavy = sum(each.size_bytes for each in some) + job.size_bytes > MAX_TOGETHER_BYTES
            many = sum(map(_weight, some)) + _weight(job) > MAX_TOGETHER_VALUES
            if some and (heavy or many):
                yield some
                some = []
            some.append(job)
        yield some


def _weight(job: Job) -> int:
    """Values it may concern."""
    if isinstance(job, Dequeue) and job.first is not None:
        return MAX_TOGETHER_VALUES
    return job.count
