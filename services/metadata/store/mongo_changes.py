"""The change log in MongoDB: following what changes, and numbering it by space."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import Timestamp
from pymongo import ReplaceOne
from pymongo.change_stream import ChangeStream
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import ConnectionFailure

from runtime.mongo import ChangeFollower, ResumeToken
from services.metadata.domain.errors import RevisionConflict
from services.metadata.domain.stores import Change, LogEnds

from .documents import Document, location_id
from .threads import PatientThreads

#: Collections whose changes are followed.
FOLLOWED = ("files", "locations", "custom_metadata")

#: Records change by whole replacement; plain updates only touch marks that nobody else needs to know.
_PIPELINE: list[Mapping[str, Any]] = [
    {
        "$match": {
            "operationType": {"$in": ["insert", "replace", "delete"]},
            "ns.coll": {"$in": list(FOLLOWED)},
        }
    },
    {
        "$project": {
            "operationType": 1,
            "ns.coll": 1,
            "documentKey": 1,
            "wallTime": 1,
            "fullDocument.space_id": 1,
            "fullDocument.file_id": 1,
            "fullDocument.revision": 1,
            "fullDocument.deleted": 1,
            "fullDocument.retired": 1,
            "fullDocument.location.revision": 1,
            "fullDocument.location.provider_id": 1,
        }
    },
]
_STREAM_WAIT_MS = 1000
_POSITION_ID = "position"
#: Sets the second change of an event behind the first one; tokens are hexadecimal digits.
_SECOND = "-"


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One change of one record. `position` grows with every change of the database.

    `space_id` and `revision` are empty when the record is gone altogether.
    """

    collection: str
    document_id: str
    file_id: str
    space_id: str
    revision: int | None
    deleted: bool
    position: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the stream of changes: after `token`, or while there is none, where the log begins."""

    token: ResumeToken | None
    begin_at: Timestamp


OnChanges = Callable[[Sequence[RecordChange], ResumeToken], Awaitable[None]]


def follow_changes(
    database: Database[Document],
    name: str,
    on_changes: OnChanges,
    *,
    on_gap: Callable[[], Awaitable[None]],
    resume_after: ResumeToken | None = None,
    begin_at: Timestamp | None = None,
    pace_s: float,
) -> ChangeFollower:
    """A part that hands over every change of the followed collections, in order.

    Without a place to resume after, it begins at `begin_at`, else with what happens next. `pace_s`: see
    `ChangeFollower`.
    """

    async def on_batch(events: Sequence[Document], token: ResumeToken) -> None:
        await on_changes([change for event in events for change in _from_event(event)], token)

    def open_stream(token: ResumeToken | None) -> ChangeStream[Document]:
        nonlocal begin_at
        start, begin_at = (None if token else begin_at), None
        try:
            return database.watch(
                _PIPELINE,
                resume_after=token,
                start_at_operation_time=start,
                max_await_time_ms=_STREAM_WAIT_MS,
                batch_size=1000,
            )
        except ConnectionFailure:
            begin_at = start  # nothing was opened, so the next try begins there, too
            raise

    return ChangeFollower(
        name,
        open_stream,
        on_batch,
        on_gap=on_gap,
        resume_after=resume_after,
        pace_s=pace_s,
    )


class MongoChangeLog:
    """The collections `changes`, one document a change, and `change_heads`, one document a space.

    The head of a space holds the last number given and the position of that change, so changes that are seen
    again after a crash are known, and get the numbers they had.
    """

    def __init__(
        self, database: Database[Document], threads: PatientThreads, provider_id: str, *, retention_s: float
    ) -> None:
        self._database = database
        self._changes: MongoCollection[Document] = database["changes"]
        self._heads: MongoCollection[Document] = database["change_heads"]
        self._positions: MongoCollection[Document] = database["change_positions"]
        self._threads = threads
        self._origin = provider_id
        self._retention = datetime.timedelta(seconds=retention_s)

    def follow(
        self,
        name: str,
        on_changes: OnChanges,
        *,
        on_gap: Callable[[], Awaitable[None]],
        position: Position | None = None,
        pace_s: float,
    ) -> ChangeFollower:
        """As `follow_changes`, on the database of the log, from a position or from now on."""
        return follow_changes(
            self._database,
            name,
            on_changes,
            on_gap=on_gap,
            resume_after=position.token if position is not None else None,
            begin_at=position.begin_at if position is not None else None,
            pace_s=pace_s,
        )

    def prepare(self) -> None:
        """Has the log begin now, unless it has begun. Runs in a thread, before the first write."""
        now = self._database.command("ping")["operationTime"]
        self._positions.update_one(
            {"_id": _POSITION_ID}, {"$setOnInsert": {"begin_at": now, "token": None}}, upsert=True
        )

    async def list(self, space_id: str, *, after_sequence: int, limit: int) -> Sequence[Change]:
        query = {"_id": {"$gt": self._key(space_id, after_sequence), "$lt": self._end(space_id)}}

        def read() -> list[Change]:
            cursor = self._changes.find(query, sort=[("_id", 1)], limit=limit)
            return [_to_change(document) for document in cursor]

        return await self._threads.read(read)

    async def ends(self, space_id: str) -> LogEnds:
        query = {"_id": {"$gt": self._key(space_id, 0), "$lt": self._end(space_id)}}

        def read() -> LogEnds:
            # The oldest first: what is numbered between the two reads is after both.
            oldest = self._changes.find_one(query, {"sequence": 1}, sort=[("_id", 1)])
            head = self._heads.find_one({"_id": space_id})
            last = head["last_sequence"] if head is not None else 0
            return LogEnds(oldest["sequence"] if oldest is not None else last + 1, last)

        return await self._threads.read(read)

    async def load_position(self) -> Position | None:
        """Up to where the changes are numbered."""
        document = await self._threads.read(lambda: self._positions.find_one({"_id": _POSITION_ID}))
        return None if document is None else Position(document["token"], document["begin_at"])

    async def save_position(self, token: ResumeToken) -> None:
        """All changes before it are numbered."""
        change = {"$set": {"token": token}}
        await self._threads.write(lambda: self._positions.update_one({"_id": _POSITION_ID}, change))

    async def append(self, space_id: str, changes: Sequence[RecordChange]) -> int:
        """Numbers the changes of one space that are not numbered yet; answers how many.

        Raises `RevisionConflict` when somebody else numbers the same space at this moment.
        """
        return await self._threads.write(lambda: self._append(space_id, changes))

    async def forget_all(self) -> None:
        """Some changes were never seen: history ends here, and whoever follows it must be told."""

        def write() -> None:
            self._heads.update_many({}, {"$inc": {"last_sequence": 1}})
            self._changes.delete_many({})

        await self._threads.write(write)

    def _append(self, space_id: str, changes: Sequence[RecordChange]) -> int:
        head = self._heads.find_one({"_id": space_id})
        last = head["last_sequence"] if head is not None else 0
        numbered_to = head["position"] if head is not None else ""
        new = [change for change in changes if change.position > numbered_to]
        if not new:
            return 0
        documents = [self._document(change, last + 1 + index) for index, change in enumerate(new)]
        self._changes.bulk_write(
            [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents],
            ordered=False,
        )
        after = {"_id": space_id, "last_sequence": last + len(new), "position": new[-1].position}
        if head is None:
            self._heads.insert_one(after)
        elif not self._heads.replace_one({"_id": space_id, "last_sequence": last}, after).matched_count:
            raise RevisionConflict(space_id=space_id)
        return len(new)

    def _document(self, change: RecordChange, sequence: int) -> Document:
        made = datetime.datetime.fromtimestamp(change.time_ms / 1000, tz=datetime.UTC)
        return {
            "_id": self._key(change.space_id, sequence),
            "space_id": change.space_id,
            "origin": self._origin,
            "sequence": sequence,
            "collection": change.collection,
            "document_id": change.document_id,
            "file_id": change.file_id,
            "revision": change.revision,
            "deleted": change.deleted,
            "time_ms": change.time_ms,
            "expires_at": made + self._retention,
        }

    def _key(self, space_id: str, sequence: int) -> str:
        """Ordered by space, origin, and number."""
        return f"{space_id}:{self._origin}:{sequence:016x}"

    def _end(self, space_id: str) -> str:
        return f"{space_id}:{self._origin};"


def _from_event(event: Mapping[str, Any]) -> list[RecordChange]:
    """The change of the record, and of the first location that came with it."""
    collection = event["ns"]["coll"]
    document_id = event["documentKey"]["_id"]
    record = event.get("fullDocument") or {}
    change = RecordChange(
        collection=collection,
        document_id=document_id,
        # Keys of locations are `<file id>:<provider id>`, all others are file ids.
        file_id=record.get("file_id") or document_id.partition(":")[0],
        space_id=record.get("space_id", ""),
        revision=record.get("revision"),
        deleted=bool(record.get("deleted") or record.get("retired")) or not record,
        position=event["_id"]["_data"],
        time_ms=int(event["wallTime"].replace(tzinfo=datetime.UTC).timestamp() * 1000),
    )
    location = record.get("location")
    if location is None or event["operationType"] != "insert":
        return [change]
    first = replace(
        change,
        collection="locations",
        document_id=location_id(change.file_id, location["provider_id"]),
        revision=location["revision"],
        deleted=False,
    )
    # Bytes have a place before a file is seen, here too; the position still grows from one to the next.
    return [first, replace(change, position=change.position + _SECOND)]


def _to_change(document: Mapping[str, Any]) -> Change:
    return Change(
        space_id=document["space_id"],
        sequence=document["sequence"],
        collection=document["collection"],
        document_id=document["document_id"],
        file_id=document["file_id"],
        revision=document["revision"],
        deleted=document["deleted"],
        time_ms=document["time_ms"],
    )
