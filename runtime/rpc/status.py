"""The one table between errors and gRPC status codes, and the translations both ways.

A status carries google.rpc.ErrorInfo with the error's `reason` and `facts`, so the class that was raised by
the server is the class the client catches.
"""

from __future__ import annotations

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # has no stubs
from isthmus.common.v1 import mux_pb2

from runtime import errors
from runtime.errors import IsthmusError

#: Category of error -> status code. Subclasses go by their nearest ancestor here.
CODES: dict[type[IsthmusError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}

#: A server that cancels a call of ours is going away: as good as unavailable.
_CATEGORIES: dict[int, type[IsthmusError]] = {
    **{code.value[0]: category for category, code in CODES.items()},
    grpc.StatusCode.CANCELLED.value[0]: errors.Unavailable,
}

#: `domain` of our ErrorInfo.
DOMAIN = "isthmus"
#: Trailing metadata that holds the google.rpc.Status, by gRPC's convention.
DETAILS_KEY = "grpc-status-details-bin"

#: Status travels in HTTP/2 headers, whose size is limited; what is longer is cut, facts left out whole.
MAX_MESSAGE_CHARS = 1000
MAX_FACTS_CHARS = 4000


def code_of(error: IsthmusError) -> grpc.StatusCode:
    """The status code of an error's category."""
    for ancestor in type(error).__mro__:
        if ancestor in CODES:
            return CODES[ancestor]
    return grpc.StatusCode.INTERNAL


def to_status(error: IsthmusError) -> status_pb2.Status:
    """The status an error travels as. An InternalError tells nothing but that it is one."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=_facts(error))
    status = status_pb2.Status(code=code_of(error).value[0], message=_message(error))
    status.details.add().Pack(info)
    return status


def from_status(status: status_pb2.Status) -> IsthmusError:
    """The error behind a status. One without ErrorInfo of ours is told by its category alone."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            return _rebuild(status.code, info.reason, status.message, dict(info.metadata))
    return _rebuild(status.code, "", status.message, {})


def from_rpc_error(error: grpc.aio.AioRpcError) -> IsthmusError:
    """The error behind a failed call."""
    try:
        details = _details(error)
        if details is not None:
            return from_status(status_pb2.Status.FromString(details))
    except DecodeError:
        pass  # a peer's garbage must not hide that the call failed
    return _rebuild(error.code().value[0], "", error.details() or "", {})


def carries_details(error: grpc.aio.AioRpcError) -> bool:
    """Whether the peer itself said so; False for what went wrong on the way."""
    return _details(error) is not None


def to_mux_error(error: IsthmusError) -> mux_pb2.MuxError:
    """The same, for a call on a multiplexed stream."""
    return mux_pb2.MuxError(
        code=code_of(error).value[0], message=_message(error), reason=error.reason, facts=_facts(error)
    )


def from_mux_error(error: mux_pb2.MuxError) -> IsthmusError:
    """The error behind a failed call on a multiplexed stream."""
    return _rebuild(error.code, error.reason, error.message, dict(error.facts))


def _rebuild(code: int, reason: str, message: str, facts: dict[str, str]) -> IsthmusError:
    # A fact may have the name of a parameter of the error's constructor.
    for name in ("self", "message"):
        facts.pop(name, None)
    return errors.rebuild(_CATEGORIES.get(code, errors.InternalError), reason, message, facts)


def _details(error: grpc.aio.AioRpcError) -> bytes | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return value
    return None


def _message(error: IsthmusError) -> str:
    if isinstance(error, errors.InternalError):
        return "internal error"
    return error.message[:MAX_MESSAGE_CHARS]


def _facts(error: IsthmusError) -> dict[str, str]:
    if isinstance(error, errors.InternalError):
        return {}
    kept: dict[str, str] = {}
    left = MAX_FACTS_CHARS
    for name, value in error.facts.items():
        size = len(name) + len(value)
        if size <= left:
            kept[name] = value
            left -= size
    return kept
