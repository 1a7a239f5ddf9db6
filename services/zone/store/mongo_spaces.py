"""Spaces in MongoDB. Owners and supports lie in the space's document, so each change of them is one update.

spaces       _id, name, ..., owners [user id],
             parameters {provider_id: {accounting_enabled, dir_stats_enabled, dir_stats_status}},
             supports [{provider_id, storage_id, size_bytes, readonly, imported, request_id}],
             imported_storage {provider_id, storage_id (unique)} of the support that has one, revision
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from bson.int64 import Int64
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Membership, Space, Support, SupportParameters, space_ref
from services.zone.domain.identifiers import Subject
from services.zone.domain.stores import Taken
from services.zone.store.mongo_memberships import delete_all_in, insert_with

Document = dict[str, Any]


def create_space_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.spaces.create_index([("supports.provider_id", 1), ("_id", 1)])
    database.spaces.create_index("supports.storage_id")
    # An imported storage supports one space.
    database.spaces.create_index(
        "imported_storage.storage_id",
        unique=True,
        partialFilterExpression={"imported_storage.storage_id": {"$type": "string"}},
    )


class MongoSpaceStore:
    """Answers SpaceStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._database = database
        self._spaces = database.spaces
        self._threads = threads

    async def create(self, space: Space, memberships: Collection[Membership]) -> None:
        document = _to_document(space)
        try:
            await self._threads.write(lambda: insert_with(self._database, document, "spaces", memberships))
        except DuplicateKeyError:
            raise Taken("id") from None

    async def find(self, space_id: str) -> Space | None:
        found = await self._threads.read(lambda: self._spaces.find_one({"_id": space_id}))
        return _from_document(found) if found else None

    async def find_many(self, space_ids: Collection[str]) -> list[Space]:
        if not space_ids:
            return []
        query = {"_id": {"$in": list(space_ids)}}
        found = await self._threads.read(lambda: list(self._spaces.find(query)))
        return [_from_document(document) for document in found]

    async def list_ids(self) -> list[str]:
        found = await self._threads.read(lambda: list(self._spaces.find({}, {"_id": 1}).sort("_id", 1)))
        return [str(document["_id"]) for document in found]

    async def update(self, space_id: str, changes: Mapping[str, Any]) -> bool:
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
        return await self._change({"_id": space_id}, {"$set": fields})

    async def _change(self, query: Document, change: Document) -> bool:
        """Something providers are told of."""
        change = {**change, "$inc": {"revision": 1}}
        done = await self._threads.write(lambda: self._spaces.update_one(query, change))
        return done.matched_count == 1

    async def delete(self, space_id: str) -> bool:
        def work() -> bool:
            deleted = self._spaces.delete_one({"_id": space_id}).deleted_count == 1
            delete_all_in(self._database, space_ref(space_id))
            return deleted

        return await self._threads.write(work)

    async def add_owner(self, space_id: str, user_id: str) -> bool:
        change = {"$addToSet": {"owners": user_id}}
        done = await self._threads.write(lambda: self._spaces.update_one({"_id": space_id}, change))
        return done.matched_count == 1

    async def remove_owner(self, space_id: str, user_id: str, *, keep_one: bool) -> bool:
        query: Document = {"_id": space_id, "owners": user_id}
        if keep_one:
            query["owners.1"] = {"$exists": True}
        change = {"$pull": {"owners": user_id}}
        done = await self._threads.write(lambda: self._spaces.update_one(query, change))
        return done.matched_count == 1

    async def add_support(self, space_id: str, support: Support) -> bool:
        query: Document = {"_id": space_id, "supports.provider_id": {"$ne": support.provider_id}}
        change: Document = {"$push": {"supports": _support_to_document(support)}}
        if support.imported:
            query["imported_storage"] = {"$exists": False}
            change["$set"] = {"imported_storage": _imported(support)}
        try:
            return await self._change(query, change)
        except DuplicateKeyError:
            raise Taken("storage") from None

    async def resize_support(self, space_id: str, provider_id: str, size_bytes: int) -> bool:
        change = {"$set": {"supports.$.size_bytes": Int64(size_bytes)}}
        return await self._change({"_id": space_id, "supports.provider_id": provider_id}, change)

    async def remove_support(self, space_id: str, provider_id: str) -> bool:
        query = {"_id": space_id, "supports.provider_id": provider_id}
        change: Document = {
            "$pull": {"supports": {"provider_id": provider_id}},
            "$unset": {f"parameters.{provider_id}": ""},
        }
        freed = {**change, "$unset": {**change["$unset"], "imported_storage": ""}}
        return await self._change({**query, "imported_storage.provider_id": provider_id}, freed) or (
            await self._change(query, change)
        )

    async def uses_storage(self, storage_id: str) -> bool:
        query = {"supports.storage_id": storage_id}
        return await self._threads.read(lambda: self._spaces.find_one(query, {"_id": 1})) is not None

    async def set_readonly(self, storage_id: str, *, readonly: bool) -> None:
        query = {"supports.storage_id": storage_id}
        change = {"$set": {"supports.$[its].readonly": readonly}, "$inc": {"revision": 1}}
        its = [{"its.storage_id": storage_id}]
        await self._threads.write(lambda: self._spaces.update_many(query, change, array_filters=its))

    async def set_parameters(self, space_id: str, provider_id: str, changes: Mapping[str, Any]) -> bool:
        fields = {f"parameters.{provider_id}.{name}": value for name, value in changes.items()}
        query = {"_id": space_id, "supports.provider_id": provider_id}
        return await self._change(query, {"$set": fields})

    async def supported_by(self, provider_id: str, *, after: str, limit: int) -> list[Space]:
        query = {"supports.provider_id": provider_id, "_id": {"$gt": after}}
        found = await self._threads.read(lambda: list(self._spaces.find(query).sort("_id", 1).limit(limit)))
        return [_from_document(document) for document in found]

    async def providers_of(self, space_ids: Collection[str]) -> set[str]:
        if not space_ids:
            return set()
        query = {"_id": {"$in": list(space_ids)}}
        return set(await self._threads.read(lambda: self._spaces.distinct("supports.provider_id", query)))


def _support_to_document(support: Support) -> Document:
    return {
        "provider_id": support.provider_id,
        "storage_id": support.storage_id,
        "size_bytes": Int64(support.size_bytes),
        "readonly": support.readonly,
        "imported": support.imported,
        "request_id": support.request_id,
    }


def _imported(support: Support) -> Document:
    return {"provider_id": support.provider_id, "storage_id": support.storage_id}


def _to_document(space: Space) -> Document:
    imported = next((_imported(support) for support in space.supports if support.imported), None)
    return {
        "_id": space.id,
        "name": space.name,
        "description": space.description,
        "organization_name": space.organization_name,
        "tags": list(space.tags),
        "advertised": space.advertised,
        "contact_email": space.contact_email,
        "owners": list(space.owners),
        "supports": [_support_to_document(support) for support in space.supports],
        "parameters": {provider_id: asdict(each) for provider_id, each in space.parameters.items()},
        "creator": space.creator.code,
        "created_at_ms": space.created_at_ms,
        "revision": Int64(space.created_at_ms),
        **({"imported_storage": imported} if imported else {}),
    }


def _from_document(document: Document) -> Space:
    return Space(
        id=document["_id"],
        name=document["name"],
        description=document["description"],
        organization_name=document["organization_name"],
        tags=tuple(document["tags"]),
        advertised=document["advertised"],
        contact_email=document["contact_email"],
        owners=tuple(document["owners"]),
        supports=tuple(
            Support(
                provider_id=each["provider_id"],
                storage_id=each["storage_id"],
                size_bytes=int(each["size_bytes"]),
                readonly=each["readonly"],
                imported=each.get("imported", False),
                request_id=each["request_id"],
            )
            for each in document["supports"]
        ),
        parameters={
            provider_id: SupportParameters(**fields)
            for provider_id, fields in document.get("parameters", {}).items()
        },
        creator=Subject.parse(document["creator"]),
        created_at_ms=document["created_at_ms"],
        revision=int(document.get("revision", 0)),
    )
