"""The change log in MongoDB: following what changes, and numbering it by space."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from bson import Timestamp
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from runtime.mongo import ChangeCursor, ChangeFollower, ResumeToken
from services.metadata.domain.change_books import Change, LogEnds
from services.metadata.domain.errors import RevisionConflict

from .documents import Document, location_id
from .threads import PatientThreads

Pipeline = Sequence[Mapping[str, Any]]

#: Records change by whole replacement; plain updates only touch marks that nobody else needs to know.
_ALL: Pipeline = (
    {
        "$match": {
            "operationType": {"$in": ["insert", "replace", "delete"]},
            "ns.coll": {"$in": ["files", "locations", "custom_metadata"]},
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
)
#: What can be in nobody's cache needs no invalidation: new files. A location may be the second one of a file.
_OF_CACHED: Pipeline = (
    {
        "$match": {
            "$or": [
                {"operationType": {"$in": ["replace", "delete"]}, "ns.coll": {"$in": ["files", "locations"]}},
                {"operationType": "insert", "ns.coll": "locations"},
            ]
        }
    },
    {
        "$project": {
            "ns.coll": 1,
            "documentKey": 1,
            "fullDocument.revision": 1,
            "fullDocument.space_id": 1,
            "fullDocument.parent_id": 1,
            "fullDocument.deleted": 1,
        }
    },
)
#: Changes of one space that are numbered, and kept, together.
MAX_NUMBERED_TOGETHER = 200
_POSITION_ID = "position"
#: The driver tells times of UTC without saying so.
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001
_MILLISECOND = datetime.timedelta(milliseconds=1)
#: Sets the second change of an event behind the first one; tokens are hexadecimal digits.
_SECOND = "-"


class RecordChange(NamedTuple):
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
class CachedChange:
    """A record is at this revision now, or gone when that is None. `parent_id`: of a file."""

    collection: str
    file_id: str
    revision: int | None
    space_id: str
    parent_id: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the stream of changes: after `token`, or while there is none, where the log begins."""

    token: ResumeToken | None
    begin_at: Timestamp


C = TypeVar("C")
OnChanges = Callable[[Sequence[C], ResumeToken], Awaitable[None]]


def _follow(
    database: Database[Document],
    name: str,
    pipeline: Pipeline,
    told: Callable[[Document], Sequence[C]],
    on_changes: OnChanges[C],
    *,
    on_gap: Callable[[], Awaitable[None]],
    resume_after: ResumeToken | None = None,
    begin_at: Timestamp | None = None,
    pace_s: float,
) -> ChangeFollower:
    """A part that hands over what `told` makes of each event, in order.

    Without a place to resume after, it begins at `begin_at`, else with what happens next. `pace_s`: see
    `ChangeFollower`.
    """

    async def on_batch(events: Sequence[Document], token: ResumeToken) -> None:
        await on_changes([change for event in events for change in told(event)], token)

    def open_stream(token: ResumeToken | None) -> ChangeCursor:
        nonlocal begin_at
        start, begin_at = (None if token else begin_at), None
        try:
            return ChangeCursor(database, pipeline, resume_after=token, start_at=start)
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


def follow_cached(
    database: Database[Document],
    on_changes: OnChanges[CachedChange],
    *,
    on_gap: Callable[[], Awaitable[None]],
    pace_s: float,
) -> ChangeFollower:
    """A part that hands over what happens to records that a cache may hold, from now on."""
    return _follow(database, "cache", _OF_CACHED, _to_cached, on_changes, on_gap=on_gap, pace_s=pace_s)


class MongoChangeLog:
    """The collections `changes`, one document for changes numbered together, and `change_heads`, one a space.

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
        on_changes: OnChanges[RecordChange],
        *,
        on_gap: Callable[[], Awaitable[None]],
        position: Position | None = None,
        pace_s: float,
    ) -> ChangeFollower:
        """A part that hands over every change, in order, from a position or from now on."""
        return _follow(
            self._database,
            name,
            _ALL,
            _from_event,
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
        # The document that has the next one may begin as much earlier as a document is long.
        first = max(0, after_sequence + 1 - MAX_NUMBERED_TOGETHER)
        query = {"_id": {"$gte": self._key(space_id, first), "$lt": self._end(space_id)}}

        def read() -> list[Change]:
            found: list[Change] = []
            for document in self._changes.find(query, sort=[("_id", 1)], batch_size=100):
                found += [change for change in _to_changes(document) if change.sequence > after_sequence]
                if len(found) >= limit:
                    break
            return found[:limit]

        return await self._threads.read(read)

    async def ends(self, space_id: str) -> LogEnds:
        query = {"_id": {"$gt": self._key(space_id, 0), "$lt": self._end(space_id)}}

        def read() -> LogEnds:
            # The oldest first: what is numbered between the two reads is after both.
            oldest = self._changes.find_one(query, {"first_sequence": 1}, sort=[("_id", 1)])
            head = self._heads.find_one({"_id": space_id})
            last = head["last_sequence"] if head is not None else 0
            return LogEnds(oldest["first_sequence"] if oldest is not None else last + 1, last)

        return await self._threads.read(read)

    async def heads(self, space_ids: Collection[str]) -> Mapping[str, int]:
        query = {"_id": {"$in": list(space_ids)}}

        def read() -> dict[str, int]:
            return {head["_id"]: head["last_sequence"] for head in self._heads.find(query)}

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
        if head is None:
            head = {"_id": space_id, "last_sequence": 0, "position": ""}
            self._heads.update_one({"_id": space_id}, {"$setOnInsert": head}, upsert=True)
        before = head["last_sequence"]
        while new := [change for change in changes if change.position > head["position"]]:
            head = self._advance(head, new[:MAX_NUMBERED_TOGETHER])
            changes = new
        return int(head["last_sequence"] - before)

    def _advance(self, head: Document, changes: Sequence[RecordChange]) -> Document:
        """Numbers some changes, then moves the head: whoever dies in between is continued by the next."""
        document = self._document(changes, head["last_sequence"] + 1)
        try:
            self._changes.insert_one(document)
        except DuplicateKeyError as error:
            kept = self._changes.find_one({"_id": document["_id"]})
            if kept is None:
                raise RevisionConflict(space_id=head["_id"]) from error
            document = kept
        last_sequence = document["first_sequence"] + len(document["changes"]) - 1
        after = {"_id": head["_id"], "last_sequence": last_sequence, "position": document["position"]}
        expected = {"_id": head["_id"], "last_sequence": head["last_sequence"]}
        if not self._heads.replace_one(expected, after).matched_count:
            raise RevisionConflict(space_id=head["_id"])
        return after

    def _document(self, changes: Sequence[RecordChange], first_sequence: int) -> Document:
        last = changes[-1]
        made = datetime.datetime.fromtimestamp(last.time_ms / 1000, tz=datetime.UTC)
        return {
            "_id": self._key(last.space_id, first_sequence),
            "space_id": last.space_id,
            "origin": self._origin,
            "first_sequence": first_sequence,
            "position": last.position,
            "changes": [
                [each.collection, each.document_id, each.file_id, each.revision, each.deleted, each.time_ms]
                for each in changes
            ],
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
        time_ms=(event["wallTime"] - _EPOCH) // _MILLISECOND,
    )
    location = record.get("location")
    if location is None or event["operationType"] != "insert":
        return [change]
    first = change._replace(
        collection="locations",
        document_id=location_id(change.file_id, location["provider_id"]),
        revision=location["revision"],
        deleted=False,
    )
    # Bytes have a place before a file is seen, here too; the position still grows from one to the next.
    return [first, change._replace(position=change.position + _SECOND)]


def _to_cached(event: Mapping[str, Any]) -> list[CachedChange]:
    # Keys of locations are `<file id>:<provider id>`.
    file_id = event["documentKey"]["_id"].partition(":")[0]
    record = event.get("fullDocument") or {}
    return [
        CachedChange(
            event["ns"]["coll"],
            file_id,
            record.get("revision"),
            record.get("space_id", ""),
            record.get("parent_id", ""),
            record.get("deleted", False),
        )
    ]


def _to_changes(document: Mapping[str, Any]) -> Iterator[Change]:
    for sequence, values in enumerate(document["changes"], document["first_sequence"]):
        yield Change(document["space_id"], sequence, *values)
