"""Download codes in MongoDB, which removes them when their time is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.download_books import Download, DownloadMark

from .documents import Document
from .threads import PatientThreads


class MongoDownloadStore:
    """The collection `downloads`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._downloads: MongoCollection[Document] = database["downloads"]
        self._threads = threads

    async def insert(self, download: Download) -> None:
        document = _to_document(download)
        await self._threads.write(lambda: self._downloads.insert_one(document))

    async def start(
        self, key: str, *, request_id: str, resume: bool, now_ms: int, expires_ms: int
    ) -> Download | None:
        lives = {"_id": key, "expires_at": {"$gt": _to_date(now_ms)}}
        first = {**lives, "started_by": {"$in": ["", request_id]}}
        begin = {
            "started_by": request_id,
            "started_ms": {"$cond": [{"$eq": ["$started_by", ""]}, now_ms, "$started_ms"]},
            "expires_at": _to_date(expires_ms),
        }
        prolong = {"$set": {"expires_at": _to_date(expires_ms)}}

        def start() -> Document | None:
            after = ReturnDocument.AFTER
            found = self._downloads.find_one_and_update(first, [{"$set": begin}], return_document=after)
            if found is None and resume:
                found = self._downloads.find_one_and_update(lives, prolong, return_document=after)
            return found

        document = await self._threads.write(start)
        return None if document is None else _from_document(document)

    async def note(self, key: str, mark: DownloadMark, *, keep: int, expires_ms: int) -> None:
        one = {"offset": mark.offset, "digest": mark.digest}
        change = {
            "$push": {"marks": {"$each": [one], "$sort": {"offset": 1}, "$slice": -keep}},
            "$set": {"expires_at": _to_date(expires_ms)},
        }
        await self._threads.write(lambda: self._downloads.update_one({"_id": key}, change))


def _to_date(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _to_document(download: Download) -> Document:
    return {
        "_id": download.key,
        "space_id": download.space_id,
        "file_id": download.file_id,
        "name": download.name,
        "identity": download.identity,
        "share_id": download.share_id,
        "expires_at": _to_date(download.expires_ms),
        "started_by": download.started_by,
        "started_ms": download.started_ms,
        "marks": [{"offset": mark.offset, "digest": mark.digest} for mark in download.marks],
    }


def _from_document(document: Mapping[str, Any]) -> Download:
    expires_at: datetime = document["expires_at"]
    return Download(
        key=document["_id"],
        space_id=document["space_id"],
        file_id=document["file_id"],
        name=document["name"],
        identity=bytes(document["identity"]),
        expires_ms=round(expires_at.replace(tzinfo=UTC).timestamp() * 1000),
        share_id=document["share_id"],
        started_by=document["started_by"],
        started_ms=document["started_ms"],
        marks=tuple(DownloadMark(mark["offset"], bytes(mark["digest"])) for mark in document["marks"]),
    )
