"""Queue objects: values are added by POST, told by GET and taken by DELETE."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from isthmus.metadata.v1 import files_pb2, queues_pb2

from runtime.http.cdmi import QUEUE, Query
from runtime.http.errors import ApiError, posix
from runtime.request import request_id
from services.gateway.api.cdmi.items import items_of
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.repeats import CREATED, step_id
from services.gateway.api.cdmi.updates import Updates, planned
from services.gateway.api.http import Answer, Request, empty, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.acls import PrincipalNames
from services.gateway.domain.cdmi import addresses, bodies, queues
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.fields import common_fields
from services.gateway.domain.cdmi.queues import MAX_TAKEN_BYTES, NewValue, Source
from services.gateway.domain.cdmi.scanning import ROOM_BYTES
from services.gateway.domain.cdmi.values import BASE64, UTF8
from services.gateway.domain.files import DEFAULT_MIMETYPE

_HEADERS = ((b"content-type", QUEUE.encode()),)
#: JSON is up to a third longer than values in base64, and may escape every other character.
_MAX_BODY_BYTES = 3 * MAX_TAKEN_BYTES + ROOM_BYTES


class Queues:
    """CDMI on queues. `large_bodies`: how many bodies above 1 MiB are in memory at a time."""

    def __init__(
        self,
        tree: Tree,
        metadata: Metadata,
        data_port: DataPort,
        updates: Updates,
        principals: PrincipalNames,
        *,
        large_bodies: int,
    ) -> None:
        self._tree = tree
        self._metadata = metadata
        self._data_port = data_port
        self._updates = updates
        self._principals = principals
        self._large_bodies = asyncio.Semaphore(large_bodies)

    async def get(self, node: Node, query: Query, request: Request) -> Answer:
        """Fields, and some of the oldest values, which stay where they are."""
        limit = queues.wanted_count(query, request.query)
        return json_answer(await self._fields(node, query, limit), 200, _HEADERS)

    async def _fields(self, node: Node, query: Query, limit: int) -> dict[str, Any]:
        asked = queues_pb2.GetQueueRequest(file=ref(node.id), limit=limit)
        held, items = await asyncio.gather(
            self._metadata.get_queue(asked),
            items_of(self._metadata, self._principals, node.file, query),
        )
        items = {"cdmi_size": str(held.held_bytes), **items}
        fields = common_fields(held.file, node.names, query, items, node.identity.subject_id)
        return fields | queues.value_fields(query, held.values, first=held.first, next=held.next)

    async def create(self, node: Node, body: Body) -> Answer:
        """A new queue, without values."""
        update = planned(body.metadata, directory=False, has_value=False)
        # On an earlier try of this request it may have been made, and perhaps no more.
        if node.record is None:
            await self._metadata.create_file(
                files_pb2.CreateFileRequest(
                    request_id=request_id(),
                    parent=node.parent_ref(),
                    name=node.names[-1],
                    type=files_pb2.FILE_TYPE_QUEUE,
                )
            )
        await self._updates.apply(node, update, CREATED)
        return await self.described(await self._tree.refresh(node), 201)

    async def update(self, node: Node, body: Body) -> Answer:
        """Changes the metadata of a queue."""
        await self._updates.apply(node, planned(body.metadata, directory=False, has_value=False))
        return empty(204)

    async def described(self, node: Node, status: int) -> Answer:
        """The answer to a creation: all fields but those of values."""
        asked = Query(
            (
                "objectType", "objectID", "objectName", "parentURI", "parentID", "capabilitiesURI",
                "completionStatus", "metadata", "queueValues",
            )
        )  # fmt: skip
        return json_answer(await self._fields(node, asked, 0), status, _HEADERS)

    async def enqueue(self, node: Node, request: Request) -> Answer:
        """Adds values behind all others: those of the body, or of what it copies or moves."""
        length = request.header(b"content-length") or ""
        if length.isdigit() and len(length) < 8 and int(length) <= ROOM_BYTES:
            fields = bodies.unambiguous(await request.body(ROOM_BYTES))
            return await self._enqueue(node, fields)
        async with self._large_bodies:
            # Taking it apart takes long enough for others to notice.
            body = await request.body(_MAX_BODY_BYTES)
            return await self._enqueue(node, await asyncio.to_thread(bodies.unambiguous, body))

    async def _enqueue(self, node: Node, fields: dict[str, Any]) -> Answer:
        bodies.refuse_unbuilt(fields, *bodies.NOT_FOR_QUEUES)
        transfer = queues.source(fields)
        if transfer is not None:
            await self._transfer(node, *transfer)
        else:
            await self._add(node, queues.new_values(fields))
        return empty(204)

    async def _add(self, node: Node, values: Sequence[NewValue]) -> None:
        await self._metadata.enqueue_values(
            queues_pb2.EnqueueValuesRequest(
                request_id=request_id(),
                file=ref(node.id),
                values=[
                    queues_pb2.QueueValue(
                        content=value.content,
                        mimetype=value.mimetype,
                        value_transfer_encoding=value.encoding,
                    )
                    for value in values
                ],
            )
        )

    async def _transfer(self, node: Node, key: str, source: Source) -> None:
        found = await self._tree.find(node.identity, addresses.parse_source(source.path, key))
        if found.record is None:
            await self._repeat_removal(found, key)
        elif found.is_queue:
            await self._metadata.transfer_values(
                queues_pb2.TransferValuesRequest(
                    request_id=request_id(),
                    source=ref(found.id),
                    target=ref(node.id),
                    limit=1 if source.count is None else source.count,
                    remove=key == "move",
                )
            )
        elif found.is_directory:
            raise posix("eisdir")
        elif source.count is not None:
            raise ApiError("badData", {"key": key})
        else:
            await self._add(node, [await self._value_of(found)])
            if key == "move":
                await self._remove(ref(found.id))

    async def _repeat_removal(self, source: Node, key: str) -> None:
        """Nothing is there: metadata knows whether an earlier try of this very request took it away."""
        if key != "move" or len(source.names) < 2 or not source.space_id:
            raise posix("enoent")
        await self._remove(files_pb2.FileRef(space_id=source.space_id, path=source.names[1:]))

    async def _remove(self, file: files_pb2.FileRef) -> None:
        await self._metadata.delete_file(files_pb2.DeleteFileRequest(request_id=step_id("source"), file=file))

    async def _value_of(self, node: Node) -> NewValue:
        """A data object as a value."""
        content = await self._data_port.open(node.id)
        try:
            if content.size_bytes > MAX_TAKEN_BYTES:
                raise ApiError(
                    "limitReached",
                    {"limit": MAX_TAKEN_BYTES, "resourceDescription": "bytes in a value of a queue"},
                )
            whole = b"".join([piece async for piece in content.pieces()])
        finally:
            await content.close()
        encoding = node.file.value_transfer_encoding or BASE64
        if encoding == UTF8 and not _is_text(whole):
            encoding = BASE64
        return NewValue(whole, node.file.mimetype or DEFAULT_MIMETYPE, encoding)

    async def dequeue(self, node: Node, query: Query, request: Request) -> Answer | None:
        """Takes values away; None when the queue itself is meant."""
        taking = queues.taking(query, request.query)
        if taking is None:
            return None
        asked = queues_pb2.DequeueValuesRequest(
            request_id=request_id(), file=ref(node.id), count=taking.count
        )
        if taking.first is not None:
            asked.numbers.first, asked.numbers.last = taking.first, taking.last
        await self._metadata.dequeue_values(asked)
        return empty(204)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
