"""Storages, supports and sweeps in MongoDB.

storages         _id storage id, name (unique), driver, parameters, readonly, request_id (unique), ...
                 qos_parameters: a JSON text
storage_secrets  _id storage id, secrets; apart, so that no listing can show them by mistake
supports         _id space id, storage_id, size_bytes, request_id (unique), space_name, revision,
                 ended: true for one that has
sweeps           _id storage id, cursor
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from bson.int64 import Int64
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.errors import AlreadyExists
from runtime.mongo import Document, MongoThreads
from services.storage_router.domain.storages import NoSuchStorage, Storage, Support


class MongoStorageStore:
    """`StorageStore` and `SweepStore`. One method, one atomic step."""

    def __init__(self, client: MongoClient[Document], database_name: str, threads: MongoThreads) -> None:
        self._client = client
        database: Database[Document] = client[database_name]
        self._storages = database["storages"]
        self._secrets = database["storage_secrets"]
        self._supports = database["supports"]
        self._sweeps = database["sweeps"]
        self._threads = threads

    async def prepare(self) -> None:
        """Makes the indexes. Idempotent."""

        def work() -> None:
            self._storages.create_index("name", unique=True)
            self._storages.create_index("request_id", unique=True)
            self._supports.create_index("storage_id")
            self._supports.create_index("request_id", unique=True)

        await self._threads.write(work)

    async def start(self) -> None:
        """The server is looked for at the first call."""
        await self._threads.start()

    async def stop(self) -> None:
        """Ends all connections."""
        await self._threads.stop()
        self._client.close()

    async def add_storage(self, storage: Storage) -> Storage:
        def work() -> Storage:
            known = self._storages.find_one({"request_id": storage.request_id})
            if known is not None:
                return self._with_secrets(known)
            if storage.secrets:
                # First, so that no storage is ever there without them.
                secrets = {"secrets": dict(storage.secrets)}
                self._secrets.replace_one({"_id": storage.storage_id}, secrets, upsert=True)
            try:
                self._storages.insert_one(_storage_to_document(storage))
            except DuplicateKeyError:
                known = self._storages.find_one({"request_id": storage.request_id})
                if known is None:
                    raise AlreadyExists("a storage has this name", name=storage.name) from None
                return self._with_secrets(known)
            return storage

        return await self._threads.write(work)

    async def get_storage(self, storage_id: str) -> Storage:
        def work() -> Storage:
            document = self._storages.find_one({"_id": storage_id})
            if document is None:
                raise NoSuchStorage(storage_id=storage_id)
            return self._with_secrets(document)

        return await self._threads.read(work)

    async def list_storages(self, *, after_name: str = "", limit: int = 1000) -> Sequence[Storage]:
        def work() -> Sequence[Storage]:
            found = list(self._storages.find({"name": {"$gt": after_name}}).sort("name", 1).limit(limit))
            ids = [document["_id"] for document in found]
            secrets = {each["_id"]: each["secrets"] for each in self._secrets.find({"_id": {"$in": ids}})}
            return [_storage_from_document(each, secrets.get(each["_id"], {})) for each in found]

        return await self._threads.read(work)

    async def change_storage(self, known: Storage, wanted: Storage) -> bool:
        # Storages of old have neither flag nor parameters.
        then = _public_to_document(known)
        query: Document = {"_id": known.storage_id, **then}
        if not known.imported:
            query["imported"] = {"$in": [False, None]}
        if not known.qos_parameters:
            query["qos_parameters"] = {"$in": [then["qos_parameters"], None]}
        change = {"$set": _public_to_document(wanted)}

        def work() -> bool:
            try:
                done = self._storages.update_one(query, change)
            except DuplicateKeyError:
                raise AlreadyExists("a storage has this name", name=wanted.name) from None
            return done.matched_count == 1

        return await self._threads.write(work)

    async def delete_storage(self, storage_id: str) -> None:
        def work() -> None:
            self._storages.delete_one({"_id": storage_id})
            self._secrets.delete_one({"_id": storage_id})
            self._sweeps.delete_one({"_id": storage_id})

        await self._threads.write(work)

    async def put_support(self, support: Support) -> bool:
        # One with neither an older revision nor none at all is as new; then the insert finds the id taken.
        older = {"_id": support.space_id, "revision": {"$not": {"$gte": support.revision}}}
        document = _support_to_document(support)

        def work() -> bool:
            try:
                self._supports.replace_one(older, document, upsert=True)
            except DuplicateKeyError:
                return False
            return True

        return await self._threads.write(work)

    async def end_support(self, space_id: str, revision: int) -> bool:
        query = {"_id": space_id, "ended": {"$exists": False}, "revision": {"$not": {"$gt": revision}}}
        change = {"$set": {"ended": True, "revision": Int64(revision)}}
        done = await self._threads.write(lambda: self._supports.update_one(query, change))
        return done.matched_count == 1

    async def find_support(self, space_id: str) -> Support | None:
        query = {"_id": space_id, "ended": {"$exists": False}}
        found = await self._threads.read(lambda: self._supports.find_one(query))
        return None if found is None else _support_from_document(found)

    async def find_support_of_request(self, request_id: str) -> Support | None:
        query = {"request_id": request_id, "ended": {"$exists": False}}
        found = await self._threads.read(lambda: self._supports.find_one(query))
        return None if found is None else _support_from_document(found)

    async def list_supports(self, *, after_space: str = "", limit: int = 1000) -> Sequence[Support]:
        def work() -> Sequence[Support]:
            query = {"_id": {"$gt": after_space}, "ended": {"$exists": False}}
            found = self._supports.find(query).sort("_id", 1).limit(limit)
            return [_support_from_document(document) for document in found]

        return await self._threads.read(work)

    async def has_supports(self, storage_id: str) -> bool:
        query = {"storage_id": storage_id, "ended": {"$exists": False}}
        found = await self._threads.read(lambda: self._supports.find_one(query))
        return found is not None

    async def get_cursor(self, storage_id: str) -> str:
        found = await self._threads.read(lambda: self._sweeps.find_one({"_id": storage_id}))
        return "" if found is None else str(found["cursor"])

    async def put_cursor(self, storage_id: str, cursor: str) -> None:
        document = {"cursor": cursor}
        await self._threads.write(
            lambda: self._sweeps.replace_one({"_id": storage_id}, document, upsert=True)
        )

    def _with_secrets(self, document: Mapping[str, Any]) -> Storage:
        found = self._secrets.find_one({"_id": document["_id"]})
        return _storage_from_document(document, {} if found is None else found["secrets"])


def _storage_to_document(storage: Storage) -> Document:
    return {
        "_id": storage.storage_id,
        **_public_to_document(storage),
        "driver": storage.driver,
        "parameters": dict(storage.parameters),
        "fsync": storage.fsync,
        "request_id": storage.request_id,
        "created_at_ms": storage.created_at_ms,
    }


def _public_to_document(storage: Storage) -> Document:
    # Parameters as text, since their names may be any.
    parameters = orjson.dumps(dict(storage.qos_parameters), option=orjson.OPT_SORT_KEYS).decode()
    return {
        "name": storage.name,
        "readonly": storage.readonly,
        "imported": storage.imported,
        "qos_parameters": parameters,
    }


def _storage_from_document(document: Mapping[str, Any], secrets: Mapping[str, str]) -> Storage:
    return Storage(
        storage_id=document["_id"],
        name=document["name"],
        driver=document["driver"],
        parameters=document["parameters"],
        secrets=dict(secrets),
        readonly=document["readonly"],
        imported=document.get("imported", False),
        fsync=document["fsync"],
        request_id=document["request_id"],
        created_at_ms=document["created_at_ms"],
        qos_parameters=orjson.loads(document.get("qos_parameters", "{}")),
    )


def _support_to_document(support: Support) -> Document:
    return {
        "_id": support.space_id,
        "storage_id": support.storage_id,
        "size_bytes": support.size_bytes,
        "request_id": support.request_id,
        "space_name": support.space_name,
        "revision": Int64(support.revision),
    }


def _support_from_document(document: Mapping[str, Any]) -> Support:
    return Support(
        space_id=document["_id"],
        storage_id=document["storage_id"],
        size_bytes=document["size_bytes"],
        request_id=document["request_id"],
        space_name=document["space_name"],
        revision=int(document.get("revision", 0)),
    )
