"""From a connection to answers: which front a request goes to, and what becomes of errors."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import lru_cache
from typing import Protocol

import structlog
from prometheus_client import Counter

from runtime.breaker import Breaker, closed
from runtime.errors import IsthmusError
from runtime.http.errors import ApiError, from_error
from runtime.http.ranges import RangeNotSatisfiable
from runtime.logging import Sparingly
from runtime.request import Call, current_call
from runtime.telemetry import is_health_check, span, tracing
from services.storage_router import metrics
from services.storage_router.api.data_port import archives, cdmi, rest, tickets
from services.storage_router.api.data_port.body import Body
from services.storage_router.api.data_port.callers import Callers
from services.storage_router.api.data_port.connection import ClientGone, Connection
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.head import BadRequest, Head
from services.storage_router.domain.drivers import is_of_storage

log = structlog.get_logger(__name__)

_UNTRACED = nullcontext()
_CHANGES = frozenset({"PUT", "POST", "DELETE"})

#: How long, and how much, a client may go on sending a body that was refused.
_LINGER_S = 2.0
_LINGER_BYTES = 8 << 20


def _needs_a_provider(head: Head) -> bool:
    """Whether it asks for a change, or for what can be done: all else goes on while changes are refused."""
    return head.method in _CHANGES or head.path.startswith(b"/cdmi/cdmi_capabilities")


class Front(Protocol):
    """Answers the requests of one family of URLs."""

    async def handle(self, exchange: Exchange) -> None:
        """Begins exactly one answer, or raises."""
        ...


class Routes:
    """Serves connections."""

    def __init__(
        self,
        *,
        rest_front: Front,
        cdmi_front: Front,
        ticket_front: Front,
        archive_front: Front,
        callers: Callers,
        provider_id: str,
        stall_timeout_s: float,
        slow_s: float,
        breaker: Breaker = closed,
    ) -> None:
        self._fronts = (
            (rest.PREFIX, "data_port.rest", rest_front),
            (cdmi.PREFIX, "data_port.cdmi", cdmi_front),
            (tickets.PREFIX, "data_port.ticket", ticket_front),
            (archives.PREFIX, "data_port.archive", archive_front),
        )
        self._callers = callers
        self._breaker = breaker
        self._provider_id = provider_id
        self._stall_timeout_s = stall_timeout_s
        self._slow_s = slow_s
        self._slow_lines = Sparingly()
        #: Requests being answered.
        self.under_way = 0

    async def serve(self, connection: Connection, *, stopping: Stopping) -> None:
        """Answers one request after another until the connection ends."""
        try:
            while (head := await connection.read_head()) is not None:
                if not await self._answer(connection, head, stopping=stopping()):
                    break
        except BadRequest as refusal:
            await self._turn_away(connection, refusal.status)
        except ClientGone:
            connection.abort()
        finally:
            connection.close()

    async def _turn_away(self, connection: Connection, status: int) -> None:
        body = Body(connection, NO_REQUEST, self._stall_timeout_s)
        exchange = Exchange(connection, NO_REQUEST, body, self._callers, stopping=True)
        try:
            exchange.reply(status)
            await self._linger(connection)
        except ClientGone:
            connection.abort()

    async def _answer(self, connection: Connection, head: Head, *, stopping: bool) -> bool:
        """Whether the connection goes on."""
        begun_s = time.monotonic()
        body = Body(connection, head, self._stall_timeout_s)
        exchange = Exchange(connection, head, body, self._callers, stopping=stopping)
        kind, front = self._route(head.path)
        parent = head.headers.get(b"traceparent", b"").decode("latin-1")
        request_id = self._callers.request_id(connection, head)
        current_call.set(Call(request_id=request_id, rpc=kind, traceparent=parent))
        is_traced = tracing() and not is_health_check(head.path.decode("latin-1"))
        with span(kind, parent=parent, server=True) if is_traced else _UNTRACED:
            self.under_way += 1
            try:
                await self._handle(exchange, front)
            finally:
                self.under_way -= 1
                self._note(exchange, kind, begun_s)
        await connection.drain()
        if not exchange.keep_alive:
            if not body.done:
                await self._linger(connection)
            return False
        await body.discard()
        return True

    def _route(self, path: bytes) -> tuple[str, Front | None]:
        for prefix, kind, front in self._fronts:
            if path.startswith(prefix):
                return kind, front
        return "data_port.other", None

    async def _handle(self, exchange: Exchange, front: Front | None) -> None:
        try:
            if front is not None:
                if self._breaker() and _needs_a_provider(exchange.head):
                    raise ApiError("serviceUnavailable")
                await front.handle(exchange)
            elif exchange.head.path == b"/healthz":
                exchange.reply(200, [(b"content-type", b"text/plain")], b"ok\n")
            else:
                await exchange.turn_away(404)
        except (ApiError, IsthmusError, RangeNotSatisfiable, BadRequest) as error:
            await self._tell(exchange, error)
        except ClientGone:
            raise
        except Exception:
            log.exception("data_port_failed", method=exchange.head.method)
            await self._tell(exchange, ApiError("internalServerError"))

    async def _tell(self, exchange: Exchange, error: Exception) -> None:
        if exchange.status:
            # The answer has begun: only a broken connection says that it is not whole.
            log.warning("answer_broken_off", error=str(error))
            raise ClientGone from error
        if not isinstance(error, BadRequest):
            await exchange.body.hear_out()
        match error:
            case RangeNotSatisfiable():
                headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
                exchange.reply(416, headers)
            case BadRequest():
                raise error
            case IsthmusError():
                if error.reason in ("EIO", "STORAGE_UNREACHABLE") or is_of_storage(error):
                    log.warning("storage_failed", reason=error.reason, error=error.message, **error.facts)
                exchange.refuse(from_error(error, provider_id=self._provider_id))
            case ApiError():
                exchange.refuse(error)

    def _note(self, exchange: Exchange, kind: str, begun_s: float) -> None:
        _counter(exchange.head.method, kind, exchange.status).inc()
        if exchange.body.received_bytes:
            metrics.RECEIVED_BYTES.inc(exchange.body.received_bytes)
        # A body takes as long as the client does; only what we take is worth a line.
        took_s = exchange.answered_s - begun_s
        if took_s > self._slow_s and not exchange.body.received_bytes and self._slow_lines.admits():
            untold = self._slow_lines.take_untold()
            method, status = exchange.head.method, exchange.status
            log.info("slow_request", method=method, status=status, took_s=took_s, untold=untold)

    async def _linger(self, connection: Connection) -> None:
        """Lets the client read the answer: closing on a client that still sends would destroy it."""
        await connection.drain()
        connection.end_of_input()
        connection.set_timeout(_LINGER_S)
        left = _LINGER_BYTES
        while left > 0:
            left -= len(connection.buffer)
            connection.buffer.clear()
            await connection.more()


@lru_cache(512)
def _counter(method: str, kind: str, status: int) -> Counter:
    return metrics.REQUESTS.labels(method, kind, str(status))


class Stopping(Protocol):
    """Whether the server is about to stop."""

    def __call__(self) -> bool: ...


#: Stands for a request that could not be read.
NO_REQUEST = Head(
    method="GET",
    path=b"",
    query=b"",
    headers={},
    keep_alive=False,
    content_length=0,
    expects_continue=False,
)
