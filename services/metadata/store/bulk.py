"""Many writes in one command, with an outcome for each.

Run these in a writer thread. What they raise concerns all writes, and then nobody knows which happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pymongo import InsertOne, ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from runtime.errors import IsthmusError, Unavailable
from services.metadata.domain.errors import IdTaken, NameTaken, RevisionConflict

from .documents import Document
from .transactions import Session

DUPLICATE_KEY = 11000

#: None for a write that happened.
Outcome = IsthmusError | None


def insert_each(collection: Collection[Document], documents: Sequence[Document]) -> list[Outcome]:
    """Adds documents: `IdTaken` or `NameTaken` for those that were refused."""
    writes = [InsertOne(document) for document in documents]
    outcomes, _ = _write(collection, writes, lambda error: _taken(error))
    return outcomes


def insert_in(session: Session, collection: Collection[Document], document: Document) -> None:
    """Adds one in a transaction. Raises `IdTaken` or `NameTaken`."""
    try:
        collection.insert_one(document, session=session)
    except DuplicateKeyError as error:
        raise (IdTaken if is_id_conflict(error.details or {}) else NameTaken) from error


def replace_each(
    collection: Collection[Document],
    documents: Sequence[Document],
    *,
    may_be_new: Callable[[Sequence[Document]], Iterable[str]] = lambda _: (),
) -> list[Outcome]:
    """Puts documents in the place of their previous revisions: `RevisionConflict` or `NameTaken`.

    A bulk of plain replaces tells only how many matched. As upserts, each that does not match tries to insert
    a second document with the same `_id`, and that is told by position. `may_be_new` is asked which of those
    that were inserted had their previous revision elsewhere.
    """
    writes = [
        ReplaceOne({"_id": document["_id"], "revision": document["revision"] - 1}, document, upsert=True)
        for document in documents
    ]
    outcomes, inserted = _write(collection, writes, _conflict)
    new = set(may_be_new([documents[index] for index in inserted])) if inserted else set()
    for index in inserted:
        document = documents[index]
        if document["_id"] in new:
            continue
        # The record was gone altogether: it must not come back this way.
        collection.delete_one({"_id": document["_id"], "revision": document["revision"]})
        outcomes[index] = RevisionConflict(document_id=document["_id"])
    return outcomes


def _write(
    collection: Collection[Document],
    writes: Sequence[InsertOne[Document] | ReplaceOne[Document]],
    explain: Callable[[Mapping[str, Any]], IsthmusError],
) -> tuple[list[Outcome], list[int]]:
    """An outcome for each write, and the positions of those that were upserted."""
    outcomes: list[Outcome] = [None] * len(writes)
    try:
        result = collection.bulk_write(list(writes), ordered=False)
    except BulkWriteError as error:
        if error.details.get("writeConcernErrors"):
            raise Unavailable("a write is not confirmed by a majority") from error
        for failed in error.details["writeErrors"]:
            outcomes[failed["index"]] = explain(failed)
        return outcomes, [item["index"] for item in error.details.get("upserted", ())]
    return outcomes, list((result.upserted_ids or {}).keys())


def _taken(error: Mapping[str, Any]) -> IsthmusError:
    if error["code"] != DUPLICATE_KEY:
        return Unavailable("a write failed", code=error["code"])
    return IdTaken() if is_id_conflict(error) else NameTaken()


def _conflict(error: Mapping[str, Any]) -> IsthmusError:
    if error["code"] != DUPLICATE_KEY:
        return Unavailable("a write failed", code=error["code"])
    return RevisionConflict() if is_id_conflict(error) else NameTaken()


def is_id_conflict(error: Mapping[str, Any]) -> bool:
    """Whether a duplicate key error is about `_id`."""
    return "_id" in (error.get("keyPattern") or {"_id": 1})
