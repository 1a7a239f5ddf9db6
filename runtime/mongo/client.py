"""How MongoDB is spoken to, and which of its errors mean that it is away."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from runtime.config import BadSettings, MongoSettings
from runtime.errors import Unavailable

Document = dict[str, Any]

#: How long to look for a primary before a call fails; a failover takes longer, and callers retry.
SERVER_SELECTION_TIMEOUT_S = 2.0
#: Longest one round trip may take.
SOCKET_TIMEOUT_S = 10.0
#: Longest to wait for a majority to have journaled a write.
WRITE_CONCERN_TIMEOUT_S = 5.0

#: Codes of servers that step down, shut down, lose their quorum or were told to stop: another try will do.
_PASSING_CODES = frozenset(
    {6, 7, 64, 89, 91, 112, 133, 189, 262, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436}
)


class StoreUnavailable(Unavailable):
    """The database does not answer, or can't confirm a write."""

    reason = "STORE_UNAVAILABLE"


def connect(
    url: str, *, service: str = "isthmus", user: str = "", password: str = ""
) -> MongoClient[Document]:
    """A client whose writes count only once a majority has journaled them. Does not wait for the server.

    With a `user`, it logs in as that user of the database `admin`. Raises BadSettings for what is no MongoDB
    URL; the message leaves the URL out, it may hold a password.
    """
    try:
        return MongoClient(
            url,
            appname=service,
            w="majority",
            journal=True,
            wTimeoutMS=int(WRITE_CONCERN_TIMEOUT_S * 1000),
            retryWrites=True,
            retryReads=True,
            serverSelectionTimeoutMS=int(SERVER_SELECTION_TIMEOUT_S * 1000),
            connectTimeoutMS=int(SERVER_SELECTION_TIMEOUT_S * 1000),
            socketTimeoutMS=int(SOCKET_TIMEOUT_S * 1000),
            maxPoolSize=16,
            uuidRepresentation="standard",
            username=user or None,
            password=password or None,
            authSource="admin",
        )
    except (ConfigurationError, ValueError) as error:
        raise BadSettings("the MongoDB URL can't be used (mongodb://host:port/?replicaSet=...)") from error


def connect_as_told(settings: MongoSettings) -> MongoClient[Document]:
    """`connect` by the settings of a process. Raises BadSettings."""
    return connect(
        settings.mongo_url.get_secret_value(),
        service=settings.service_name,
        user=settings.mongo_user,
        password=settings.mongo_password(),
    )


def translated(error: PyMongoError) -> Exception:
    """StoreUnavailable when the database is away or could not confirm; any other error stays what it is."""
    return StoreUnavailable(cause=type(error).__name__) if is_passing(error) else error


def is_passing(error: PyMongoError) -> bool:
    """Whether the database is away, changes its primary, or could not confirm a write."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError | CursorNotFound):
        return True
    if isinstance(error, BulkWriteError) and (error.details or {}).get("writeConcernErrors"):
        return True  # none of the batch is known to be safe
    return isinstance(error, OperationFailure) and error.code in _PASSING_CODES
