"""One operation of a REST route, and the order in which every one of them is processed.

The order decides which error a client sees when several apply, and is the same for all routes: route (404,
405), caller (401), `Accept` (406), content type (415), body and query, path ids, scope, parameters,
membership (403), support, execution.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from runtime.auth import caller_blob
from runtime.http.declared import Arguments, Param
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId, check_member, decode
from runtime.http.media import accepts
from runtime.http.params import MAX_JSON_BODY_BYTES, Params, parse_query, parse_value
from runtime.http.paths import decode_id
from runtime.identity import Identity
from services.gateway.api.gate import Gate
from services.gateway.api.http import JSON, Answer, Request, empty
from services.gateway.api.rest.described import JSON_TYPE, OCTETS, Told
from services.gateway.domain.attribute_memory import AttributeMemory, Question, ToldAttributes

__all__ = ["JSON_TYPE", "OCTETS", "Call", "Handler", "Operation", "PlainCall", "Takes", "Told"]

T = TypeVar("T")

#: Longest query whose parameters are remembered.
_MAX_REMEMBERED_BYTES = 256


class Takes(enum.Enum):
    """What an operation does with a body."""

    NOTHING = "no body; parameters in the query"
    PARAMS = "parameters, in the query or as a JSON object"
    VALUE = "a JSON value as it is; parameters in the query"
    BYTES = "a body as it is; parameters in the query"


@dataclass(slots=True)
class PlainCall:
    """One request on its way into an operation. `call[LIMIT]` is the value of a parameter that the operation
    declares."""

    request: Request
    identity: Identity
    arguments: Arguments
    provider_id: str = ""
    #: The body, for operations that take it as it is: a JSON value, or bytes.
    value: Any = None
    #: The JSON value as it was written.
    text: bytes = b""
    #: Decoded segments of the path that stand for something, by the name they have in the route.
    path: Mapping[str, str] = field(default_factory=dict)
    #: Undecoded rest of the path, for routes that have one.
    tail: bytes = b""
    #: What the answer would be remembered by.
    question: Question | None = None

    def __getitem__(self, param: Param[T]) -> T:
        return self.arguments[param]


@dataclass(slots=True, kw_only=True)
class Call(PlainCall):
    """A request about a file."""

    file: FileId

    @property
    def is_public(self) -> bool:
        """Whether the file is seen through a share."""
        return self.file.share_id is not None

    def check_member(self, file: FileId | None = None) -> None:
        """To be called once the parameters are found good: 403 for strangers, 400 where not supported.

        Of what is shared nobody needs to be a member.
        """
        if (file or self.file).share_id is None:
            check_member(self.identity, file or self.file, provider_id=self.provider_id)


C = TypeVar("C", bound=PlainCall)

#: Refuses who may not use a route at all: the caller, the segments of the path, our provider id.
Check = Callable[[Identity, Mapping[str, str], str], None]

Handler = Callable[[C], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation(Generic[C]):
    """A method of a route. `shared`: also for share ids; `produces`: media types of its answer.

    `params` are read in their order before the handler runs; `consumes` is the media type of a body and
    `value_key` its name in refusals. `check` refuses callers before parameters are looked at. `memory`: where
    answers to it are remembered by questions. `told` is what the API's description says beside all this.
    """

    handler: Handler[C]
    summary: str
    takes: Takes = Takes.NOTHING
    produces: tuple[str, ...] = (JSON_TYPE,)
    shared: bool = False
    status: int = 200
    params: tuple[Param[Any], ...] = ()
    consumes: str = JSON_TYPE
    value_key: str = "metadata"
    check: Check | None = None
    memory: AttributeMemory | None = None
    told: Told = Told()  # noqa: RUF009 - immutable


Methods = Mapping[str, Operation[Call]]
PlainMethods = Mapping[str, Operation[PlainCall]]


async def authenticate(gate: Gate, request: Request, segment: bytes) -> tuple[Identity, bytes]:
    """Who asks. Raises what every caller of this route is refused with.

    A share id needs no token, and is served as a guest's whoever asks.
    """
    shared = decode(segment.decode("latin-1"))
    if shared is not None and shared.share_id is not None:
        return await gate.authenticate_public(request)
    return await gate.authenticate_user(request)


async def negotiate(request: Request, operation: Operation[C]) -> tuple[bytearray, Answer | None]:
    """The body, or the refusal of its type or of what the client accepts."""
    if not accepts(request.header(b"accept"), operation.produces):
        return bytearray(), empty(406)
    if operation.takes is Takes.NOTHING:
        return bytearray(), None
    changes = request.method not in ("GET", "HEAD", "DELETE")
    if changes and request.media_type != operation.consumes:
        # What says it is something else is refused unread, unless there is nothing to read.
        if request.headers.get(b"content-length", b"0").strip() != b"0":
            return bytearray(), empty(415)
        if await request.body(MAX_JSON_BODY_BYTES):
            return bytearray(), empty(415)
        return bytearray(), None
    if not request.announces_body:
        return bytearray(), None
    return await request.body(MAX_JSON_BODY_BYTES), None


def parameters(request: Request, operation: Operation[C], body: bytearray) -> tuple[Params, Any]:
    """Parameters and the body's value, as the operation takes them."""
    if operation.takes is Takes.PARAMS:
        return Params.parse(request.query, body) if body else _params_of(request.query), None
    params = _params_of(request.query)
    match operation.takes:
        case Takes.VALUE:
            return params, parse_value(body, operation.value_key)
        case Takes.BYTES:
            return params, bytes(body)
    return params, None


def _params_of(query: bytes) -> Params:
    return _remembered(query) if len(query) <= _MAX_REMEMBERED_BYTES else Params(parse_query(query))


@lru_cache(1024)
def _remembered(query: bytes) -> Params:
    # The same few queries come again and again; what is read from parameters is never changed.
    return Params(parse_query(query))


async def run(
    gate: Gate,
    operation: Operation[Call],
    request: Request,
    identity: Identity,
    segment: bytes,
    tail: bytes,
) -> Answer:
    """Everything after authentication, in order, for an operation on a file."""
    body, refusal = await negotiate(request, operation)
    if refusal is not None:
        return refusal
    question, told = _told_before(operation, request, body)
    if told is not None:
        gate.note(identity, told.space_id)
        return Answer(200, told.body, JSON)
    params, value = parameters(request, operation, body)
    file = await gate.resolve(decode_id(segment), identity)
    gate.note(identity, file.space_id)
    if file.share_id is not None and not operation.shared:
        raise ApiError("notSupported")
    arguments = Arguments(operation.params, params)
    text = bytes(body) if operation.takes is Takes.VALUE else b""
    call = Call(
        request, identity, arguments, gate.provider_id, value, text, tail=tail, file=file, question=question
    )
    return await operation.handler(call)


def _told_before(
    operation: Operation[C], request: Request, body: bytearray
) -> tuple[Question | None, ToldAttributes | None]:
    """What the answer would be remembered by, and what is remembered."""
    if operation.memory is None:
        return None, None
    question = (caller_blob(), request.raw_path, request.query, bytes(body))
    return question, operation.memory.get(question)


async def run_plain(
    gate: Gate,
    operation: Operation[PlainCall],
    request: Request,
    identity: Identity,
    path: Mapping[str, str],
    tail: bytes = b"",
) -> Answer:
    """The same for one that is about something else."""
    body, refusal = await negotiate(request, operation)
    if refusal is not None:
        return refusal
    if operation.check is not None:
        operation.check(identity, path, gate.provider_id)
    question, told = _told_before(operation, request, body)
    if told is not None:
        return Answer(200, told.body, JSON)
    gate.note(identity, path.get("sid", ""))
    params, value = parameters(request, operation, body)
    arguments = Arguments(operation.params, params)
    call = PlainCall(
        request, identity, arguments, gate.provider_id, value, path=path, tail=tail, question=question
    )
    return await operation.handler(call)
