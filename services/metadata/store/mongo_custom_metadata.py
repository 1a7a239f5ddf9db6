"""Extended attributes in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.errors import RevisionConflict
from services.metadata.domain.records import File
from services.metadata.domain.stores import CustomMetadata

from .bulk import insert_in
from .documents import Document, file_to_document, metadata_from_document, metadata_to_document
from .threads import PatientThreads
from .transactions import Session, run_transaction


class MongoCustomMetadataStore:
    """The collection `custom_metadata`, and the file records that change with it."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._metadata: MongoCollection[Document] = database["custom_metadata"]
        self._files: MongoCollection[Document] = database["files"]
        self._client = database.client
        self._threads = threads

    async def find(self, file_id: str) -> CustomMetadata | None:
        document = await self._threads.read(lambda: self._metadata.find_one({"_id": file_id}))
        return None if document is None else metadata_from_document(document)

    async def find_many(
        self, file_ids: Collection[str], names: Collection[str] | None, *, limit_bytes: int
    ) -> Mapping[str, CustomMetadata] | None:
        def read() -> Mapping[str, CustomMetadata] | None:
            found: dict[str, CustomMetadata] = {}
            left_bytes = limit_bytes
            for document in self._metadata.find({"_id": {"$in": list(file_ids)}}, _projection(names)):
                metadata = metadata_from_document(document)
                left_bytes -= metadata.size_bytes
                if left_bytes < 0:
                    return None
                found[metadata.file_id] = metadata
            return found

        return await self._threads.read(read)

    async def replace(self, metadata: CustomMetadata | None, file: File) -> None:
        def steps(session: Session) -> None:
            if metadata is not None:
                self._put(session, metadata)
            self._put_file(session, file)

        await self._threads.write(lambda: run_transaction(self._client, steps, taken=RevisionConflict))

    async def remove(self, file_id: str) -> None:
        await self._threads.write(lambda: self._metadata.delete_one({"_id": file_id}))

    def _put_file(self, session: Session, file: File) -> None:
        document = file_to_document(file)
        if file.revision == 1:
            insert_in(session, self._files, document)
            return
        expected = {"_id": file.file_id, "revision": file.revision - 1}
        if not self._files.replace_one(expected, document, session=session).matched_count:
            raise RevisionConflict(file_id=file.file_id)

    def _put(self, session: Session, metadata: CustomMetadata) -> None:
        document = metadata_to_document(metadata)
        if metadata.revision == 1:
            self._metadata.insert_one(document, session=session)
            return
        expected = {"_id": metadata.file_id, "revision": metadata.revision - 1}
        if not self._metadata.replace_one(expected, document, session=session).matched_count:
            raise RevisionConflict(file_id=metadata.file_id)


def _projection(names: Collection[str] | None) -> Document | None:
    """Only these names of what is set. As a literal: a name may look like an expression."""
    if names is None:
        return None
    wanted = {"$in": ["$$item.name", {"$literal": list(names)}]}
    return {
        "space_id": 1,
        "revision": 1,
        "xattrs": {"$filter": {"input": "$xattrs", "as": "item", "cond": wanted}},
    }
