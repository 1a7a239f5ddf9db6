"""Every CDMI request, in the fixed order of checks that clients can see.

By id only: the id, the caller, what it names. Then method, version, query, caller, `Accept`, path, slash,
content type, body, operation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.metadata.v1 import files_pb2

from runtime.auth import as_caller
from runtime.errors import NoSuchFile, NotADirectory
from runtime.http.errors import ApiError, posix
from runtime.http.media import choose
from runtime.identity import Identity
from runtime.request import request_id
from services.gateway.api.cdmi.containers import Containers
from services.gateway.api.cdmi.copies import Copies
from services.gateway.api.cdmi.moves import Moves, find_source
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.objects import Objects
from services.gateway.api.cdmi.updates import Updates
from services.gateway.api.gate import Gate
from services.gateway.api.http import Answer, Request, empty, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.cdmi import addresses, bodies, queries, versions
from services.gateway.domain.cdmi.addresses import Address
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.fields import capability_fields
from services.gateway.domain.cdmi.queries import Query
from services.gateway.domain.cdmi.versions import BINARY, CAPABILITY, CONTAINER, OBJECT

PREFIX = b"/cdmi"

_METHODS = ("PUT", "GET", "HEAD", "DELETE")
_KNOWN_METHODS = frozenset({*_METHODS, "POST", "PATCH", "OPTIONS", "TRACE", "CONNECT"})
_REDIRECT_SECONDS = 3600

_OPTIONS = {
    "access-control-allow-methods": "GET, HEAD, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "X-Auth-Token, Authorization, Content-Type, Content-Range, Range, "
    "Accept, X-CDMI-Specification-Version, X-CDMI-Partial",
    "access-control-expose-headers": "Content-Range, Location, X-CDMI-Specification-Version",
}


class CdmiRouter:
    """Finds out what a request is about and has it done."""

    def __init__(
        self,
        gate: Gate,
        metadata: Metadata,
        data_port: DataPort,
        *,
        value_limit_bytes: int,
        large_bodies: int,
    ) -> None:
        self._gate = gate
        self._metadata = metadata
        self._tree = Tree(metadata, provider_id=gate.provider_id)
        updates = Updates(metadata)
        self._containers = Containers(self._tree, metadata, updates)
        self._objects = Objects(self._tree, metadata, data_port, updates)
        self._copies = Copies(metadata, data_port)
        self._moves = Moves(self._tree, metadata, updates, self._copies)
        self._updates = updates
        self._value_limit = value_limit_bytes
        self._large_bodies = asyncio.Semaphore(large_bodies)

    async def answer(self, request: Request) -> Answer:
        """The answer; requests that came with a version are told ours."""
        if request.method == "OPTIONS":
            return empty(204, _OPTIONS)
        if request.method not in _KNOWN_METHODS:
            return empty(501)
        address = addresses.parse(request.raw_path[len(PREFIX) :])
        if address.capability is not None:
            return self._capability(request, address.capability)
        caller: tuple[Identity, bytes] | None = None
        node: Node | None = None
        if address.object_id is not None:
            caller = await self._gate.authenticate_user(request)
            with as_caller(*caller):
                node = await self._tree.find(caller[0], address)
        if request.method not in _METHODS:
            return empty(405, {"allow": "PUT, GET, DELETE"})
        cdmi = versions.check_version(request.header(b"x-cdmi-specification-version"))
        query = queries.parse(request.query)
        identity, blob = caller or await self._gate.authenticate_user(request)
        with as_caller(identity, blob):
            chosen = choose(request.header(b"accept"), _offered(address, cdmi=cdmi))
            if chosen is None:
                return empty(406)
            node = node or await self._tree.find(identity, address)
            return await self._serve(request, node, query, chosen, cdmi=cdmi)

    def _capability(self, request: Request, address: str) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return empty(405, {"allow": "GET"})
        cdmi = versions.check_version(request.header(b"x-cdmi-specification-version"))
        query = queries.parse(request.query)
        if not cdmi:
            raise versions.bad_version()
        if choose(request.header(b"accept"), (CAPABILITY,)) is None:
            return empty(406)
        headers = ((b"content-type", CAPABILITY.encode()),)
        return json_answer(capability_fields(address, query), 200, headers)

    async def _serve(self, request: Request, node: Node, query: Query, chosen: str, *, cdmi: bool) -> Answer:
        if node.record is None and request.method == "DELETE":
            return await self._delete_again(node)
        if node.record is None and request.method != "PUT":
            return empty(404)
        if node.record is not None and node.is_directory != node.container:
            return _redirect(request, node)
        if request.method == "PUT":
            return await self._put(request, node, query, cdmi=cdmi)
        if request.method == "DELETE":
            return await self._delete(node)
        if not cdmi and chosen != BINARY:
            raise ApiError("missingRequiredValue", {"key": "version"})
        if node.container:
            return await self._containers.get(node, query)
        head = request.method == "HEAD"
        if chosen == BINARY:
            return await self._objects.get_raw(node, head=head)
        return await self._objects.get(node, query, head=head)

    async def _delete(self, node: Node) -> Answer:
        if len(node.names) < 2:
            raise posix("eperm")
        await self._metadata.delete_file(
            files_pb2.DeleteFileRequest(request_id=request_id(), file=ref(node.id))
        )
        return empty(204)

    async def _delete_again(self, node: Node) -> Answer:
        """Nothing is there: metadata knows whether an earlier try of this very request took it away."""
        if len(node.names) < 2 or not node.space_id:
            return empty(404)
        gone = files_pb2.FileRef(space_id=node.space_id, path=node.names[1:])
        try:
            await self._metadata.delete_file(files_pb2.DeleteFileRequest(request_id=request_id(), file=gone))
        except (NoSuchFile, NotADirectory):
            return empty(404)
        return empty(204)

    async def _put(self, request: Request, node: Node, query: Query, *, cdmi: bool) -> Answer:
        media_type = versions.cdmi_type(request.media_type)
        if media_type is not None and not cdmi:
            raise ApiError("missingRequiredValue", {"key": "version"})
        if media_type is not None and (media_type == CONTAINER) != node.container:
            raise ApiError("badValueIdentifier", {"key": "path"})
        if media_type is None:
            return await self._put_plain(node)
        if ".." in node.names:
            raise posix("enoent")
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
        # JSON is up to a third longer than the value in base64, and may escape every other character.
        limit = 2 * self._value_limit + bodies.ROOM_BYTES
        if length.isdigit() and len(length) < 8 and int(length) <= bodies.ROOM_BYTES:
            yield bodies.parse(await request.body(limit), query, limit_bytes=self._value_limit)
            return
        async with self._large_bodies:
            yield bodies.parse(await request.body(limit), query, limit_bytes=self._value_limit)

    async def _put_cdmi(self, request: Request, node: Node, query: Query, body: Body) -> Answer:
        if body.copy is not None:
            return await self._copy(node, body)
        if body.move is not None:
            moved, replaced = await self._moves.move(node, body)
            return await self._described(moved, 200 if replaced else 201)
        if node.container:
            if node.record is None:
                return await self._containers.create(node, body)
            return await self._containers.update(node, body)
        if node.record is None:
            return await self._objects.create(node, body, query, request)
        return await self._objects.update(node, body, query, request)

    async def _copy(self, node: Node, body: Body) -> Answer:
        source = await find_source(self._tree, node, body.copy, "copy")
        await self._copies.copy_tree(source, node)
        await self._updates.apply(node, body, mimetype=body.mimetype, encoding=body.encoding)
        return await self._described(await self._tree.refresh(node), 201)

    async def _described(self, node: Node, status: int) -> Answer:
        if node.is_directory:
            return await self._containers.described(node, status)
        return await self._objects.described(node, status)


def _offered(address: Address, *, cdmi: bool) -> tuple[str, ...]:
    if address.container:
        return (CONTAINER,)
    return (OBJECT, BINARY) if cdmi else (BINARY, OBJECT)


def _redirect(request: Request, node: Node) -> Answer:
    """To the same object in the form that fits its type."""
    path = addresses.to_url_path(node.names, container=node.is_directory)
    scheme = request.header(b"x-forwarded-proto") or "https"
    location = f"{scheme}://{request.header(b'host') or ''}/cdmi{path}"
    if request.query:
        location += "?" + request.query.decode("latin-1")
    return empty(302, {"location": location, "cache-control": f"max-age={_REDIRECT_SECONDS}"})
