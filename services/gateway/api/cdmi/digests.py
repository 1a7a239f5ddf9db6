"""Digests of contents, made by reading them once; metadata notes them for all who ask later.

One of a content is made at a time in each gateway, by reading pieces of bounded size. What was read of a
content that changed meanwhile is dropped, and whoever asks next has it begin again.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import IsthmusError
from runtime.http.errors import ApiError
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.namespace import ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.cdmi.hashes import ALGORITHMS
from services.gateway.domain.files import FileRecord

log = structlog.get_logger(__name__)

#: How long a request that asks for a digest waits for it; the work goes on.
WAIT_S = 5.0
#: Contents read at a time, and those that wait for it. Who comes then asks again later.
AT_A_TIME, MAX_WAITING = 2, 64


class Notes(Protocol):
    """Where digests are kept; part of the metadata service, called in the gateway's own name."""

    async def save_value_digest(
        self, request: xattrs_pb2.SaveValueDigestRequest
    ) -> xattrs_pb2.SaveValueDigestResponse: ...


#: A content, and the algorithm.
_Key = tuple[str, str, int, str]


class Digests:
    """Makes digests. A part: it ends what it is at when the process does."""

    def __init__(self, metadata: Metadata, notes: Notes, data_port: DataPort) -> None:
        self._metadata = metadata
        self._notes = notes
        self._data_port = data_port
        self._under_way: dict[_Key, asyncio.Task[str]] = {}
        self._room = asyncio.Semaphore(AT_A_TIME)

    async def start(self) -> None:
        """Work begins when somebody asks."""

    async def stop(self) -> None:
        """What is not done is begun anew by whoever asks next."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def of(self, node: Node, *, waits: bool) -> str:
        """The digest of a data object, by the algorithm its users want; empty while it is not known.

        It is made for whoever asks, who has to be allowed to read the content. `waits`: for some seconds.
        """
        file = node.file
        if file.value_digest or not file.value_hash:
            return file.value_digest
        task = self._begun(node)
        if task is None or not waits:
            return ""
        await asyncio.wait({task}, timeout=WAIT_S)
        return task.result() if task.done() and not task.cancelled() else ""

    def _begun(self, node: Node) -> asyncio.Task[str] | None:
        file = node.file
        key = (file.space_id, file.file_id, file.content_revision, file.value_hash)
        task = self._under_way.get(key)
        if task is None and len(self._under_way) < MAX_WAITING:
            task = self._under_way[key] = asyncio.create_task(self._make(node, file))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return task

    async def _make(self, node: Node, file: FileRecord) -> str:
        """The digest, noted; empty when it could not be made, or not of this very content."""
        try:
            async with self._room:
                digest = await self._read(node, file.value_hash)
            if not await self._is_still(node, file):
                return ""
            await self._notes.save_value_digest(
                xattrs_pb2.SaveValueDigestRequest(
                    space_id=file.space_id,
                    file_id=file.file_id,
                    algorithm=file.value_hash,
                    digest=digest,
                    content_revision=file.content_revision,
                )
            )
        except (ApiError, IsthmusError) as error:
            log.info("digest_not_made", file_id=file.file_id, error=str(error))
            return ""
        return digest

    async def _read(self, node: Node, algorithm: str) -> str:
        hasher = ALGORITHMS[algorithm]()
        content = await self._data_port.open(node.id)
        try:
            async for piece in content.pieces():
                await asyncio.to_thread(hasher.update, piece)
        finally:
            await content.close()
        return str(hasher.hexdigest())

    async def _is_still(self, node: Node, file: FileRecord) -> bool:
        told = await self._metadata.get_file(files_pb2.GetFileRequest(file=ref(node.id)))
        return told.file.content_revision == file.content_revision
