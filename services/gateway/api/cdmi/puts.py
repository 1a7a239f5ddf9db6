"""What a PUT means: by its type and the form of its path, then by its body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.http import cdmi
from runtime.http.cdmi import MULTIPART, QUEUE, Query
from runtime.http.errors import ApiError, posix
from services.gateway.api.cdmi import parts
from services.gateway.api.cdmi.containers import Containers
from services.gateway.api.cdmi.copies import Copies
from services.gateway.api.cdmi.copy_jobs import Unfinished
from services.gateway.api.cdmi.moves import Moves, find_source
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.objects import Objects
from services.gateway.api.cdmi.pending import Pending, is_container
from services.gateway.api.cdmi.queues import Queues
from services.gateway.api.cdmi.references import References
from services.gateway.api.cdmi.repeats import CREATED, has_done
from services.gateway.api.cdmi.serials import Serials
from services.gateway.api.cdmi.updates import planned_for, without
from services.gateway.api.http import Answer, Request, empty
from services.gateway.domain.cdmi import addresses, bodies
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.scanning import ROOM_BYTES, Scanner


class Puts:
    """Makes and changes containers and data objects."""

    def __init__(
        self,
        tree: Tree,
        containers: Containers,
        objects: Objects,
        queues: Queues,
        copies: Copies,
        moves: Moves,
        references: References,
        pending: Pending,
        serials: Serials,
        *,
        value_limit_bytes: int,
        large_bodies: int,
    ) -> None:
        self._tree = tree
        self._containers = containers
        self._objects = objects
        self._queues = queues
        self._copies = copies
        self._moves = moves
        self._references = references
        self._pending = pending
        self._serials = serials
        self._value_limit = value_limit_bytes
        self._large_bodies = asyncio.Semaphore(large_bodies)

    async def put(self, request: Request, node: Node, query: Query, *, speaks_cdmi: bool) -> Answer:
        """The answer to a PUT whose path has the form of what is there."""
        kind = cdmi.body_type(request.media_type, container=node.container, cdmi=speaks_cdmi)
        if kind is None:
            return await self._put_plain(node)
        if ".." in node.names:
            raise posix("enoent")
        if kind == MULTIPART:
            body = bodies.parse_parts(*await parts.split(request, query.values), query)
            return await self._put_cdmi(request, node, query, body)
        if kind == QUEUE:
            async with self._body(request, query) as body:
                return await self._put_queue(node, body)
        async with self._body(request, query) as body:
            return await self._put_cdmi(request, node, query, body)

    async def _put_plain(self, node: Node) -> Answer:
        if node.container:
            return await self._containers.create_plain(node)
        # Plain content is sent to the data ports by the front door; here it has nowhere to go.
        raise ApiError("serviceUnavailable")

    @asynccontextmanager
    async def _body(self, request: Request, query: Query) -> AsyncIterator[Body]:
        """The parsed body. Large ones wait until there is room for them in memory."""
        length = request.header(b"content-length") or ""
        if length.isdigit() and len(length) < 8 and int(length) <= ROOM_BYTES:
            yield bodies.parse(await self._scanned(request), query, limit_bytes=self._value_limit)
            return
        async with self._large_bodies:
            scanner = await self._scanned(request)
            # Decoding all of a large value takes long enough for others to notice.
            yield await asyncio.to_thread(bodies.parse, scanner, query, limit_bytes=self._value_limit)

    async def _scanned(self, request: Request) -> Scanner:
        scanner = Scanner()
        # JSON is up to a third longer than the value in base64, and may escape every other character.
        async for chunk in request.chunks(2 * self._value_limit + ROOM_BYTES):
            scanner.feed(chunk)
        return scanner

    async def _put_cdmi(self, request: Request, node: Node, query: Query, body: Body) -> Answer:
        if body.reference is not None:
            return await self._references.create(node, body.reference)
        if body.deserialize is not None or body.serialized is not None:
            await self._serials.deserialize(node, body)
            return await self._described(await self._tree.refresh(node), 201)
        if body.copy is not None or body.move is not None:
            return await self._like_another(node, body)
        if node.is_queue:
            raise ApiError("badValueIdentifier", {"key": "path"})
        if body.serialize is not None:
            await self._serials.serialize(node, body, query)
        if node.container:
            if node.record is None or has_done(node.record, "", CREATED):
                return await self._containers.create(node, body)
            return await self._containers.update(node, body)
        if node.record is None:
            return await self._objects.create(node, body, query, request)
        if has_done(node.record, CREATED):
            return await self._objects.described(node, 201)
        return await self._objects.update(node, body, query, request)

    async def _like_another(self, node: Node, body: Body) -> Answer:
        try:
            if body.copy is not None:
                return await self._copy(node, body)
            moved, replaced = await self._moves.move(node, body)
            return await self._described(moved, 200 if replaced else 201)
        except Unfinished:
            return await self._goes_on(node)

    async def _put_queue(self, node: Node, body: Body) -> Answer:
        if body.reference is not None:
            return await self._references.create(node, body.reference)
        if any(source is not None for source in (body.serialize, body.deserialize, body.serialized)):
            raise ApiError("notSupported")
        if body.value is not None:
            # Values are added by POST.
            raise ApiError("badData", {"key": "value"})
        if body.copy is not None or body.move is not None:
            await self._require_queue(node, body)
            return await self._like_another(node, body)
        if node.record is None or has_done(node.record, "", CREATED):
            return await self._queues.create(node, body)
        if not node.is_queue:
            raise ApiError("badValueIdentifier", {"key": "path"})
        return await self._queues.update(node, body)

    async def _require_queue(self, node: Node, body: Body) -> None:
        """Raises EINVAL when anything else is to become a queue."""
        text, key = (body.copy, "copy") if body.copy is not None else (body.move, "move")
        source = await self._tree.find(node.identity, addresses.parse_source(text, key))
        if source.record is not None and not source.is_queue:
            raise posix("einval")

    async def _copy(self, node: Node, body: Body) -> Answer:
        text, fields = addresses.split_fields(body.copy)
        source = await find_source(self._tree, node, text, "copy")
        if fields is not None and (source.is_reference or source.is_queue):
            raise ApiError("badData", {"key": "copy"})
        if fields is not None:
            update = without(fields, planned_for(source, body), directory=source.is_directory)
            content = "children" if source.is_directory else "value"
            await self._copies.copy_fields(source, node, update, with_content=content in fields)
            return await self._described(await self._tree.refresh(node), 201)
        await self._copies.copy_tree(source, node, planned_for(source, body))
        return await self._described(await self._tree.refresh(node), 201)

    async def _goes_on(self, node: Node) -> Answer:
        copy = await self._pending.find(node)
        if copy is None:
            # It has ended in this moment.
            return await self._described(await self._tree.refresh(node), 201)
        node.container = is_container(copy)
        return self._pending.shown(copy, node, Query(), 202)

    async def _described(self, node: Node, status: int) -> Answer:
        if node.is_reference:
            return empty(status)
        if node.is_directory:
            return await self._containers.described(node, status)
        if node.is_queue:
            return await self._queues.described(node, status)
        return await self._objects.described(node, status)
