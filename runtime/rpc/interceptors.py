"""What happens around every call a server answers: the same for unary calls, streams and the mux.

`Handling` binds caller, request id and deadline, counts and times the call, logs slow ones, and lets nothing
out but an IsthmusError. `handle_call` is that for one unary call; the wrappers of `runtime.rpc.server` and
the dispatch of `runtime.rpc.mux` both go through it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import grpc.aio
import structlog
from prometheus_client import Histogram

from runtime import telemetry
from runtime.auth import ClusterKey, from_text
from runtime.deadlines import TimeLimit
from runtime.errors import DeadlineExceeded, InternalError, IsthmusError, Unauthenticated
from runtime.identity import Identity
from runtime.logging import Sparingly
from runtime.request import Call, current_call, new_request_id
from runtime.rpc.status import code_of

log = structlog.get_logger(__name__)

#: A unary method of a servicer: `await behaviour(request, context)`. Ours never use the context.
Behaviour = Callable[[Any, Any], Awaitable[Any]]
#: Metadata of a call, lower-case names; names that end in `-bin` have bytes.
Metadata = Mapping[str, str | bytes]

IDENTITY_KEY = "isthmus-identity-bin"
REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"

#: A unary call whose caller sets no deadline still has one.
DEFAULT_TIMEOUT_S = 60.0
#: What a peer gives as id or trace context is not longer than this, or is not used.
_MAX_ID_CHARS = 200

HANDLED = telemetry.histogram(
    "rpc_server_seconds", "Calls answered and the time each took, seconds.", ["method", "code"]
)


class _Slow:
    """From how many seconds on a unary call is logged; one value for a process."""

    from_s = 0.5
    lines = Sparingly()


def log_calls_slower_than(seconds: float) -> None:
    """Sets the threshold for this process."""
    _Slow.from_s = seconds


async def handle_call(
    method: str,
    behaviour: Behaviour,
    request: Any,
    *,
    identity: Identity | None,
    identity_blob: bytes,
    request_id: str = "",
    timeout_s: float | None = None,
    traceparent: str = "",
) -> Any:
    """Answers one unary call of `method` (`/package.Service/Method`) for the caller.

    `timeout_s` is what is left of the caller's deadline. Raises IsthmusError: what the behaviour raised,
    DeadlineExceeded when it took longer, InternalError (logged, nothing leaked) for anything else.
    """
    timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
    limit = TimeLimit(time.monotonic() + timeout_s)
    call = new_call(
        method,
        identity=identity,
        identity_blob=identity_blob,
        request_id=request_id,
        timeout_s=timeout_s,
        traceparent=traceparent,
    )
    with Handling(call):
        try:
            with limit:
                return await behaviour(request, None)
        except TimeoutError:
            if limit.expired:
                raise DeadlineExceeded(method=method) from None
            raise


_timers: dict[tuple[str, str], Histogram] = {}


def _timer(method: str, code: str) -> Histogram:
    timer = _timers.get((method, code))
    if timer is None:
        timer = _timers[method, code] = HANDLED.labels(method, code)
    return timer


class Handling:
    """The block in which one call is answered. Raises nothing from it but IsthmusError and cancellation.

    `stream` calls may take as long as they like, and keep their context: their task ends with them.
    """

    __slots__ = ("_call", "_span", "_started_s", "_stream", "_token")

    def __init__(self, call: Call, *, stream: bool = False) -> None:
        self._call = call
        self._stream = stream
        self._span: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        self._started_s = time.perf_counter()
        self._token = current_call.set(self._call)
        if telemetry.tracing() and not telemetry.is_health_check(self._call.rpc):
            self._span = telemetry.span(self._call.rpc, parent=self._call.traceparent, server=True)
            self._span.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        code = _outcome(error)
        if code == "INTERNAL":
            log.error("call_failed", exc_info=error)
        self._finish(code)
        if self._span is not None:
            self._span.__exit__(kind, error, traceback)
        if not self._stream:
            current_call.reset(self._token)
        if code == "INTERNAL" and not isinstance(error, IsthmusError):
            raise InternalError from error

    def _finish(self, code: str) -> None:
        took_s = time.perf_counter() - self._started_s
        _timer(self._call.rpc, code).observe(took_s)
        if took_s >= _Slow.from_s and not self._stream and _Slow.lines.admits():
            log.warning(
                "call_slow", took_ms=round(took_s * 1000), code=code, untold=_Slow.lines.take_untold()
            )


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "OK"
    if isinstance(error, IsthmusError):
        return code_of(error).name
    if isinstance(error, grpc.aio.AbortError):
        return "ABORT"  # the servicer has set a status by itself
    return "INTERNAL" if isinstance(error, Exception) else "CANCELLED"


def new_call(
    method: str,
    *,
    identity: Identity | None,
    identity_blob: bytes,
    request_id: str = "",
    timeout_s: float | None = None,
    traceparent: str = "",
) -> Call:
    """The context of a call that arrives now. Ids that can't be right are replaced."""
    return Call(
        request_id if 0 < len(request_id) <= _MAX_ID_CHARS else new_request_id(),
        method,
        None if timeout_s is None else time.monotonic() + timeout_s,
        identity,
        identity_blob,
        traceparent if len(traceparent) <= _MAX_ID_CHARS else "",
    )


def identify(key: ClusterKey, metadata: Metadata) -> tuple[Identity, bytes]:
    """The caller by a signed identity, given as such or as bearer token. Raises Unauthenticated."""
    blob = metadata.get(IDENTITY_KEY)
    if not isinstance(blob, bytes):
        authorization = metadata.get("authorization", "")
        scheme, _, token = str(authorization).partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        blob = from_text(token.strip())
    return key.verify(blob, time.time_ns() // 1_000_000), blob
