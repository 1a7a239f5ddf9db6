"""Queues: entries of the tree that hold values in the order in which they came.

Reading values needs the right to read data, adding and taking them that to write data; which values there are
is told to whoever can walk to the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import InvalidArgument, InvalidName, NotSupported
from runtime.identity import Identity

from . import permissions
from .errors import LimitReached, LostRace, TooManyAtOnce
from .paths import FileRef, Found, Paths
from .queue_books import QueueOp, QueueState, QueueStore, QueueValue
from .queue_writer import Dequeue, Enqueue, NewValue, QueueLimits, QueueWriter
from .records import File, FileType
from .retries import attempts, patient_attempts
from .times import Touches

#: Values told in one answer, and taken in by one request: they travel in one message.
MAX_TOLD_BYTES = 8 * 1024 * 1024
MAX_TAKEN_BYTES = 2 * 1024 * 1024
ENCODINGS = ("utf-8", "base64")
MAX_MIMETYPE_BYTES = 255


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A queue, which values it holds, and some of them in their order."""

    file: File
    state: QueueState
    values: Sequence[QueueValue]


@dataclass(frozen=True, slots=True)
class Taking:
    """Which of the oldest values: so many, or those with numbers from `first` to `last`."""

    count: int = 0
    first: int | None = None
    last: int = 0


class Queues:
    """Queues of all spaces."""

    def __init__(
        self, store: QueueStore, writer: QueueWriter, paths: Paths, touches: Touches, limits: QueueLimits
    ) -> None:
        self._store = store
        self._writer = writer
        self._paths = paths
        self._touches = touches
        self._limits = limits

    async def read(self, identity: Identity, ref: FileRef, *, limit: int) -> QueuePage:
        """So many of the oldest values, or all there are; none of them is taken.

        Raises `TooManyAtOnce`, and `LimitReached` when they are too much for one answer together.
        """
        found = await self._resolve(identity, ref, permissions.READ_DATA if limit else 0)
        self._check_many(limit)
        if limit:
            self._touches.read(found.file)
        state, values = await self._read(found.file, 0, limit)
        return QueuePage(found.shown(self._touches.applied(found.file)), state, values)

    async def enqueue(
        self, identity: Identity, request_id: str, ref: FileRef, values: Sequence[NewValue]
    ) -> QueueOp:
        """Adds values behind all others, all of them or none: their numbers.

        Raises `TooManyAtOnce`, `LimitReached` for a value, a request or a queue that is too large, `NoSpace`.
        """
        found = await self._resolve(identity, ref, permissions.WRITE_DATA)
        self._check(values)
        job = Enqueue(_op_id(identity, request_id, found.file), values)
        op = await self._writer.apply(found.file.space_id, found.file.file_id, job)
        await self._touches.content_changed(found.file)
        return op

    async def dequeue(self, identity: Identity, request_id: str, ref: FileRef, taking: Taking) -> QueueOp:
        """Takes the oldest values away, fewer when there are fewer: their numbers.

        Raises `NotTheOldest` when an older value would stay, `TooManyAtOnce`.
        """
        found = await self._resolve(identity, ref, permissions.WRITE_DATA)
        if taking.first is None:
            self._check_many(taking.count)
        job = Dequeue(
            _op_id(identity, request_id, found.file), taking.count, first=taking.first, last=taking.last
        )
        op = await self._writer.apply(found.file.space_id, found.file.file_id, job)
        if op.count:
            await self._touches.content_changed(found.file)
        return op

    async def copy_values(
        self,
        identity: Identity,
        request_id: str,
        source_ref: FileRef,
        target_ref: FileRef,
        *,
        limit: int,
        first: int = 0,
    ) -> QueueOp:
        """Adds copies of the oldest values of a queue, from the number `first` on, to another one or to
        itself: `limit` of them, or fewer when more would be too much for one request."""
        source = await self._resolve(identity, source_ref, permissions.READ_DATA)
        target = await self._resolve(identity, target_ref, permissions.WRITE_DATA)
        limit = min(limit, self._limits.request_values)
        _, values = await self._read(source.file, first, limit, limit_bytes=MAX_TAKEN_BYTES, cuts=True)
        op_id = _op_id(identity, request_id, target.file)
        known = await self._store.find_ops([op_id]) if op_id else {}
        if known:
            return known[op_id]
        if not values:
            return QueueOp(op_id, 0, 0, first)
        job = Enqueue(op_id, [_new(value) for value in values], through=values[-1].number + 1)
        op = await self._writer.apply(target.file.space_id, target.file.file_id, job)
        await self._touches.content_changed(target.file)
        return op

    async def move_values(
        self, identity: Identity, request_id: str, source_ref: FileRef, target_ref: FileRef, *, limit: int
    ) -> QueueOp:
        """Takes so many of the oldest values from a queue and adds them to another in one step, so that each
        is always in one of both. Raises `InvalidName` for a queue onto itself."""
        bits = permissions.READ_DATA | permissions.WRITE_DATA
        source = (await self._resolve(identity, source_ref, bits)).file
        target = (await self._resolve(identity, target_ref, permissions.WRITE_DATA)).file
        if source.file_id == target.file_id:
            raise InvalidName("a queue takes no values from itself", file_id=source.file_id)
        self._check_many(limit)
        op_id = _op_id(identity, request_id, target)
        async for _ in patient_attempts():
            known = await self._store.find_ops([op_id]) if op_id else {}
            if known:
                return known[op_id]
            op = await self._move(source, target, op_id, limit)
            if op is not None:
                return op
        raise LostRace(file_id=target.file_id)

    async def _move(self, source: File, target: File, op_id: str, limit: int) -> QueueOp | None:
        before, values = await self._read(source, 0, limit, limit_bytes=MAX_TAKEN_BYTES)
        if not values:
            return QueueOp(op_id, 0, 0)
        job = Enqueue(op_id, [_new(value) for value in values])
        there = await self._store.find(target.file_id) or QueueState(target.file_id, target.space_id)
        taken = range(before.first, before.first + len(values))
        op = await self._writer.move(before, there, job, taken)
        if op is not None:
            for file in (source, target):
                await self._touches.content_changed(file)
        return op

    async def _resolve(self, identity: Identity, ref: FileRef, bits: int) -> Found:
        found = await self._paths.resolve(identity, ref)
        if found.file.type is not FileType.QUEUE:
            raise NotSupported("only queues have values", file_id=found.file.file_id)
        permissions.require(identity, found.chain, bits, found.reach)
        return found

    async def _read(
        self,
        file: File,
        first: int,
        limit: int,
        *,
        limit_bytes: int = MAX_TOLD_BYTES,
        cuts: bool = False,
    ) -> tuple[QueueState, Sequence[QueueValue]]:
        """The state, and values that were the oldest of it. `cuts`: fewer, where all are too much."""
        async for _ in attempts():
            state = await self._store.find(file.file_id) or QueueState(file.file_id, file.space_id)
            start = max(first, state.first)
            wanted = max(0, min(limit, state.next - start))
            if not wanted:
                return state, ()
            values = await self._store.list_values(
                file.file_id, first=start, limit=wanted, limit_bytes=limit_bytes
            )
            fits = sum(len(value.content) for value in values) <= limit_bytes
            if not fits and not cuts:
                raise LimitReached(limit=limit_bytes, resource_description="bytes of values at once")
            values = values if fits or len(values) == 1 else values[:-1]
            # What others took away meanwhile is missing at the beginning.
            if values and values[0].number == start and (len(values) == wanted or not fits):
                return state, values
        raise LostRace(file_id=file.file_id)

    def _check_many(self, count: int) -> None:
        if not 0 <= count <= self._limits.request_values:
            raise TooManyAtOnce(key="values", limit=self._limits.request_values)

    def _check(self, values: Sequence[NewValue]) -> None:
        if not values:
            raise InvalidArgument("there is nothing to be added")
        self._check_many(len(values))
        limit = self._limits.value_bytes
        for value in values:
            if len(value.content) > limit:
                raise LimitReached(limit=limit, resource_description="bytes in a value of a queue")
            if value.encoding not in ENCODINGS or len(value.mimetype.encode()) > MAX_MIMETYPE_BYTES:
                raise InvalidArgument("not a possible encoding or media type of a value")
        if sum(len(value.content) for value in values) > MAX_TAKEN_BYTES:
            raise LimitReached(limit=MAX_TAKEN_BYTES, resource_description="bytes of values at once")


def _new(value: QueueValue) -> NewValue:
    return NewValue(value.content, value.mimetype, value.encoding)


def _op_id(identity: Identity, request_id: str, file: File) -> str:
    """Request ids may be a client's own, so others' are not taken for one's own."""
    return f"{file.file_id}/{identity.subject_id}/{request_id}" if request_id else ""
