"""A trace collector: takes OTLP over HTTP in both its forms, JSON and protobuf, and keeps all it is told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SERVER_KIND = 2


@dataclass(frozen=True)
class Span:
    """One step of a trace. Ids in hex; `parent` is empty for the first; `kind` as on the wire."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    attributes: Mapping[str, str]
    resource: Mapping[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """Which service did it."""
        return self.resource.get("service.name", "")


class Collector(ThreadingHTTPServer):
    """Keeps every span that is posted to /v1/traces."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        """The value of ISTHMUS_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def trace(self, id: str) -> list[Span]:
        """The spans of one trace so far."""
        return [span for span in list(self.spans) if span.trace == id]


@contextlib.contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on a free port of this host."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/v1/traces":
            is_json = self.headers["Content-Type"] == "application/json"
            self.server.spans += _of_json(body) if is_json else _of_protobuf(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        """Services say how long it is, Envoy sends chunks."""
        if length := self.headers["Content-Length"]:
            return self.rfile.read(int(length))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _of_json(body: bytes) -> list[Span]:
    def plain(pairs: list[Any]) -> dict[str, str]:
        return {pair["key"]: str(next(iter(pair["value"].values()))) for pair in pairs}

    return [
        Span(
            trace=span["traceId"],
            id=span["spanId"],
            parent=span["parentSpanId"],
            name=span["name"],
            kind=span["kind"],
            attributes=plain(span["attributes"]),
            resource=plain(told["resource"]["attributes"]),
        )
        for told in json.loads(body)["resourceSpans"]
        for scope in told["scopeSpans"]
        for span in scope["spans"]
    ]


def _of_protobuf(body: bytes) -> list[Span]:
    def plain(pairs: Any) -> dict[str, str]:
        return {pair.key: pair.value.string_value for pair in pairs}

    return [
        Span(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            kind=span.kind,
            attributes=plain(span.attributes),
            resource=plain(told.resource.attributes),
        )
        for told in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in told.instrumentation_library_spans  # what scope_spans were called; on the wire the same
        for span in scope.spans
    ]
