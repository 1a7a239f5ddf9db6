"""Copies in MongoDB, which removes them some time after they are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from services.metadata.domain.copy_records import OPEN, Copy, CopyProgress, CopyState
from services.metadata.domain.errors import IdTaken, NameTaken, RevisionConflict
from services.metadata.domain.records import FileType

from .documents import Document
from .threads import PatientThreads


class MongoCopyStore:
    """The collection `copies`. A place is reserved by `place`, which is unique and not there for others."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._copies: MongoCollection[Document] = database["copies"]
        self._threads = threads

    async def insert(self, copy: Copy) -> None:
        document = _to_document(copy)

        def insert() -> None:
            try:
                self._copies.insert_one(document)
            except DuplicateKeyError as error:
                if "_id" in (error.details or {}).get("keyPattern", {}):
                    raise IdTaken(copy_id=copy.copy_id) from error
                raise NameTaken(name=copy.name) from error

        await self._threads.write(insert)

    async def find(self, copy_id: str) -> Copy | None:
        return await self._find({"_id": copy_id})

    async def find_reserving(self, parent_id: str, name: str) -> Copy | None:
        return await self._find({"place": _place(parent_id, name)})

    async def replace(self, copy: Copy) -> None:
        document = _to_document(copy)
        previous = {"_id": copy.copy_id, "revision": copy.revision - 1}

        def replace() -> None:
            try:
                matched = self._copies.replace_one(previous, document).matched_count
            except DuplicateKeyError as error:
                raise NameTaken(name=copy.name) from error
            if not matched:
                raise RevisionConflict(copy_id=copy.copy_id)

        await self._threads.write(replace)

    async def remove(self, copy: Copy) -> None:
        query = {"_id": copy.copy_id, "revision": copy.revision}
        await self._threads.write(lambda: self._copies.delete_one(query))

    async def list_lapsed(self, states: Sequence[CopyState], *, before_ms: int, limit: int) -> Sequence[Copy]:
        query = {"state": {"$in": _values(states)}, "lease_until_ms": {"$lt": before_ms}}
        return await self._list(query, "lease_until_ms", limit)

    async def list(self, *, after: str, limit: int) -> Sequence[Copy]:
        query = {"_id": {"$gt": after}, "state": {"$ne": CopyState.DONE.value}}
        return await self._list(query, "_id", limit)

    async def count_open(self, *, user_id: str = "", limit: int) -> int:
        query: Document = {"state": {"$in": _values(OPEN)}}
        if user_id:
            query["user_id"] = user_id
        return await self._threads.read(lambda: self._copies.count_documents(query, limit=limit))

    async def _find(self, query: Document) -> Copy | None:
        document = await self._threads.read(lambda: self._copies.find_one(query))
        return None if document is None else _from_document(document)

    async def _list(self, query: Document, order: str, limit: int) -> Sequence[Copy]:
        def read() -> Sequence[Copy]:
            found = self._copies.find(query).sort(order, ASCENDING).limit(limit)
            return [_from_document(document) for document in found]

        return await self._threads.read(read)


def _values(states: Sequence[CopyState]) -> list[str]:
    return [state.value for state in states]


def _place(parent_id: str, name: str) -> str:
    return f"{parent_id}/{name}"


def _to_document(copy: Copy) -> Document:
    document = asdict(copy)
    document["_id"] = document.pop("copy_id")
    document["type"] = copy.type.value
    document["state"] = copy.state.value
    del document["expires_ms"]
    if copy.expires_ms is not None:
        document["expires_at"] = datetime.fromtimestamp(copy.expires_ms / 1000, UTC)
    if copy.reserves:
        document["place"] = _place(copy.parent_id, copy.name)
    return document


def _from_document(document: Mapping[str, Any]) -> Copy:
    fields = {name: value for name, value in document.items() if name not in ("_id", "place", "expires_at")}
    expires_at: datetime | None = document.get("expires_at")
    progress = document["progress"]
    fields["type"] = FileType(document["type"])
    fields["state"] = CopyState(document["state"])
    fields["progress"] = CopyProgress(**progress)
    if expires_at is not None:
        fields["expires_ms"] = round(expires_at.replace(tzinfo=UTC).timestamp() * 1000)
    return Copy(copy_id=document["_id"], **fields)
