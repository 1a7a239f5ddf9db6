"""Which users of ours own files on an imported storage, as an operator says.

A storage knows its owners by numbers. Nobody but the operator knows who they are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from runtime.errors import InvalidArgument, ResourceExhausted

MAX_USERS = 10_000
#: The greatest number that means somebody.
MAX_UID = 2**32 - 2
MAX_USER_ID_LENGTH = 256


class TooManyStorageUsers(ResourceExhausted):
    """The storage has as many users as it may."""

    reason = "TOO_MANY_STORAGE_USERS"


class StorageUserStore(Protocol):
    """Users by number, for each storage; they go with it."""

    async def put(self, storage_id: str, uid: int, user_id: str, *, limit: int) -> None:
        """Adds or replaces one. `NoSuchStorage`, `TooManyStorageUsers`."""
        ...

    async def remove(self, storage_id: str, uid: int) -> None:
        """Removes one, if it is there. `NoSuchStorage`."""
        ...

    async def find(self, storage_id: str, uid: int) -> str:
        """The user's id; empty when none is known."""
        ...

    async def all(self, storage_id: str) -> Mapping[int, str]:
        """Every one of them. `NoSuchStorage`."""
        ...


class StorageUsers:
    """Says and shows who is who."""

    def __init__(self, store: StorageUserStore) -> None:
        self._store = store

    async def set(self, storage_id: str, uid: int, user_id: str) -> None:
        """Files of this owner belong to the user; to nobody for an empty id.

        `NoSuchStorage`, `InvalidArgument`, `TooManyStorageUsers`.
        """
        if not 0 <= uid <= MAX_UID:
            raise InvalidArgument("not a number of a user", key="uid", limit=MAX_UID)
        if len(user_id) > MAX_USER_ID_LENGTH or not user_id.isprintable() or "/" in user_id:
            raise InvalidArgument("not a possible id of a user", key="user_id")
        if user_id:
            await self._store.put(storage_id, uid, user_id, limit=MAX_USERS)
        else:
            await self._store.remove(storage_id, uid)

    async def all(self, storage_id: str) -> Mapping[int, str]:
        """User ids by number. `NoSuchStorage`."""
        return await self._store.all(storage_id)
