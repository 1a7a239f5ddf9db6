"""Metrics of the gateway: names, units and meanings."""

from __future__ import annotations

from runtime import telemetry

REQUESTS = telemetry.counter(
    "gateway_requests", "Requests answered, by set of routes.", ("front", "method", "status")
)
SECONDS = telemetry.histogram(
    "gateway_request_seconds", "From the head of a request to the end of its answer.", ("front",)
)
IN_FLIGHT = telemetry.gauge("gateway_requests_in_flight", "Requests being served now.")
