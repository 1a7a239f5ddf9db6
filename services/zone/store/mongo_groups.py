"""Groups in MongoDB.

groups  _id, name, type, creator, created_at_ms
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Group, Membership, group_ref
from services.zone.domain.identifiers import Subject
from services.zone.store.mongo_memberships import delete_all_in, delete_own_of, insert_with

Document = dict[str, Any]


class MongoGroupStore:
    """Answers GroupStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._database = database
        self._groups = database.groups
        self._threads = threads

    async def create(self, group: Group, memberships: Collection[Membership]) -> None:
        document = _to_document(group)
        await self._threads.write(lambda: insert_with(self._database, document, "groups", memberships))

    async def find(self, group_id: str) -> Group | None:
        found = await self._threads.read(lambda: self._groups.find_one({"_id": group_id}))
        return _from_document(found) if found else None

    async def find_many(self, group_ids: Collection[str]) -> list[Group]:
        query = {"_id": {"$in": list(group_ids)}}
        found = await self._threads.read(lambda: list(self._groups.find(query)))
        return [_from_document(document) for document in found]

    async def list_ids(self) -> list[str]:
        found = await self._threads.read(lambda: list(self._groups.find({}, {"_id": 1}).sort("_id", 1)))
        return [str(document["_id"]) for document in found]

    async def update(self, group_id: str, changes: Mapping[str, Any]) -> bool:
        change = {"$set": dict(changes)}
        done = await self._threads.write(lambda: self._groups.update_one({"_id": group_id}, change))
        return done.matched_count == 1

    async def delete(self, group_id: str) -> bool:
        def end(session: ClientSession) -> bool:
            # What it gave goes in the same step: its members may be many, and are removed at leisure.
            delete_own_of(self._database, group_ref(group_id), session)
            return self._groups.delete_one({"_id": group_id}, session=session).deleted_count == 1

        def work() -> bool:
            with self._database.client.start_session() as session:
                deleted: bool = session.with_transaction(end)
            delete_all_in(self._database, group_ref(group_id))
            return deleted

        return await self._threads.write(work)


def _to_document(group: Group) -> Document:
    return {
        "_id": group.id,
        "name": group.name,
        "type": group.type,
        "creator": group.creator.code,
        "created_at_ms": group.created_at_ms,
    }


def _from_document(document: Document) -> Group:
    return Group(
        document["_id"],
        document["name"],
        document["type"],
        Subject.parse(document["creator"]),
        document["created_at_ms"],
    )
