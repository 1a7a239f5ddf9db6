"""The ASGI application: hot routes by dictionary, pages by FastAPI, and the one handler of errors."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog
from prometheus_client import Counter

from runtime import telemetry
from runtime.errors import InternalError, IsthmusError, Unavailable
from runtime.http import cdmi as cdmi_rules
from runtime.http.errors import ApiError, from_error
from runtime.logging import Sparingly
from runtime.request import Call, current_call
from services.gateway import metrics
from services.gateway.api.gate import request_id_of
from services.gateway.api.http import CORS, Answer, ClientGone, Receive, Request, Scope, Send, error_answer
from services.gateway.api.rest.router import PREFIX

log = structlog.get_logger(__name__)

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"})

_UNTRACED = nullcontext()

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Router(Protocol):
    """A set of routes. None when none of them is meant."""

    async def answer(self, request: Request) -> Answer | None: ...


class Front:
    """Every request enters here, and every error leaves here."""

    def __init__(
        self, rest: Router, cdmi: Router, pages: Asgi, *, provider_id: str, slow_s: float = 0.5
    ) -> None:
        self._rest = rest
        self._cdmi = cdmi
        self._pages = pages
        self._provider_id = provider_id
        self._slow_s = slow_s
        self._slow_lines = Sparingly()
        # Finding a metric by its labels costs more than counting; there are few methods and statuses.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        #: Requests being served.
        self.in_flight = 0
        self._seconds = {front: metrics.SECONDS.labels(front) for front in ("rest", "cdmi", "pages")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Sockets other than HTTP are the pages' to refuse."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        request = Request(scope, receive)
        front, router = self._router_of(request.raw_path)
        started = time.perf_counter()
        method = request.method if request.method in _METHODS else "other"
        name = f"{front} {method}"
        parent = request.header(b"traceparent") or ""
        # Every request has a task, and so a context, of its own: nothing needs to be put back.
        current_call.set(Call(request_id=request_id_of(request), rpc=name, traceparent=parent))
        self.in_flight += 1
        try:
            with self._span(request, name, parent):
                status = await self._serve(front, router, request, scope, receive, send)
        finally:
            self.in_flight -= 1
        if not request.is_endless:
            self._note(front, method, status, time.perf_counter() - started)

    def _span(self, request: Request, name: str, parent: str) -> AbstractContextManager[object]:
        if not telemetry.tracing() or telemetry.is_health_check(request.raw_path.decode("latin-1")):
            return _UNTRACED
        return telemetry.span(name, parent=parent, server=True)

    def _note(self, front: str, method: str, status: int, took_s: float) -> None:
        """Counts a request and tells of a slow one."""
        if took_s > self._slow_s and self._slow_lines.admits():
            untold = self._slow_lines.take_untold()
            log.warning("slow_request", status=status, took_ms=round(took_s * 1000), untold=untold)
        count = self._counters.get((front, method, status))
        if count is None:
            count = self._counters[front, method, status] = metrics.REQUESTS.labels(
                front, method, str(status)
            )
        count.inc()
        self._seconds[front].observe(took_s)

    def _router_of(self, raw_path: bytes) -> tuple[str, Router | None]:
        if raw_path.startswith(PREFIX):
            return "rest", self._rest
        if raw_path == b"/cdmi" or raw_path.startswith(b"/cdmi/"):
            return "cdmi", self._cdmi
        return "pages", None

    async def _serve(
        self,
        front: str,
        router: Router | None,
        request: Request,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> int:
        try:
            answer = await self._answer(router, request)
        except ClientGone:
            return 499
        if answer is None:
            return await self._page(scope, receive, send)
        if front == "cdmi":
            answer.headers += cdmi_rules.answer_headers(request.headers)
        try:
            await answer.send(send, head=request.method == "HEAD", whole=request.takes_whole)
        except (ApiError, IsthmusError) as error:
            # Too late to say so; an answer left unfinished makes the server break the connection.
            log.warning("answer_broken_off", error=str(error))
        return answer.status

    async def _answer(self, router: Router | None, request: Request) -> Answer | None:
        if router is None:
            return None
        try:
            return await router.answer(request)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the one place that answers for everything
            return answer_for(error, self._provider_id)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = 0

        async def send_with_cors(message: dict[str, object]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(str(message["status"]))
                message["headers"] = [*message.get("headers", ()), *CORS]  # type: ignore[misc]
            await send(message)

        try:
            await self._pages(_without_trailing_slash(scope), receive, send_with_cors)  # type: ignore[arg-type]
        except Exception as error:  # the one place that answers for everything
            if status:
                raise
            answer = answer_for(error, self._provider_id)
            await answer.send(send)
            return answer.status
        return status


def _without_trailing_slash(scope: Scope) -> Scope:
    path = scope["path"]
    if len(path) > 1 and path.endswith("/"):
        return {**scope, "path": path.rstrip("/") or "/"}
    return scope


def answer_for(error: BaseException, provider_id: str) -> Answer:
    """What a user is told about any error. Bugs are logged whole and told by reference only."""
    if isinstance(error, BaseExceptionGroup):
        # Calls made in parallel fail together; the first one speaks.
        return answer_for(error.exceptions[0], provider_id)
    if isinstance(error, ApiError):
        return error_answer(error)
    if isinstance(error, asyncio.TimeoutError):
        return error_answer(ApiError("timeout"))
    if isinstance(error, IsthmusError) and not isinstance(error, InternalError):
        if isinstance(error, Unavailable):
            log.warning("part_unavailable", reason=error.reason, error=error.message)
        return error_answer(from_error(error, provider_id=provider_id))
    reference = secrets.token_hex(5)
    log.error("request_failed", reference=reference, exc_info=error)
    return error_answer(ApiError("internalServerError", {"reference": reference}))
