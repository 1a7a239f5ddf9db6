"""Transactions, for the few changes that need two records at once. Never on a hot path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from runtime.errors import IsthmusError
from services.metadata.domain.errors import RevisionConflict

Session = ClientSession

_COMMIT_TRIES = 3
#: Another instance took this one for dead and ended its session (`runtime.mongo.abandoned`).
_INTERRUPTED = 11601


def run_transaction(
    client: MongoClient[Any], steps: Callable[[Session], None], *, taken: type[IsthmusError]
) -> None:
    """All of `steps`, or nothing of it. Runs in a writer thread.

    Raises `taken` for a duplicate key, and `RevisionConflict` when another transaction was faster: the caller
    reads again and retries. What `steps` raises undoes everything.
    """
    with client.start_session() as session:
        session.start_transaction(
            read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True)
        )
        try:
            steps(session)
        except DuplicateKeyError as error:
            _abort(session)
            raise taken from error
        except OperationFailure as error:
            _abort(session)
            if error.has_error_label("TransientTransactionError") or error.code == _INTERRUPTED:
                raise RevisionConflict from error
            raise
        except BaseException:
            _abort(session)
            raise
        _commit(session)


def _commit(session: Session) -> None:
    for attempt in range(_COMMIT_TRIES):
        try:
            session.commit_transaction()
        except PyMongoError as error:
            if error.has_error_label("TransientTransactionError"):
                raise RevisionConflict from error
            if attempt + 1 < _COMMIT_TRIES and error.has_error_label("UnknownTransactionCommitResult"):
                continue
            raise
        return


def _abort(session: Session) -> None:
    if session.in_transaction:
        session.abort_transaction()
