"""Statistics of directories in MongoDB.

dir_stats_spaces   _id space id, position, ready, dropping, era, revision
dir_stats          _id "<space>:<era>:<directory>", space_id, era, directory_id, parent_id, sums, listed_to
dir_stats_files    _id "<space>:<era>:<file>", space_id, era, file_id, parent_id, sums
dir_stats_windows  _id "<space>:<directory>:<step>:<first window>", bins by number of the window, expires_at

Sums are lists: files, dirs, logical, virtual, then pairs of storage id and bytes. A document of windows holds
a fixed number of them, so that none grows for ever and whole documents expire.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from services.metadata.domain.dir_books import WINDOWS, BooksChange
from services.metadata.domain.dir_sums import CountedDirectory, CountedFile, DirSums, SpaceStats, Window
from services.metadata.domain.errors import RevisionConflict

from .documents import Document
from .threads import PatientThreads
from .transactions import Session, run_transaction

#: Windows in one document.
IN_ONE_DOCUMENT = 60

T = TypeVar("T")


class MongoDirStatsStore:
    """The four collections. The books change in transactions, which no request waits for."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._spaces: MongoCollection[Document] = database["dir_stats_spaces"]
        self._directories: MongoCollection[Document] = database["dir_stats"]
        self._files: MongoCollection[Document] = database["dir_stats_files"]
        self._windows: MongoCollection[Document] = database["dir_stats_windows"]
        self._client = database.client
        self._threads = threads

    async def find_space(self, space_id: str) -> SpaceStats | None:
        found = await self._threads.read(lambda: self._spaces.find_one({"_id": space_id}))
        return None if found is None else _space_from_document(found)

    async def list_spaces(self, *, after: str, limit: int) -> Sequence[SpaceStats]:
        query = {"_id": {"$gt": after}}
        return await self._threads.read(
            lambda: [
                _space_from_document(each)
                for each in self._spaces.find(query, sort=[("_id", 1)], limit=limit)
            ]
        )

    async def insert_space(self, space: SpaceStats) -> None:
        def write() -> None:
            try:
                self._spaces.insert_one(_space_to_document(space))
            except DuplicateKeyError:
                return

        await self._threads.write(write)

    async def commit(self, change: BooksChange) -> None:
        def steps(session: Session) -> None:
            expected = {"_id": change.space.space_id, "revision": change.space.revision - 1}
            document = _space_to_document(change.space)
            if not self._spaces.replace_one(expected, document, session=session).matched_count:
                raise RevisionConflict(space_id=change.space.space_id)
            for collection, writes in self._writes(change):
                if writes:
                    collection.bulk_write(writes, ordered=False, session=session)

        await self._threads.write(lambda: run_transaction(self._client, steps, taken=RevisionConflict))

    async def directories(self, space: SpaceStats, ids: Collection[str]) -> Mapping[str, CountedDirectory]:
        return await self._find(self._directories, space, ids, "directory_id", _directory_from_document)

    async def files(self, space: SpaceStats, ids: Collection[str]) -> Mapping[str, CountedFile]:
        return await self._find(self._files, space, ids, "file_id", _file_from_document)

    async def find_unlisted(self, space: SpaceStats) -> CountedDirectory | None:
        query = {"space_id": space.space_id, "era": space.era, "listed_to": {"$type": "string"}}
        found = await self._threads.read(lambda: self._directories.find_one(query))
        return None if found is None else _directory_from_document(found)

    async def drop(self, space: SpaceStats, *, all_eras: bool, limit: int) -> int:
        end = f"{space.space_id};" if all_eras else _entry_id(space, "")
        query = {"_id": {"$gte": f"{space.space_id}:", "$lt": end}}

        def write() -> int:
            dropped = 0
            for collection in (self._files, self._directories):
                ids = [each["_id"] for each in collection.find(query, {"_id": 1}, limit=limit)]
                if ids:
                    dropped += collection.delete_many({"_id": {"$in": ids}}).deleted_count
            return dropped

        return await self._threads.write(write)

    async def remove_space(self, space: SpaceStats) -> None:
        def write() -> None:
            prefix = f"{space.space_id}:"
            self._windows.delete_many({"_id": {"$gte": prefix, "$lt": f"{space.space_id};"}})
            self._spaces.delete_one({"_id": space.space_id, "revision": space.revision})

        await self._threads.write(write)

    async def note(self, space_id: str, sums: Mapping[str, DirSums], now_s: int) -> None:
        writes = [
            self._note(space_id, directory_id, each, step_s, now_s)
            for directory_id, each in sums.items()
            for step_s in WINDOWS
        ]
        if writes:
            await self._threads.write(lambda: self._windows.bulk_write(writes, ordered=False))

    async def windows(
        self, space_id: str, directory_id: str, step_s: int, *, first_s: int, last_s: int, limit: int
    ) -> Sequence[Window]:
        low = _chunk_id(space_id, directory_id, step_s, max(0, first_s // step_s))
        high = _chunk_id(space_id, directory_id, step_s, last_s // step_s)
        query = {"_id": {"$gte": low, "$lte": high}}

        def read() -> list[Window]:
            found: list[Window] = []
            for document in self._windows.find(query, sort=[("_id", -1)]):
                found += _windows_from_document(document, step_s, first_s, last_s)
                if len(found) >= limit:
                    break
            return found[:limit]

        return await self._threads.read(read)

    async def _find(
        self,
        collection: MongoCollection[Document],
        space: SpaceStats,
        ids: Collection[str],
        key: str,
        read: Callable[[Mapping[str, Any]], T],
    ) -> dict[str, T]:
        query = {"_id": {"$in": [_entry_id(space, id) for id in ids]}}
        return await self._threads.read(lambda: {each[key]: read(each) for each in collection.find(query)})

    def _writes(self, change: BooksChange) -> list[tuple[MongoCollection[Document], list[Any]]]:
        space = change.space
        directories: list[Any] = [
            ReplaceOne({"_id": _entry_id(space, each.directory_id)}, _directory(space, each), upsert=True)
            for each in change.directories
        ]
        files: list[Any] = [
            ReplaceOne({"_id": _entry_id(space, each.file_id)}, _file(space, each), upsert=True)
            for each in change.files
        ]
        directories += [DeleteOne({"_id": _entry_id(space, each)}) for each in change.gone_directories]
        files += [DeleteOne({"_id": _entry_id(space, each)}) for each in change.gone_files]
        return [(self._directories, directories), (self._files, files)]

    def _note(self, space_id: str, directory_id: str, sums: DirSums, step_s: int, now_s: int) -> UpdateOne:
        number = now_s // step_s
        ends_s = (number - number % IN_ONE_DOCUMENT + IN_ONE_DOCUMENT + WINDOWS[step_s]) * step_s
        slot = f"bins.{number}"
        return UpdateOne(
            {"_id": _chunk_id(space_id, directory_id, step_s, number)},
            {
                "$set": {
                    f"{slot}.sums": _sums_to_list(sums),
                    "expires_at": datetime.datetime.fromtimestamp(ends_s, tz=datetime.UTC),
                },
                "$min": {f"{slot}.first_s": now_s},
                "$max": {f"{slot}.last_s": now_s},
            },
            upsert=True,
        )


def _entry_id(space: SpaceStats, id: str) -> str:
    return f"{space.space_id}:{space.era:08d}:{id}"


def _chunk_id(space_id: str, directory_id: str, step_s: int, number: int) -> str:
    return f"{space_id}:{directory_id}:{step_s}:{number // IN_ONE_DOCUMENT:012d}"


def _space_to_document(space: SpaceStats) -> Document:
    return {
        "_id": space.space_id,
        "position": space.position,
        "ready": space.ready,
        "dropping": space.dropping,
        "era": space.era,
        "revision": space.revision,
    }


def _space_from_document(document: Mapping[str, Any]) -> SpaceStats:
    return SpaceStats(
        document["_id"],
        document["position"],
        document["ready"],
        document["dropping"],
        document["era"],
        document["revision"],
    )


def _directory(space: SpaceStats, entry: CountedDirectory) -> Document:
    document: Document = {
        "_id": _entry_id(space, entry.directory_id),
        "space_id": space.space_id,
        "era": space.era,
        "directory_id": entry.directory_id,
        "parent_id": entry.parent_id,
        "sums": _sums_to_list(entry.sums),
    }
    if entry.listed_to is not None:
        document["listed_to"] = entry.listed_to
    return document


def _directory_from_document(document: Mapping[str, Any]) -> CountedDirectory:
    return CountedDirectory(
        document["directory_id"],
        document["parent_id"],
        _sums_from_list(document["sums"]),
        document.get("listed_to"),
    )


def _file(space: SpaceStats, entry: CountedFile) -> Document:
    return {
        "_id": _entry_id(space, entry.file_id),
        "space_id": space.space_id,
        "era": space.era,
        "file_id": entry.file_id,
        "parent_id": entry.parent_id,
        "sums": _sums_to_list(entry.sums),
    }


def _file_from_document(document: Mapping[str, Any]) -> CountedFile:
    return CountedFile(document["file_id"], document["parent_id"], _sums_from_list(document["sums"]))


def _sums_to_list(sums: DirSums) -> list[Any]:
    pairs = [value for pair in sorted(sums.physical.items()) for value in pair]
    return [sums.files, sums.dirs, sums.logical, sums.virtual, *pairs]


def _sums_from_list(values: Sequence[Any]) -> DirSums:
    files, dirs, logical, virtual, *pairs = values
    return DirSums(files, dirs, logical, virtual, dict(zip(pairs[::2], pairs[1::2], strict=True)))


def _windows_from_document(
    document: Mapping[str, Any], step_s: int, first_s: int, last_s: int
) -> list[Window]:
    found = [
        Window(int(number) * step_s, _sums_from_list(each["sums"]), each["first_s"], each["last_s"])
        for number, each in document["bins"].items()
    ]
    told = [window for window in found if first_s <= window.time_s <= last_s]
    return sorted(told, key=lambda window: -window.time_s)
