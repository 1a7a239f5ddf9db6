"""MongoDB of a stack: its key, the one-member replica set, and the users that may log in.

Nobody reads or writes without a password. The first user can only be made from the machine of the server
itself and while there is none (MongoDB's localhost exception); every step is taken only if it was not yet.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from stack.secrets import ensure_password, write_secret

#: Who the services log in as: they read and write and make indexes, no more.
USER = "isthmus"
USER_ROLES = ("readWriteAnyDatabase", "dbAdminAnyDatabase")
#: Who an operator logs in as, to dump, to restore, to make other users.
ADMIN = "admin"
ADMIN_ROLES = ("root",)
TIMEOUT_MS = 500
_KEY_BYTES = 96
_UNAUTHORIZED, _AUTHENTICATION_FAILED, _ALREADY_INITIALIZED = 13, 18, 23

Client = MongoClient[dict[str, Any]]


@dataclass(frozen=True)
class Secrets:
    """The files of one server. `key`: what the members of its replica set know each other by."""

    key: Path
    admin_password: Path
    password: Path

    @classmethod
    def below(cls, folder: Path) -> Secrets:
        """Where they are."""
        return cls(folder / "mongod.key", folder / "mongo-admin.password", folder / "mongo.password")

    def ensure(self) -> None:
        """Makes what is missing."""
        if not self.key.exists():
            write_secret(self.key, base64.b64encode(secrets.token_bytes(_KEY_BYTES)))
        ensure_password(self.admin_password)
        ensure_password(self.password)


def is_prepared(address: str, member: str, own: Secrets) -> bool:
    """Takes the next step; true once the set has its primary and the services' user can log in.

    `address`: the server, on this machine. `member`: how all others reach it, noted in the replica set.
    """
    try:
        with _client(address) as nobody:
            if not nobody.admin.command("hello").get("isWritablePrimary"):
                _initiate(nobody, member)
                return False
            if not _may_log_in(address, ADMIN, own.admin_password):
                _create_user(nobody, ADMIN, own.admin_password, ADMIN_ROLES)
        if not _may_log_in(address, USER, own.password):
            with _client(address, ADMIN, own.admin_password) as admin:
                _create_user(admin, USER, own.password, USER_ROLES)
    except OperationFailure:
        raise
    except PyMongoError:
        return False  # It is still starting, or elects its primary.
    return True


def _initiate(client: Client, member: str) -> None:
    try:
        config = {"_id": "rs0", "members": [{"_id": 0, "host": member}]}
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        # Once there are users, a server that looks for its primary does not even say that it is one of a set.
        if error.code not in (_ALREADY_INITIALIZED, _UNAUTHORIZED):
            raise


def _may_log_in(address: str, user: str, password: Path) -> bool:
    try:
        with _client(address, user, password) as client:
            client.admin.command("ping")
    except OperationFailure as error:
        if error.code != _AUTHENTICATION_FAILED:
            raise
        return False
    return True


def _create_user(client: Client, user: str, password: Path, roles: tuple[str, ...]) -> None:
    client.admin.command("createUser", user, pwd=password.read_text().strip(), roles=list(roles))


def _client(address: str, user: str = "", password: Path | None = None) -> Client:
    return MongoClient(
        f"mongodb://{address}",
        directConnection=True,
        serverSelectionTimeoutMS=TIMEOUT_MS,
        username=user or None,
        password=password.read_text().strip() if password else None,
    )
