"""One operation of a REST route, and the order in which every one of them is processed.

The order decides which error a client sees when several apply, and is the same for all routes: route (404,
405), caller (401), `Accept` (406), content type (415), body and query, path ids, scope, parameters,
membership (403), support, execution.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from runtime.errors import Unauthenticated
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId, check_member, decode
from runtime.http.media import accepts
from runtime.http.params import MAX_JSON_BODY_BYTES, Params, parse_query, parse_value
from runtime.http.paths import decode_segment
from runtime.identity import Identity
from services.gateway.api.gate import Gate
from services.gateway.api.http import Answer, Request, empty

JSON_TYPE = "application/json"
OCTETS = "application/octet-stream"


class Takes(enum.Enum):
    """What an operation does with a body."""

    NOTHING = "no body; parameters in the query"
    PARAMS = "parameters, in the query or as a JSON object"
    VALUE = "a JSON value as it is; parameters in the query"


@dataclass(slots=True)
class Call:
    """One request on its way into an operation."""

    request: Request
    identity: Identity
    params: Params
    file: FileId
    #: Undecoded rest of the path, for routes that have one.
    tail: bytes = b""
    value: Any = None
    provider_id: str = ""

    def check_member(self, file: FileId | None = None) -> None:
        """To be called once the parameters are found good: 403 for strangers, 400 where not supported."""
        check_member(self.identity, file or self.file, provider_id=self.provider_id)


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a route. `shared`: also for share ids; `produces`: media types of its answer."""

    handler: Handler
    summary: str
    takes: Takes = Takes.NOTHING
    produces: tuple[str, ...] = (JSON_TYPE,)
    shared: bool = False
    status: int = 200


async def authenticate(
    gate: Gate, request: Request, operation: Operation, segment: bytes
) -> tuple[Identity, bytes]:
    """Who asks. Raises what every caller of this route is refused with.

    A share id needs no token, and is served as a guest's. There are no shares yet, so each is one that was
    deleted.
    """
    shared = decode(segment.decode("latin-1"))
    if shared is not None and shared.share_id is not None:
        try:
            await gate.authenticate(request)
        except Unauthenticated as error:
            # Whoever has no space here is served as a guest.
            if error.reason != "USER_NOT_SUPPORTED":
                raise
        raise posix("enoent") if operation.shared else ApiError("notSupported")
    return await gate.authenticate_user(request)


async def negotiate(request: Request, operation: Operation) -> tuple[bytearray, Answer | None]:
    """The body, or the refusal of its type or of what the client accepts."""
    if not accepts(request.header(b"accept"), operation.produces):
        return bytearray(), empty(406)
    if operation.takes is Takes.NOTHING:
        return bytearray(), None
    changes = request.method not in ("GET", "HEAD", "DELETE")
    if changes and request.media_type != JSON_TYPE:
        # What says it is something else is refused unread, unless there is nothing to read.
        if request.headers.get(b"content-length", b"0").strip() != b"0":
            return bytearray(), empty(415)
        if await request.body(MAX_JSON_BODY_BYTES):
            return bytearray(), empty(415)
        return bytearray(), None
    if not request.announces_body:
        return bytearray(), None
    return await request.body(MAX_JSON_BODY_BYTES), None


def parameters(request: Request, operation: Operation, body: bytearray) -> tuple[Params, Any]:
    """Parameters and the body's value, as the operation takes them."""
    if operation.takes is Takes.PARAMS:
        return Params.parse(request.query, body), None
    value = parse_value(body, "metadata") if operation.takes is Takes.VALUE else None
    return Params(parse_query(request.query)), value


async def run(
    gate: Gate,
    operation: Operation,
    request: Request,
    identity: Identity,
    segment: bytes,
    tail: bytes,
) -> Answer:
    """Everything after authentication, in order."""
    body, refusal = await negotiate(request, operation)
    if refusal is not None:
        return refusal
    params, value = parameters(request, operation, body)
    file = await gate.resolve(_decode_id(segment), identity)
    call = Call(request, identity, params, file, tail=tail, value=value, provider_id=gate.provider_id)
    return await operation.handler(call)


def _decode_id(segment: bytes) -> str:
    try:
        return decode_segment(segment)
    except ApiError:
        # No text at all is no id of anything either.
        return segment.decode("latin-1")
