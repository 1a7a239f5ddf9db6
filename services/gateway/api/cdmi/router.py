"""Every CDMI request, in the fixed order of checks that clients can see.

By id only: the id, the caller, what it names. Then method, version, query, caller, `Accept`, path, slash,
content type, body, operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.metadata.v1 import files_pb2

from runtime.auth import as_caller
from runtime.breaker import Breaker, closed
from runtime.errors import NoSuchFile, NotADirectory
from runtime.http import cdmi
from runtime.http.cdmi import BINARY, CAPABILITY, MULTIPART, QUEUE, VERSION_HEADER, Query
from runtime.http.errors import ApiError, posix
from runtime.http.media import choose
from runtime.identity import Identity
from runtime.request import request_id
from services.gateway.api.cdmi.containers import Containers
from services.gateway.api.cdmi.copies import Copies
from services.gateway.api.cdmi.copy_jobs import CopyJobs
from services.gateway.api.cdmi.deserializing import Deserializing
from services.gateway.api.cdmi.digests import Digests
from services.gateway.api.cdmi.duplicates import Duplicates
from services.gateway.api.cdmi.moves import Moves
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.objects import Objects
from services.gateway.api.cdmi.pending import Pending, is_container
from services.gateway.api.cdmi.puts import Puts
from services.gateway.api.cdmi.queues import Queues
from services.gateway.api.cdmi.references import References
from services.gateway.api.cdmi.repeats import has_done
from services.gateway.api.cdmi.serializing import Serializing, SerialLimits
from services.gateway.api.cdmi.serials import Serials
from services.gateway.api.cdmi.updates import Updates
from services.gateway.api.cdmi.workshops import Workshops
from services.gateway.api.gate import Gate
from services.gateway.api.http import Answer, Request, empty, json_answer, to_headers
from services.gateway.api.namespace import ref
from services.gateway.api.ports import CopyRecords, DataPort, Metadata
from services.gateway.domain.acls import PrincipalNames
from services.gateway.domain.cdmi import addresses
from services.gateway.domain.cdmi.fields import capability_fields

PREFIX = b"/cdmi"

_NO_CONTAINER = b"/cdmi/cdmi_objectid"

_METHODS = ("PUT", "GET", "HEAD", "DELETE")
_KNOWN_METHODS = frozenset({*_METHODS, "POST", "PATCH", "OPTIONS", "TRACE", "CONNECT"})

_OPTIONS = {
    "access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "access-control-allow-headers": "X-Auth-Token, Authorization, Content-Type, Content-Range, Range, "
    "Accept, X-CDMI-Specification-Version, X-CDMI-Partial",
}


@dataclass(frozen=True, slots=True)
class CdmiOptions:
    """What an operator chooses.

    `domain`: host and port users reach the provider by. `value_limit_bytes`: largest value in JSON, decoded.
    `large_bodies`: how many bodies above 1 MiB are in memory at a time. `max_children`: most in one answer.
    `original_capabilities`: announce what the original announces and no more, for clients that compare.
    `copy_direct_bytes`: largest file that is copied without a record of the copy.
    `serials`: the largest serialisation.
    """

    domain: str
    value_limit_bytes: int = 64 << 20
    large_bodies: int = 4
    max_children: int = 1000
    original_capabilities: bool = False
    copy_direct_bytes: int = 64 << 20
    serials: SerialLimits = field(default_factory=SerialLimits)


class CdmiRouter:
    """Finds out what a request is about and has it done."""

    def __init__(
        self,
        gate: Gate,
        metadata: Metadata,
        data_port: DataPort,
        records: CopyRecords,
        principals: PrincipalNames,
        jobs: CopyJobs,
        duplicates: Duplicates,
        workshops: Workshops,
        digests: Digests,
        options: CdmiOptions,
        breaker: Breaker = closed,
    ) -> None:
        self._gate = gate
        self._breaker = breaker
        self._metadata = metadata
        self._options = options
        self._tree = Tree(metadata, provider_id=gate.provider_id)
        updates = Updates(metadata)
        copies = Copies(metadata, duplicates, jobs, direct_bytes=options.copy_direct_bytes)
        self._pending = Pending(records, provider_id=gate.provider_id)
        self._containers = Containers(
            self._tree, metadata, updates, principals, max_children=options.max_children
        )
        self._objects = Objects(self._tree, metadata, data_port, updates, principals, digests)
        self._queues = Queues(
            self._tree, metadata, data_port, updates, principals, large_bodies=options.large_bodies
        )
        self._puts = Puts(
            self._tree,
            self._containers,
            self._objects,
            self._queues,
            copies,
            Moves(self._tree, metadata, updates, copies),
            References(metadata),
            self._pending,
            Serials(
                self._tree,
                data_port,
                Serializing(metadata, data_port, principals, options.serials),
                Deserializing(metadata, data_port, updates, workshops, options.serials),
            ),
            value_limit_bytes=options.value_limit_bytes,
            large_bodies=options.large_bodies,
        )

    async def answer(self, request: Request) -> Answer:
        """The answer; requests that came with a version are told ours."""
        if request.method == "OPTIONS":
            return empty(204, _OPTIONS)
        if request.method not in _KNOWN_METHODS:
            return empty(501)
        if self._breaker() and _needs_a_provider(request):
            raise ApiError("serviceUnavailable")
        if request.method == "POST" and request.raw_path.rstrip(b"/") == _NO_CONTAINER:
            # An object without a path is none of ours.
            return empty(405, {"allow": cdmi.allowed(posts=False)})
        address = addresses.parse(request.raw_path[len(PREFIX) :])
        if address.capability is not None:
            return self._capability(request, address.capability)
        caller: tuple[Identity, bytes] | None = None
        node: Node | None = None
        if address.object_id is not None:
            caller = await self._gate.authenticate_user(request)
            with as_caller(*caller):
                node = await self._tree.find(caller[0], address)
        posts = request.method == "POST" and address.container
        if request.method not in _METHODS and not posts and not _adds_to_queue(request):
            return empty(405, {"allow": cdmi.allowed(posts=address.container)})
        speaks_cdmi = cdmi.speaks_cdmi(request.header(VERSION_HEADER))
        offered = cdmi.offered_types(container=address.container and not posts, cdmi=speaks_cdmi)
        chosen = choose(request.header(b"accept"), offered)
        query = cdmi.parse_query(request.query, in_parts=_is_in_parts(request, chosen))
        identity, blob = caller or await self._gate.authenticate_user(request)
        with as_caller(identity, blob):
            if chosen is None:
                return empty(406)
            node = node or await self._tree.find(identity, address)
            self._gate.note(identity, node.space_id)
            return await self._serve(request, node, query, chosen, speaks_cdmi=speaks_cdmi)

    def _capability(self, request: Request, address: str) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return empty(405, {"allow": "GET"})
        speaks_cdmi = cdmi.speaks_cdmi(request.header(VERSION_HEADER))
        query = cdmi.parse_query(request.query)
        if not speaks_cdmi:
            raise cdmi.bad_version()
        if choose(request.header(b"accept"), (CAPABILITY,)) is None:
            return empty(406)
        headers = ((b"content-type", CAPABILITY.encode()),)
        told = capability_fields(address, query, original=self._options.original_capabilities)
        return json_answer(told, 200, headers)

    async def _serve(
        self, request: Request, node: Node, query: Query, chosen: str, *, speaks_cdmi: bool
    ) -> Answer:
        if node.record is None and request.method == "DELETE":
            return await self._delete_again(node)
        if node.record is None and request.method != "PUT":
            return await self._get_unfinished(request, node, query, speaks_cdmi=speaks_cdmi)
        if node.record is not None and node.is_directory != node.container:
            return self._redirect(request, node)
        if node.is_reference and request.method != "DELETE" and not has_done(node.record, ""):
            return empty(302, {"location": node.file.symlink_target})
        if node.is_queue:
            return await self._serve_queue(request, node, query, speaks_cdmi=speaks_cdmi)
        if chosen == QUEUE and node.record is not None:
            return empty(406)
        if request.method == "PUT":
            answer = await self._puts.put(request, node, query, speaks_cdmi=speaks_cdmi)
            if answer.status == 202:
                answer.headers += to_headers({"location": self._location(request, node)}.items())
            return answer
        if request.method == "POST":
            return await self._post(request, node, query, speaks_cdmi=speaks_cdmi)
        if request.method == "DELETE":
            return await self._delete(node)
        if not speaks_cdmi and chosen != BINARY:
            raise ApiError("missingRequiredValue", {"key": "version"})
        if node.container:
            return await self._containers.get(node, query)
        if chosen == BINARY:
            return await self._objects.get_raw(node, request)
        if chosen == MULTIPART:
            return await self._objects.get_parts(node, query)
        return await self._objects.get(node, query, head=request.method == "HEAD")

    async def _serve_queue(self, request: Request, node: Node, query: Query, *, speaks_cdmi: bool) -> Answer:
        if choose(request.header(b"accept"), (QUEUE,)) is None:
            return empty(406)
        if request.method == "PUT":
            return await self._puts.put(request, node, query, speaks_cdmi=speaks_cdmi)
        if request.method == "DELETE":
            return await self._queues.dequeue(node, query, request) or await self._delete(node)
        if not speaks_cdmi:
            raise ApiError("missingRequiredValue", {"key": "version"})
        if request.method == "POST":
            return await self._queues.enqueue(node, request)
        return await self._queues.get(node, query, request)

    async def _delete(self, node: Node) -> Answer:
        if len(node.names) < 2:
            raise posix("eperm")
        await self._metadata.delete_file(
            files_pb2.DeleteFileRequest(request_id=request_id(), file=ref(node.id))
        )
        return empty(204)

    async def _get_unfinished(
        self, request: Request, node: Node, query: Query, *, speaks_cdmi: bool
    ) -> Answer:
        """Nothing is there, but a copy may be on its way."""
        copy = await self._pending.find(node) if speaks_cdmi and request.method in ("GET", "HEAD") else None
        if copy is None:
            return empty(404)
        if is_container(copy) != node.container:
            node.container = is_container(copy)
            return empty(302, cdmi.redirect(self._location(request, node), request.query))
        return self._pending.shown(copy, node, query)

    async def _delete_again(self, node: Node) -> Answer:
        """Nothing is there: a copy may be on its way, or an earlier try of this very request took it away."""
        if len(node.names) < 2 or not node.space_id or node.is_hidden:
            return empty(404)
        if await self._pending.cancel(node):
            return empty(204)
        gone = files_pb2.FileRef(space_id=node.space_id, path=node.names[1:])
        try:
            await self._metadata.delete_file(files_pb2.DeleteFileRequest(request_id=request_id(), file=gone))
        except (NoSuchFile, NotADirectory):
            return empty(404)
        return empty(204)

    async def _post(self, request: Request, node: Node, query: Query, *, speaks_cdmi: bool) -> Answer:
        """A new data object or queue in a container, under a name of ours."""
        if not node.container:
            return empty(405, {"allow": cdmi.allowed(posts=False)})
        made = await self._tree.child(node, cdmi.posted_name(request_id()))
        answer = await self._puts.put(request, made, query, speaks_cdmi=speaks_cdmi)
        answer.headers += to_headers({"location": self._location(request, made)}.items())
        return answer

    def _redirect(self, request: Request, node: Node) -> Answer:
        """To the same object in the form that fits its type."""
        node.container = node.is_directory
        return empty(302, cdmi.redirect(self._location(request, node), request.query))

    def _location(self, request: Request, node: Node) -> str:
        path = addresses.to_url_path(node.names, container=node.container)
        return cdmi.absolute(
            request.header(b"x-forwarded-proto"),
            request.header(b"host"),
            f"/cdmi{path}",
            domain=self._options.domain,
        )


def _needs_a_provider(request: Request) -> bool:
    """Whether it asks for a change, or for what can be done: all else goes on while changes are refused."""
    if request.method not in ("GET", "HEAD"):
        return True
    return request.raw_path.lstrip(b"/").startswith(b"cdmi/cdmi_capabilities/")


def _is_in_parts(request: Request, chosen: str | None) -> bool:
    """Whether the value comes, or is wanted, in parts."""
    if request.method in ("PUT", "POST"):
        return request.media_type == MULTIPART
    return chosen == MULTIPART


def _adds_to_queue(request: Request) -> bool:
    """Whether this is a POST as only queues take it."""
    return request.method == "POST" and request.media_type.removesuffix("+json") == QUEUE
