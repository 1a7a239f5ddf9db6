"""Values of queues in MongoDB.

A value has the key `<id of the queue>/<its number as 16 hexadecimal digits>`, so the order of the keys is
that of the numbers, and no index beside that of the keys is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from services.metadata.domain.errors import RevisionConflict
from services.metadata.domain.queue_books import QueueChange, QueueOp, QueueState, QueueValue

from .bulk import DUPLICATE_KEY
from .documents import Document
from .threads import PatientThreads
from .transactions import Session, run_transaction

#: How long it is remembered what a request did. The front door gives up repeating one after two minutes.
OP_MEMORY = timedelta(minutes=15)
#: How long a deleted queue keeps out who found it a moment before.
GONE_MEMORY = timedelta(days=1)


class MongoQueueStore:
    """The collections `queues`, `queue_values` and `queue_ops`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._queues: MongoCollection[Document] = database["queues"]
        self._values: MongoCollection[Document] = database["queue_values"]
        self._ops: MongoCollection[Document] = database["queue_ops"]
        self._client = database.client
        self._threads = threads

    async def find(self, queue_id: str) -> QueueState | None:
        document = await self._threads.read(lambda: self._queues.find_one({"_id": queue_id}))
        return None if document is None else _state_from_document(document)

    async def find_ops(self, op_ids: Collection[str]) -> Mapping[str, QueueOp]:
        if not op_ids:
            return {}

        def read() -> dict[str, QueueOp]:
            found = self._ops.find({"_id": {"$in": list(op_ids)}})
            ops = (QueueOp(item["_id"], item["first"], item["count"], item["through"]) for item in found)
            return {op.op_id: op for op in ops}

        return await self._threads.read(read)

    async def list_values(
        self, queue_id: str, *, first: int, limit: int, limit_bytes: int
    ) -> Sequence[QueueValue]:
        def read() -> list[QueueValue]:
            values: list[QueueValue] = []
            left_bytes = limit_bytes
            query = {"_id": {"$gte": _key(queue_id, first), "$lt": _end(queue_id)}}
            for document in self._values.find(query, sort=[("_id", 1)], limit=limit):
                values.append(_value_from_document(document))
                left_bytes -= len(values[-1].content)
                if left_bytes < 0:
                    break
            return values

        return await self._threads.read(read)

    async def size_bytes(self, queue_id: str, numbers: range) -> int:
        if not numbers:
            return 0
        steps: list[Document] = [
            {"$match": _among(queue_id, numbers)},
            {"$group": {"_id": None, "bytes": {"$sum": {"$binarySize": "$content"}}}},
        ]

        def read() -> int:
            return sum(int(item["bytes"]) for item in self._values.aggregate(steps))

        return await self._threads.read(read)

    async def change(self, changes: Sequence[QueueChange]) -> None:
        def steps(session: Session) -> None:
            for change in changes:
                self._change(session, change)

        await self._threads.write(lambda: run_transaction(self._client, steps, taken=RevisionConflict))

    async def held_bytes(self, space_id: str) -> int:
        steps: list[Document] = [
            {"$match": {"space_id": space_id}},
            {"$group": {"_id": None, "bytes": {"$sum": "$held_bytes"}}},
        ]

        def read() -> int:
            return sum(int(item["bytes"]) for item in self._queues.aggregate(steps))

        return await self._threads.read(read)

    def _change(self, session: Session, change: QueueChange) -> None:
        self._put(session, change.state)
        queue_id = change.state.queue_id
        ops = [_op_to_document(op) for op in change.ops]
        if ops:
            self._note(session, ops)
        if change.dropped:
            self._values.delete_many(_among(queue_id, change.dropped), session=session)
        added = [_value_to_document(queue_id, value) for value in change.added]
        if added:
            self._values.insert_many(added, session=session)

    def _note(self, session: Session, ops: Sequence[Document]) -> None:
        try:
            self._ops.insert_many(ops, session=session)
        except BulkWriteError as error:
            refused = (error.details or {}).get("writeErrors")
            if refused and refused[0]["code"] == DUPLICATE_KEY:
                raise RevisionConflict(op_id=ops[refused[0]["index"]]["_id"]) from error
            raise

    def _put(self, session: Session, state: QueueState) -> None:
        document = _state_to_document(state)
        if state.revision == 1:
            self._queues.insert_one(document, session=session)
            return
        expected = {"_id": state.queue_id, "revision": state.revision - 1}
        if not self._queues.replace_one(expected, document, session=session).matched_count:
            raise RevisionConflict(file_id=state.queue_id)


def _key(queue_id: str, number: int) -> str:
    return f"{queue_id}/{number:016x}"


def _end(queue_id: str) -> str:
    """Behind all keys of a queue: `/` is followed by `0`."""
    return f"{queue_id}0"


def _among(queue_id: str, numbers: range) -> Document:
    return {"_id": {"$gte": _key(queue_id, numbers.start), "$lt": _key(queue_id, numbers.stop)}}


def _op_to_document(op: QueueOp) -> Document:
    return {
        "_id": op.op_id,
        "first": op.first,
        "count": op.count,
        "through": op.through,
        "expires_at": datetime.now(UTC) + OP_MEMORY,
    }


def _value_to_document(queue_id: str, value: QueueValue) -> Document:
    return {
        "_id": _key(queue_id, value.number),
        "content": value.content,
        "mimetype": value.mimetype,
        "encoding": value.encoding,
    }


def _value_from_document(document: Mapping[str, object]) -> QueueValue:
    number = int(str(document["_id"]).rpartition("/")[2], 16)
    content = document["content"]
    assert isinstance(content, bytes)  # noqa: S101 - as it was written
    return QueueValue(number, content, str(document["mimetype"]), str(document["encoding"]))


def _state_to_document(state: QueueState) -> Document:
    document: Document = {
        "_id": state.queue_id,
        "space_id": state.space_id,
        "first": state.first,
        "next": state.next,
        "held_bytes": state.held_bytes,
        "revision": state.revision,
    }
    if state.gone:
        document["gone"] = True
        if not state.count:
            document["expires_at"] = datetime.now(UTC) + GONE_MEMORY
    return document


def _state_from_document(document: Document) -> QueueState:
    return QueueState(
        queue_id=document["_id"],
        space_id=document["space_id"],
        first=document["first"],
        next=document["next"],
        held_bytes=document["held_bytes"],
        revision=document["revision"],
        gone=document.get("gone", False),
    )
