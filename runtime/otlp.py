"""Spans to an OpenTelemetry collector: OTLP over HTTP, in its JSON form.

Our own, because the official exporter needs generated modules (`opentelemetry.proto`) that the package with
Envoy's protos brings in an older state: whichever is installed last wins, and then one of them is broken.
Imported only where spans are sent.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from runtime.config import BadSettings

log = structlog.get_logger(__name__)

#: Longest one batch may take to leave; it leaves from a thread of its own.
EXPORT_TIMEOUT_S = 2.0


class OtlpExporter(SpanExporter):
    """Posts batches to `<endpoint>/v1/traces`.

    What can't be sent is dropped, and said once until it works again. Raises BadSettings for no HTTP URL.
    """

    def __init__(self, endpoint: str) -> None:
        if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
            raise BadSettings("ISTHMUS_OTLP_ENDPOINT: must be http://host:port or https://host:port")
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends one batch."""
        request = urllib.request.Request(  # noqa: S310  # the scheme was checked above
            self._url, data=encode(spans), headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=EXPORT_TIMEOUT_S) as response:  # noqa: S310
                response.read()
        except (OSError, urllib.error.URLError) as error:
            if not self._failing:
                log.warning("spans_dropped", error=str(error))
            self._failing = True
            return SpanExportResult.FAILURE
        self._failing = False
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is kept open."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing is kept back."""
        return True


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """An ExportTraceServiceRequest as JSON. All spans of a process share its resource."""
    resource = {"attributes": _attributes(spans[0].resource.attributes)}
    scope_spans = {"scope": {"name": "isthmus"}, "spans": [_span(span) for span in spans]}
    return orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope_spans]}]})


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.context
    return {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": span.name,
        "kind": span.kind.value + 1,  # on the wire 0 means unspecified
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": str(value)}
