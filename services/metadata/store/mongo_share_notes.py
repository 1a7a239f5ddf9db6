"""Shares half made or half ended, in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.share_books import ShareNote

from .documents import Document
from .threads import PatientThreads


class MongoShareNoteStore:
    """The collection `share_notes`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._notes: MongoCollection[Document] = database["share_notes"]
        self._threads = threads

    async def put(self, note: ShareNote) -> None:
        document = asdict(note)
        query = {"_id": document.pop("share_id")}
        await self._threads.write(lambda: self._notes.replace_one(query, document, upsert=True))

    async def find(self, share_id: str) -> ShareNote | None:
        document = await self._threads.read(lambda: self._notes.find_one({"_id": share_id}))
        return None if document is None else _from_document(document)

    async def remove(self, share_id: str) -> None:
        await self._threads.write(lambda: self._notes.delete_one({"_id": share_id}))

    async def list(self, *, before_ms: int, limit: int) -> Sequence[ShareNote]:
        query = {"time_ms": {"$lt": before_ms}}

        def read() -> list[ShareNote]:
            return [
                _from_document(each) for each in self._notes.find(query, sort=[("time_ms", 1)], limit=limit)
            ]

        return await self._threads.read(read)


def _from_document(document: Mapping[str, Any]) -> ShareNote:
    return ShareNote(
        share_id=document["_id"],
        space_id=document["space_id"],
        file_id=document["file_id"],
        ending=document["ending"],
        time_ms=document["time_ms"],
        user_id=document.get("user_id", ""),
        peer_ip=document.get("peer_ip", ""),
    )
