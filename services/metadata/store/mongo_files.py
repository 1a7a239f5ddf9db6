"""Files in MongoDB. Concurrent calls of one kind leave as one command."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from runtime.batching import Batcher
from runtime.errors import DirectoryNotEmpty, IsthmusError, NoSuchFile
from services.metadata.domain.columns import Columns
from services.metadata.domain.errors import IdTaken, NameTaken, OneRefused, RenameIntoItself, RevisionConflict
from services.metadata.domain.records import HIDDEN_PREFIX, File, trash_id
from services.metadata.domain.stores import Position, TreeChange

from .bulk import DUPLICATE_KEY, Outcome, insert_each, insert_in, is_id_conflict, replace_each
from .documents import Document, file_from_document, file_to_document
from .mongo_columns import find_columns
from .threads import PatientThreads
from .transactions import Session, run_transaction

#: Names the system gave, as a range: `_` is followed by a backquote.
_HIDDEN_END = HIDDEN_PREFIX[:-1] + "`"
_HIDDEN: Document = {"name": {"$gte": HIDDEN_PREFIX, "$lt": _HIDDEN_END}}
_IN_ORDER = [("name", 1), ("named_by", 1)]
_BACKWARDS = [("name", -1), ("named_by", -1)]

#: What a look-up asks for: a file id, or a directory and a name in it.
_Key = str | tuple[str, str]


class MongoFileStore:
    """The collection `files`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._files: MongoCollection[Document] = database["files"]
        self._tree_locks: MongoCollection[Document] = database["tree_locks"]
        self._client = database.client
        self._threads = threads
        self._finds: Batcher[_Key, Sequence[File]] = Batcher(self._find_batch, name="files.find")
        # One at a time: whatever comes while it is journaled is the next one. A command costs the database as
        # much as ten records do, so few large ones cost less than twice as many at once.
        self._inserts: Batcher[File, None] = Batcher(self._insert_batch, name="files.insert", max_in_flight=1)
        self._replaces: Batcher[File, None] = Batcher(self._replace_batch, name="files.replace")
        # Two moves at once would only make each other try again.
        self._moving = asyncio.Lock()

    async def close(self) -> None:
        """Fails who waits."""
        for batcher in (self._finds, self._inserts, self._replaces):
            await batcher.close()

    async def find(self, file_id: str) -> File | None:
        found = await self._finds.submit(file_id)
        return found[0] if found else None

    async def find_named(self, parent_id: str, name: str) -> Sequence[File]:
        return await self._finds.submit((parent_id, name))

    async def insert(self, file: File) -> None:
        await self._inserts.submit(file)

    async def insert_link(self, link: File, file: File, *, replaced: File | None = None) -> None:
        def steps(session: Session) -> None:
            if replaced is not None:
                self._replace_one(session, replaced)
            insert_in(session, self._files, file_to_document(link))
            self._replace_one(session, file)

        await self._threads.write(lambda: run_transaction(self._client, steps, taken=NameTaken))

    async def insert_many(self, files: Sequence[File]) -> Sequence[IsthmusError | None]:
        return await self._insert_batch(list(files))

    async def replace(self, file: File) -> None:
        await self._replaces.submit(file)

    async def replace_many(self, files: Sequence[File]) -> None:
        documents = [file_to_document(file) for file in files]
        await self._threads.write(lambda: replace_each(self._files, documents))

    async def move(self, file: File, *, replaced: File | None, new_ancestry: bool) -> None:
        change = TreeChange(file, replaced=replaced, new_ancestry=new_ancestry)

        def steps(session: Session) -> None:
            self._make_room(session, change)
            self._replace_one(session, file)

        async with self._moving:
            await self._threads.write(lambda: run_transaction(self._client, steps, taken=NameTaken))

    async def change_together(self, changes: Sequence[TreeChange]) -> None:
        def steps(session: Session) -> None:
            for index, change in enumerate(changes):
                try:
                    self._make_room(session, change)
                    if not change.is_new:
                        self._replace_one(session, change.file)
                except (DuplicateKeyError, IsthmusError) as error:
                    raise OneRefused(index, _explained(error)) from error
            self._insert_together(session, changes)

        async with self._moving:
            await self._threads.write(lambda: run_transaction(self._client, steps, taken=NameTaken))

    def _make_room(self, session: Session, change: TreeChange) -> None:
        replaced = change.replaced
        if change.new_ancestry:
            self._require_above(session, change.file)
        if replaced is not None:
            if replaced.is_directory and self._has_children(replaced.file_id, session):
                raise DirectoryNotEmpty(file_id=replaced.file_id)
            self._replace_one(session, replaced)

    def _insert_together(self, session: Session, changes: Sequence[TreeChange]) -> None:
        """New records come last: a name they take may have been made free."""
        new = [(index, change.file) for index, change in enumerate(changes) if change.is_new]
        if not new:
            return
        try:
            self._files.insert_many([file_to_document(file) for _, file in new], session=session)
        except BulkWriteError as error:
            refused = (error.details or {}).get("writeErrors")
            if not refused or refused[0]["code"] != DUPLICATE_KEY:
                raise
            cause = IdTaken() if is_id_conflict(refused[0]) else NameTaken()
            raise OneRefused(new[refused[0]["index"]][0], cause) from error

    async def list_children(
        self, parent_id: str, *, start: Position | None, inclusive: bool, limit: int
    ) -> Sequence[File]:
        return await self._list(_children(parent_id, start, inclusive), sort=_IN_ORDER, limit=limit)

    async def list_columns(
        self, parent_id: str, fields: Collection[str], *, start: Position | None, inclusive: bool, limit: int
    ) -> Columns:
        query = _children(parent_id, start, inclusive)
        return await self._threads.read(
            lambda: find_columns(self._files, query, fields, sort=_IN_ORDER, limit=limit)
        )

    async def list_columns_of(
        self, parent_ids: Collection[str], fields: Collection[str], *, limit: int
    ) -> Columns:
        query: Document = {"parent_id": {"$in": list(parent_ids)}, "deleted": False, "$nor": [_HIDDEN]}
        sort = [("parent_id", 1), *_IN_ORDER]
        wanted = {*fields, "parent_id"}
        return await self._threads.read(
            lambda: find_columns(self._files, query, wanted, sort=sort, limit=limit)
        )

    async def list_before(self, parent_id: str, *, end: Position, limit: int) -> Sequence[File]:
        query: Document = {"parent_id": parent_id, "deleted": False, "$nor": [_HIDDEN]}
        query["$or"] = [
            {"name": end.name, "named_by": {"$lt": end.named_by}},
            {"name": {"$lt": end.name}},
        ]
        return await self._list(query, sort=_BACKWARDS, limit=limit)

    async def list_names(self, parent_id: str, names: Collection[str]) -> Sequence[File]:
        query = {"parent_id": parent_id, "name": {"$in": list(names)}, "deleted": False}
        return await self._list(query, sort=_IN_ORDER)

    async def has_children(self, parent_id: str) -> bool:
        return await self._threads.read(lambda: self._has_children(parent_id))

    async def find_deleted(self, delete_op: str) -> File | None:
        found = await self._list({"delete_op": delete_op}, limit=1)
        return found[0] if found else None

    async def list_trashed(self, *, before_ms: int, limit: int) -> Sequence[File]:
        return await self._list_due("trashed.due_ms", before_ms, limit)

    async def list_cleanups(self, *, before_ms: int, limit: int) -> Sequence[File]:
        return await self._list_due("cleanup_ms", before_ms, limit)

    async def purge(self, *, before_ms: int, limit: int) -> Sequence[str]:
        def purge() -> list[str]:
            due = self._files.find({"purge_ms": {"$lt": before_ms}}, {"_id": 1}).limit(limit)
            ids = [document["_id"] for document in due]
            if ids:
                self._files.delete_many({"_id": {"$in": ids}, "purge_ms": {"$lt": before_ms}})
            return ids

        return await self._threads.write(purge)

    async def _list_due(self, field: str, before_ms: int, limit: int) -> Sequence[File]:
        return await self._list({field: {"$lt": before_ms}}, sort=[(field, 1)], limit=limit)

    async def _list(
        self, query: Document, *, sort: list[tuple[str, int]] | None = None, limit: int = 0
    ) -> list[File]:
        def read() -> list[File]:
            # One more than a page is asked for, to know of the next: all of it comes in one round trip.
            cursor = self._files.find(query, limit=limit, sort=sort, batch_size=limit or 1000)
            return [file_from_document(document) for document in cursor]

        return await self._threads.read(read)

    async def _find_batch(self, keys: list[_Key]) -> list[Sequence[File]]:
        return await self._threads.read(lambda: self._find_each(keys))

    def _find_each(self, keys: Sequence[_Key]) -> list[Sequence[File]]:
        ids = {key for key in keys if isinstance(key, str)}
        names: dict[str, set[str]] = {}
        for key in keys:
            if not isinstance(key, str):
                names.setdefault(key[0], set()).add(key[1])
        clauses: list[Document] = [
            {"parent_id": parent_id, "name": {"$in": list(wanted)}, "deleted": False}
            for parent_id, wanted in names.items()
        ]
        if ids:
            clauses.append({"_id": {"$in": list(ids)}})
        query = clauses[0] if len(clauses) == 1 else {"$or": clauses}
        found: dict[_Key, list[File]] = {}
        for document in self._files.find(query):
            file = file_from_document(document)
            found.setdefault(file.file_id, []).append(file)
            if not file.deleted:
                found.setdefault((file.parent_id, file.name), []).append(file)
        return [found.get(key, ()) for key in keys]

    async def _insert_batch(self, files: list[File]) -> list[Outcome]:
        documents = [file_to_document(file) for file in files]
        return await self._threads.write(lambda: insert_each(self._files, documents))

    async def _replace_batch(self, files: list[File]) -> list[Outcome]:
        documents = [file_to_document(file) for file in files]
        return await self._threads.write(lambda: replace_each(self._files, documents))

    def _has_children(self, parent_id: str, session: Session | None = None) -> bool:
        query = {"parent_id": parent_id, "deleted": False}
        return self._files.find_one(query, {"_id": 1}, session=session) is not None

    def _replace_one(self, session: Session, file: File) -> None:
        expected = {"_id": file.file_id, "revision": file.revision - 1}
        if not self._files.replace_one(expected, file_to_document(file), session=session).matched_count:
            raise RevisionConflict(file_id=file.file_id)

    def _require_above(self, session: Session, file: File) -> None:
        """No two moves that change ancestries commit at once: both write this record of the space."""
        self._tree_locks.update_one(
            {"_id": file.space_id}, {"$inc": {"moves": 1}}, upsert=True, session=session
        )
        next_id = file.parent_id
        fields: dict[str, Any] = {"parent_id": 1, "deleted": 1}
        while next_id:
            if next_id == file.file_id:
                raise RenameIntoItself(file_id=file.file_id, parent_id=file.parent_id)
            above = self._files.find_one({"_id": next_id}, fields, session=session)
            if above is None or above["deleted"] or above["parent_id"] == trash_id(file.space_id):
                raise NoSuchFile(file_id=file.parent_id)
            next_id = above["parent_id"]


def _children(parent_id: str, start: Position | None, inclusive: bool) -> Document:
    """What is alive in a directory and shown, from a position on.

    One range of the index, less what of it comes before the position. Two ranges, joined in order, cost
    MongoDB a sixth more.
    """
    query: Document = {"parent_id": parent_id, "deleted": False}
    but: list[Document] = []
    if start is None or start.name < _HIDDEN_END:
        but.append(_HIDDEN)
    if start is not None:
        query["name"] = {"$gte": start.name}
        but.append({"name": start.name, "named_by": {"$lt" if inclusive else "$lte": start.named_by}})
    if but:
        query["$nor"] = but
    return query


def _explained(error: DuplicateKeyError | IsthmusError) -> IsthmusError:
    return error if isinstance(error, IsthmusError) else NameTaken()
