"""The zone's stores in memory: for trials and tests, under the same contract as MongoDB.

Nothing here waits between looking and changing, so every method is one step for all other tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from services.zone.domain.entities import (
    LinkedAccount,
    NamedToken,
    TemporarySecret,
    User,
)
from services.zone.domain.identifiers import Subject
from services.zone.domain.stores import Taken


class MemoryUserStore:
    """Answers UserStore."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._hashes: dict[str, str] = {}
        self._first_admin = ""

    async def create(self, user: User, password_hash: str | None) -> None:
        self._check_free(user.username, "")
        for account in user.linked_accounts:
            await self._check_account(account, "")
        self._users[user.id] = user
        if password_hash is not None:
            self._hashes[user.id] = password_hash

    def _check_free(self, username: str | None, user_id: str) -> None:
        taken = (user for user in self._users.values() if user.username == username and user.id != user_id)
        if username is not None and any(taken):
            raise Taken("username")

    async def find(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    async def find_by_username(self, username: str) -> User | None:
        return next((user for user in self._users.values() if user.username == username), None)

    async def find_by_account(self, idp: str, subject_id: str) -> User | None:
        key = (idp, subject_id)
        return next((user for user in self._users.values() if key in map(_key, user.linked_accounts)), None)

    async def _check_account(self, account: LinkedAccount, user_id: str) -> None:
        owner = await self.find_by_account(account.idp, account.subject_id)
        if owner is not None and owner.id != user_id:
            raise Taken("account")

    async def link_account(self, user_id: str, account: LinkedAccount) -> bool:
        await self._check_account(account, user_id)
        user = self._users.get(user_id)
        if user is None:
            return False
        others = tuple(each for each in user.linked_accounts if _key(each) != _key(account))
        self._users[user_id] = replace(user, linked_accounts=(*others, account))
        return True

    async def list_ids(self) -> list[str]:
        users = sorted(self._users.values(), key=lambda user: (user.created_at_ms, user.id))
        return [user.id for user in users]

    async def update(self, user_id: str, changes: Mapping[str, Any]) -> bool:
        if user_id not in self._users:
            return False
        self._check_free(changes.get("username"), user_id)
        self._users[user_id] = replace(self._users[user_id], **changes)
        return True

    async def change_privileges(
        self, user_id: str, *, grant: Collection[str], revoke: Collection[str]
    ) -> bool:
        user = self._users.get(user_id)
        if user is None:
            return False
        self._users[user_id] = replace(user, privileges=user.privileges - set(revoke) | set(grant))
        return True

    async def delete(self, user_id: str) -> bool:
        self._hashes.pop(user_id, None)
        return self._users.pop(user_id, None) is not None

    async def password_hash(self, user_id: str) -> str | None:
        return self._hashes.get(user_id)

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        self._hashes[user_id] = password_hash

    async def is_set_up(self) -> bool:
        return bool(self._first_admin)

    async def mark_set_up(self, user_id: str) -> None:
        self._first_admin = self._first_admin or user_id


def _key(account: LinkedAccount) -> tuple[str, str]:
    return account.idp, account.subject_id


class MemoryTokenStore:
    """Answers TokenStore."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[NamedToken, str]] = {}
        self._temporary: dict[Subject, TemporarySecret] = {}

    async def create(self, token: NamedToken, secret: str) -> None:
        if await self.find_by_name(token.subject, token.name) is not None:
            raise Taken("name")
        self._tokens[token.id] = (token, secret)

    async def find(self, token_id: str) -> tuple[NamedToken, str] | None:
        return self._tokens.get(token_id)

    async def find_by_name(self, subject: Subject, name: str) -> NamedToken | None:
        records = (token for token, _ in self._tokens.values())
        return next((token for token in records if (token.subject, token.name) == (subject, name)), None)

    async def list_ids(self, subject: Subject | None) -> list[str]:
        records = [token for token, _ in self._tokens.values() if subject in (None, token.subject)]
        records.sort(key=lambda token: (token.subject.code, token.name))
        return [token.id for token in records]

    async def update(self, token_id: str, changes: Mapping[str, Any]) -> bool:
        if token_id not in self._tokens:
            return False
        token, secret = self._tokens[token_id]
        if "name" in changes:
            other = await self.find_by_name(token.subject, changes["name"])
            if other is not None and other.id != token_id:
                raise Taken("name")
        self._tokens[token_id] = (replace(token, **changes), secret)
        return True

    async def count_use(self, token_id: str) -> bool:
        if token_id not in self._tokens:
            return False
        token, secret = self._tokens[token_id]
        if token.usage_limit is not None and token.usage_count >= token.usage_limit:
            return False
        self._tokens[token_id] = (replace(token, usage_count=token.usage_count + 1), secret)
        return True

    async def uncount_use(self, token_id: str) -> None:
        token, secret = self._tokens.get(token_id, (None, ""))
        if token is not None and token.usage_count > 0:
            self._tokens[token_id] = (replace(token, usage_count=token.usage_count - 1), secret)

    async def delete(self, token_id: str) -> bool:
        return self._tokens.pop(token_id, None) is not None

    async def delete_all(self, subject: Subject) -> None:
        for token_id in await self.list_ids(subject):
            del self._tokens[token_id]

    async def temporary_secret(self, subject: Subject, fresh: str) -> TemporarySecret:
        return self._temporary.setdefault(subject, TemporarySecret(1, fresh))

    async def find_temporary_secret(self, subject: Subject) -> TemporarySecret | None:
        return self._temporary.get(subject)

    async def renew_temporary_secret(self, subject: Subject, fresh: str) -> int:
        last = self._temporary.get(subject)
        renewed = TemporarySecret(last.generation + 1 if last else 1, fresh)
        self._temporary[subject] = renewed
        return renewed.generation
