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

from runtime.secret_file import write_secret
from stack.secrets import ensure_password

#: Who the services log in as: they read and write and make indexes, no more.
USER = "isthmus"
USER_ROLES = ("readWriteAnyDatabase", "dbAdminAnyDatabase")
#: Who an operator logs in as, to dump, to restore, to make other users.
ADMIN = "admin"
ADMIN_ROLES = ("root",)
TIMEOUT_MS = 500
_KEY_BYTES = 96
_UNAUTHORIZED, _AUTHENTICATION_FAILED, _ALREADY_INITIALIZED, _USER_EXISTS = 13, 18, 23, 51003

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

    @property
    def former_admin_password(self) -> Path:
        """Where an operator puts the admin's password to have it replaced."""
        return self.admin_password.with_name(f"{self.admin_password.name}.old")

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
                _let_admin_in(nobody, address, own)
        own.former_admin_password.unlink(missing_ok=True)
        if not _may_log_in(address, USER, own.password):
            with _client(address, ADMIN, own.admin_password) as admin:
                _let_services_in(admin, own)
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


def _let_admin_in(nobody: Client, address: str, own: Secrets) -> None:
    """Makes the first user, or gives him the new password if the former one is still there."""
    if not own.former_admin_password.exists():
        return _create_user(nobody, ADMIN, own.admin_password, ADMIN_ROLES)
    with _client(address, ADMIN, own.former_admin_password) as admin:
        return _set_password(admin, ADMIN, own.admin_password)


def _let_services_in(admin: Client, own: Secrets) -> None:
    """Makes their user, or gives him the password of the file if he has another."""
    try:
        _create_user(admin, USER, own.password, USER_ROLES)
    except OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise
        _set_password(admin, USER, own.password)


def _set_password(admin: Client, user: str, password: Path) -> None:
    admin.admin.command("updateUser", user, pwd=password.read_text().strip())


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
