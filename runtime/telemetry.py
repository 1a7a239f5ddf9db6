"""Metrics and traces.

Metrics are Prometheus's, declared in a service's `metrics.py` by the helpers here and read at /metrics,
which is open inside only. Traces are OpenTelemetry's; nothing of it is even imported until an exporter is
set, and a trace begun elsewhere still passes through by its W3C `traceparent`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter, Gauge, Histogram, generate_latest

from runtime.config import BadSettings, RuntimeSettings
from runtime.request import current_call

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

log = structlog.get_logger(__name__)

#: From what a cache answers to what a user gives up on.
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

#: A scraper that is slower than this, or says more than this, is not one.
_SCRAPE_TIMEOUT_S = 5.0
_MAX_REQUEST_BYTES = 16 * 1024
#: Longest to wait for the last spans to leave.
_FLUSH_TIMEOUT_MS = 2000

_NO_SPAN: AbstractContextManager[Any] = nullcontext()


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """A number that only grows. `name` has no prefix and no `_total`; both are added."""
    return Counter(f"isthmus_{name}", meaning, labels)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """A number that goes up and down."""
    return Gauge(f"isthmus_{name}", meaning, labels)


def histogram(
    name: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS_BUCKETS
) -> Histogram:
    """How values are spread; by default seconds."""
    return Histogram(f"isthmus_{name}", meaning, labels, buckets=buckets)


class _Tracing:
    """Whether this process records spans, and how."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.provider: TracerProvider | None = None


_tracing = _Tracing()


def configure(settings: RuntimeSettings) -> None:
    """Turns tracing on if there is somewhere to send spans. Costs memory only then."""
    if not settings.otlp_endpoint:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from runtime.otlp import OtlpExporter

    resource = Resource.create(
        {"service.name": settings.service_name, "service.instance.id": settings.instance_id}
    )
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(settings.trace_sample_ratio), resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OtlpExporter(settings.otlp_endpoint)))
    use_tracer_provider(provider)


def use_tracer_provider(provider: TracerProvider | None) -> None:
    """Records spans with this provider from now on; None turns tracing off."""
    _tracing.provider = provider
    _tracing.tracer = provider.get_tracer("isthmus") if provider is not None else None


def shutdown() -> None:
    """Sends what spans are left, within bounds, and turns tracing off. Blocks."""
    provider = _tracing.provider
    use_tracer_provider(None)
    if provider is not None:
        provider.force_flush(_FLUSH_TIMEOUT_MS)
        provider.shutdown()


def tracing() -> bool:
    """Whether spans are recorded here."""
    return _tracing.tracer is not None


def is_health_check(target: str) -> bool:
    """Whether an HTTP path, or a gRPC method, only asks if this process is well.

    That is asked many times a minute on behalf of nobody, so it begins no traces.
    """
    return target == "/healthz" or target.startswith("/grpc.health.v1.Health/")


def span(
    name: str, *, parent: str | None = None, server: bool = False, **attributes: str | int
) -> AbstractContextManager[Any]:
    """A step of the trace under way, or below `parent`, a traceparent from outside."""
    if _tracing.tracer is None:
        return _NO_SPAN
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = None
    if parent:
        context = TraceContextTextMapPropagator().extract({"traceparent": parent})
    return _tracing.tracer.start_as_current_span(
        name,
        context=context,
        kind=SpanKind.SERVER if server else SpanKind.INTERNAL,
        attributes=attributes,
        record_exception=False,  # ordinary refusals are answers, and bugs are logged with their traceback
    )


def traceparent() -> str:
    """W3C trace context to pass on; empty when this request is not traced."""
    if _tracing.tracer is not None:
        from opentelemetry.trace import get_current_span

        context = get_current_span().get_span_context()
        if context.is_valid:
            return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return current_call.get().traceparent


class MetricsServer:
    """Answers GET /metrics on `listen_host`:`metrics_port`, and GET /healthz as long as the process lives.

    Does nothing when the port is 0.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        self._host = settings.listen_host
        self._wanted = settings.metrics_port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 when it doesn't."""
        return self._server.sockets[0].getsockname()[1] if self._server else 0

    async def start(self) -> None:
        """Begins to listen. Raises BadSettings when the port is taken."""
        if self._wanted == 0:
            return
        try:
            self._server = await asyncio.start_server(
                self._answer, self._host, max(0, self._wanted), limit=_MAX_REQUEST_BYTES
            )
        except OSError as error:
            raise BadSettings(f"metrics port {self._host}:{self._wanted}: {error.strerror}") from error
        log.info("metrics_listening", port=self.port)

    async def stop(self) -> None:
        """Stops listening."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_SCRAPE_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_respond(head.split(b"\r\n", 1)[0]))
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _respond(request_line: bytes) -> bytes:
    method, _, rest = request_line.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path not in {b"/metrics", b"/healthz"}:
        return _response("404 Not Found", b"")
    if method != b"GET":
        return _response("405 Method Not Allowed", b"")
    return _response("200 OK", b"ok\n" if path == b"/healthz" else generate_latest())


def _response(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
