"""Many writes in one command, with an outcome for each.

Run these in a writer thread. What they raise concerns all writes, and then nobody knows which happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from runtime.errors import IsthmusError, Unavailable
from services.metadata.domain.errors import IdTaken, NameTaken, RevisionConflict

from .documents import Document
from .transactions import Session

DUPLICATE_KEY = 11000
#: A majority did not confirm in time; it would not a second time.
_TIMED_OUT = 64

#: None for a write that happened.
Outcome = IsthmusError | None


def insert_each(collection: Collection[Document], documents: Sequence[Document]) -> list[Outcome]:
    """Adds documents: `IdTaken` or `NameTaken` for those that were refused.

    A plain command, which costs both sides less than a bulk write of the driver: above all, the server keeps
    no record of it for the driver's own repetition. The documents have ids of ours, so after an interruption
    it is repeated here, once, and what the first try left is known by being the same.
    """
    try:
        return _insert_surely(collection, documents)
    except DocumentTooLarge:
        # A command holds hardly more than one document may.
        half = len(documents) // 2
        if not half:
            raise
        return insert_each(collection, documents[:half]) + insert_each(collection, documents[half:])


def _insert_surely(collection: Collection[Document], documents: Sequence[Document]) -> list[Outcome]:
    try:
        return _insert(collection, documents)
    except ServerSelectionTimeoutError:
        raise  # it never left
    except ConnectionFailure:
        return _insert_again(collection, documents)
    except WriteConcernError as error:
        if error.code == _TIMED_OUT:
            raise
        return _insert_again(collection, documents)


def _insert_again(collection: Collection[Document], documents: Sequence[Document]) -> list[Outcome]:
    outcomes = _insert(collection, documents)
    doubtful = {documents[at]["_id"]: at for at, each in enumerate(outcomes) if isinstance(each, IdTaken)}
    if doubtful:
        for stored in collection.find({"_id": {"$in": list(doubtful)}}):
            at = doubtful[stored["_id"]]
            if stored == documents[at]:
                outcomes[at] = None
    return outcomes


def _insert(collection: Collection[Document], documents: Sequence[Document]) -> list[Outcome]:
    command = {
        "insert": collection.name,
        "ordered": False,
        "documents": documents,
        "writeConcern": collection.write_concern.document,
    }
    answer = collection.database.command(command)
    if "writeConcernError" in answer:
        unconfirmed = answer["writeConcernError"]
        raise WriteConcernError(unconfirmed.get("errmsg", ""), unconfirmed.get("code"), unconfirmed)
    outcomes: list[Outcome] = [None] * len(documents)
    for failed in answer.get("writeErrors", ()):
        outcomes[failed["index"]] = _taken(failed)
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
    outcomes, inserted = _write(collection, writes)
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
    writes: Sequence[ReplaceOne[Document]],
) -> tuple[list[Outcome], list[int]]:
    """An outcome for each write, and the positions of those that were upserted."""
    outcomes: list[Outcome] = [None] * len(writes)
    try:
        result = collection.bulk_write(list(writes), ordered=False)
    except BulkWriteError as error:
        if error.details.get("writeConcernErrors"):
            raise Unavailable("a write is not confirmed by a majority") from error
        for failed in error.details["writeErrors"]:
            outcomes[failed["index"]] = _conflict(failed)
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
