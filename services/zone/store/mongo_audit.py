"""Notes of changes in MongoDB.

audit  _id (in order of time), at (date, for the end of keeping), who, on_behalf_of, about [id], action,
       details (JSON), ...
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from pymongo.database import Database

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Note

Document = dict[str, Any]


def create_audit_indexes(database: Database[Document], *, keep_s: int) -> None:
    """Once at start; harmless when they are there."""
    database.audit.create_index([("who", 1), ("_id", -1)])
    database.audit.create_index([("on_behalf_of", 1), ("_id", -1)])
    database.audit.create_index([("about", 1), ("_id", -1)])
    # Made anew when the time of keeping is another than at the last start.
    known = database.audit.index_information().get("at_1", {})
    if known and known.get("expireAfterSeconds") != keep_s:
        database.audit.drop_index("at_1")
    database.audit.create_index("at", expireAfterSeconds=keep_s)


class MongoAuditStore:
    """Answers AuditStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._audit = database.audit
        self._threads = threads

    async def begin(self, note: Note) -> None:
        document = _to_document(note)
        await self._threads.write(lambda: self._audit.insert_one(document))

    async def finish(self, note: Note) -> None:
        document = _to_document(note)
        await self._threads.write(lambda: self._audit.replace_one({"_id": note.id}, document, upsert=True))

    async def cancel(self, note_id: str) -> None:
        await self._threads.write(lambda: self._audit.delete_one({"_id": note_id}))

    async def list(self, *, who: str | None, about: str | None, before: str | None, limit: int) -> list[Note]:
        query: Document = {} if about is None else {"about": about}
        if who is not None:
            query["$or"] = [{"who": who}, {"on_behalf_of": who}]
        if before is not None:
            query["_id"] = {"$lt": before}
        found = await self._threads.read(lambda: list(self._audit.find(query).sort("_id", -1).limit(limit)))
        return [_from_document(document) for document in found]


def _to_document(note: Note) -> Document:
    return {
        "_id": note.id,
        "at": datetime.fromtimestamp(note.at_ms / 1000, UTC),
        "at_ms": note.at_ms,
        "who": note.who,
        "on_behalf_of": note.on_behalf_of,
        "peer_ip": note.peer_ip,
        "action": note.action,
        "about": list(note.about),
        "details": orjson.dumps(dict(note.details)),
        "request_id": note.request_id,
        "done": note.done,
    }


def _from_document(document: Document) -> Note:
    return Note(
        id=document["_id"],
        at_ms=document["at_ms"],
        who=document["who"],
        peer_ip=document["peer_ip"],
        action=document["action"],
        about=tuple(document["about"]),
        details=orjson.loads(document["details"]),
        request_id=document["request_id"],
        done=document["done"],
        on_behalf_of=document.get("on_behalf_of", ""),
    )
