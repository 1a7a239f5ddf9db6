"""Users in MongoDB.

users         _id, username (unique where set), full_name, emails, ..., privileges, linked_accounts,
              account_keys ["<idp>:<subject>"] (unique where there are any)
user_secrets  _id = user id, password_hash
zone          _id "setup": that there was a first administrator
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import LinkedAccount, User
from services.zone.domain.stores import Taken

Document = dict[str, Any]


def create_user_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database.users.create_index(
        "username", unique=True, partialFilterExpression={"username": {"$type": "string"}}
    )
    # Absent rather than empty, because an empty list counts as a value of its own.
    database.users.create_index(
        "account_keys", unique=True, partialFilterExpression={"account_keys": {"$exists": True}}
    )
    database.users.create_index([("created_at_ms", 1), ("_id", 1)])


class MongoUserStore:
    """Answers UserStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._users = database.users
        self._secrets = database.user_secrets
        self._zone = database.zone
        self._threads = threads

    async def create(self, user: User, password_hash: str | None) -> None:
        def work() -> None:
            if password_hash is not None:
                self._secrets.insert_one({"_id": user.id, "password_hash": password_hash})
            try:
                self._users.insert_one(_to_document(user))
            except DuplicateKeyError as error:
                self._secrets.delete_one({"_id": user.id})
                raise _taken(error) from None

        await self._threads.write(work)

    async def find(self, user_id: str) -> User | None:
        found = await self._threads.read(lambda: self._users.find_one({"_id": user_id}))
        return _from_document(found) if found else None

    async def find_by_username(self, username: str) -> User | None:
        found = await self._threads.read(lambda: self._users.find_one({"username": username}))
        return _from_document(found) if found else None

    async def find_by_account(self, idp: str, subject_id: str) -> User | None:
        query = {"account_keys": f"{idp}:{subject_id}"}
        found = await self._threads.read(lambda: self._users.find_one(query))
        return _from_document(found) if found else None

    async def link_account(self, user_id: str, account: LinkedAccount) -> bool:
        key = _key(account)
        same = {"$eq": [{"$concat": ["$$this.idp", ":", "$$this.subject_id"]}, {"$literal": key}]}
        known = {"$ifNull": ["$linked_accounts", []]}
        others = {"$filter": {"input": known, "cond": {"$not": [same]}}}
        keys = {"$setUnion": [{"$ifNull": ["$account_keys", []]}, {"$literal": [key]}]}
        accounts = {"$concatArrays": [others, {"$literal": [_account_to_document(account)]}]}
        change = [{"$set": {"linked_accounts": accounts, "account_keys": keys}}]

        def work() -> bool:
            try:
                return self._users.update_one({"_id": user_id}, change).matched_count == 1
            except DuplicateKeyError as error:
                raise _taken(error) from None

        return await self._threads.write(work)

    async def list_ids(self) -> list[str]:
        def work() -> list[str]:
            found = self._users.find({}, {"_id": 1}).sort([("created_at_ms", 1), ("_id", 1)])
            return [str(document["_id"]) for document in found]

        return await self._threads.read(work)

    async def update(self, user_id: str, changes: Mapping[str, Any]) -> bool:
        def work() -> bool:
            try:
                return self._users.update_one({"_id": user_id}, {"$set": dict(changes)}).matched_count == 1
            except DuplicateKeyError:
                raise Taken("username") from None

        return await self._threads.write(work)

    async def change_privileges(
        self, user_id: str, *, grant: Collection[str], revoke: Collection[str]
    ) -> bool:
        left = {"$setDifference": ["$privileges", list(revoke)]}
        change = [{"$set": {"privileges": {"$setUnion": [left, list(grant)]}}}]
        done = await self._threads.write(lambda: self._users.update_one({"_id": user_id}, change))
        return done.matched_count == 1

    async def delete(self, user_id: str) -> bool:
        def work() -> bool:
            deleted = self._users.delete_one({"_id": user_id}).deleted_count == 1
            self._secrets.delete_one({"_id": user_id})
            return deleted

        return await self._threads.write(work)

    async def password_hash(self, user_id: str) -> str | None:
        found = await self._threads.read(lambda: self._secrets.find_one({"_id": user_id}))
        return str(found["password_hash"]) if found else None

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        change = {"$set": {"password_hash": password_hash}}
        await self._threads.write(lambda: self._secrets.update_one({"_id": user_id}, change, upsert=True))

    async def is_set_up(self) -> bool:
        return await self._threads.read(lambda: self._zone.find_one({"_id": "setup"})) is not None

    async def mark_set_up(self, user_id: str) -> None:
        change = {"$setOnInsert": {"first_admin": user_id}}
        await self._threads.write(lambda: self._zone.update_one({"_id": "setup"}, change, upsert=True))


def _taken(error: DuplicateKeyError) -> Taken:
    pattern = (error.details or {}).get("keyPattern", {})
    return Taken("account" if "account_keys" in pattern else "username")


def _key(account: LinkedAccount) -> str:
    return f"{account.idp}:{account.subject_id}"


def _account_to_document(account: LinkedAccount) -> Document:
    return {**asdict(account), "emails": list(account.emails), "entitlements": list(account.entitlements)}


def _account_from_document(document: Document) -> LinkedAccount:
    lists = {name: tuple(document[name]) for name in ("emails", "entitlements")}
    return LinkedAccount(**{**document, **lists})


def _to_document(user: User) -> Document:
    document: Document = {
        "_id": user.id,
        "full_name": user.full_name,
        "username": user.username,
        "emails": list(user.emails),
        "basic_auth_enabled": user.basic_auth_enabled,
        "blocked": user.blocked,
        "privileges": sorted(user.privileges),
        "created_at_ms": user.created_at_ms,
    }
    if user.linked_accounts:
        document["linked_accounts"] = [_account_to_document(account) for account in user.linked_accounts]
        document["account_keys"] = [_key(account) for account in user.linked_accounts]
    return document


def _from_document(document: Document) -> User:
    return User(
        id=document["_id"],
        full_name=document["full_name"],
        username=document["username"],
        emails=tuple(document["emails"]),
        basic_auth_enabled=document["basic_auth_enabled"],
        blocked=document["blocked"],
        privileges=frozenset(document["privileges"]),
        created_at_ms=document["created_at_ms"],
        linked_accounts=tuple(map(_account_from_document, document.get("linked_accounts", ()))),
    )
