"""Tokens in MongoDB. Secrets lie apart, so that no listing of records ever reads one.

tokens             _id = token id, subject, name (unique for a subject), type, caveats, ...
token_secrets      _id = token id, secret
temporary_secrets  _id = subject, generation, secret
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import NamedToken, TemporarySecret
from services.zone.domain.identifiers import Subject, TokenType
from services.zone.domain.stores import Taken

Document = dict[str, Any]


def create_token_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.tokens.create_index([("subject", 1), ("name", 1)], unique=True)


class MongoTokenStore:
    """Answers TokenStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._tokens = database.tokens
        self._secrets = database.token_secrets
        self._temporary = database.temporary_secrets
        self._threads = threads

    async def create(self, token: NamedToken, secret: str) -> None:
        def work() -> None:
            # The secret first: a record that is seen can be verified.
            self._secrets.insert_one({"_id": token.id, "secret": secret})
            try:
                self._tokens.insert_one(_to_document(token))
            except DuplicateKeyError:
                self._secrets.delete_one({"_id": token.id})
                raise Taken("name") from None

        await self._threads.write(work)

    async def find(self, token_id: str) -> tuple[NamedToken, str] | None:
        def work() -> tuple[Document, Document] | None:
            record = self._tokens.find_one({"_id": token_id})
            secret = self._secrets.find_one({"_id": token_id}) if record else None
            return (record, secret) if record and secret else None

        found = await self._threads.read(work)
        return (_from_document(found[0]), str(found[1]["secret"])) if found else None

    async def find_by_name(self, subject: Subject, name: str) -> NamedToken | None:
        query = {"subject": subject.code, "name": name}
        found = await self._threads.read(lambda: self._tokens.find_one(query))
        return _from_document(found) if found else None

    async def list_ids(self, subject: Subject | None) -> list[str]:
        query = {} if subject is None else {"subject": subject.code}

        def work() -> list[str]:
            found = self._tokens.find(query, {"_id": 1}).sort([("subject", 1), ("name", 1)])
            return [str(document["_id"]) for document in found]

        return await self._threads.read(work)

    async def update(self, token_id: str, changes: Mapping[str, Any]) -> bool:
        fields = dict(changes)
        if "custom" in fields:
            fields["custom"] = orjson.dumps(fields["custom"])

        def work() -> bool:
            try:
                return self._tokens.update_one({"_id": token_id}, {"$set": fields}).matched_count == 1
            except DuplicateKeyError:
                raise Taken("name") from None

        return await self._threads.write(work)

    async def count_use(self, token_id: str) -> bool:
        below = {"$or": [{"usage_limit": None}, {"$expr": {"$lt": ["$usage_count", "$usage_limit"]}}]}
        query = {"_id": token_id, **below}
        done = await self._threads.write(lambda: self._tokens.update_one(query, {"$inc": {"usage_count": 1}}))
        return done.matched_count == 1

    async def uncount_use(self, token_id: str) -> None:
        query = {"_id": token_id, "usage_count": {"$gt": 0}}
        await self._threads.write(lambda: self._tokens.update_one(query, {"$inc": {"usage_count": -1}}))

    async def delete(self, token_id: str) -> bool:
        def work() -> bool:
            deleted = self._tokens.delete_one({"_id": token_id}).deleted_count == 1
            self._secrets.delete_one({"_id": token_id})
            return deleted

        return await self._threads.write(work)

    async def delete_all(self, subject: Subject) -> None:
        def work() -> None:
            query = {"subject": subject.code}
            ids = [document["_id"] for document in self._tokens.find(query, {"_id": 1})]
            # Secrets first: without its secret a token is good for nothing, whatever happens now.
            self._secrets.delete_many({"_id": {"$in": ids}})
            self._tokens.delete_many({"_id": {"$in": ids}})

        await self._threads.write(work)

    async def temporary_secret(self, subject: Subject, fresh: str) -> TemporarySecret:
        change = {"$setOnInsert": {"generation": 1, "secret": fresh}}

        def work() -> Document | None:
            return self._temporary.find_one_and_update(
                {"_id": subject.code}, change, upsert=True, return_document=ReturnDocument.AFTER
            )

        found = await self._threads.read(lambda: self._temporary.find_one({"_id": subject.code}))
        found = found or await self._threads.write(work) or {}
        return TemporarySecret(found["generation"], found["secret"])

    async def find_temporary_secret(self, subject: Subject) -> TemporarySecret | None:
        found = await self._threads.read(lambda: self._temporary.find_one({"_id": subject.code}))
        return TemporarySecret(found["generation"], found["secret"]) if found else None

    async def renew_temporary_secret(self, subject: Subject, fresh: str) -> int:
        change = {"$set": {"secret": fresh}, "$inc": {"generation": 1}}

        def work() -> Document | None:
            return self._temporary.find_one_and_update(
                {"_id": subject.code}, change, upsert=True, return_document=ReturnDocument.AFTER
            )

        renewed = await self._threads.write(work) or {}
        return int(renewed["generation"])


def _to_document(token: NamedToken) -> Document:
    return {
        "_id": token.id,
        "subject": token.subject.code,
        "name": token.name,
        "type": token.type.code,
        "caveats": list(token.caveats),
        # As text: what users put in here is theirs, with keys MongoDB would stumble over.
        "custom": orjson.dumps(dict(token.custom)),
        "revoked": token.revoked,
        "created_at_ms": token.created_at_ms,
        "usage_limit": token.usage_limit,
        "usage_count": token.usage_count,
        "privileges": token.privileges,
    }


def _from_document(document: Document) -> NamedToken:
    return NamedToken(
        id=document["_id"],
        name=document["name"],
        subject=Subject.parse(document["subject"]),
        type=TokenType.parse(document["type"]),
        caveats=tuple(document["caveats"]),
        custom=orjson.loads(document["custom"]),
        revoked=document["revoked"],
        created_at_ms=document["created_at_ms"],
        usage_limit=document["usage_limit"],
        usage_count=document["usage_count"],
        privileges=document["privileges"],
    )
