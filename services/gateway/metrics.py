"""Metrics of the gateway: names, units and meanings."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("isthmus_gateway_requests_total", "Requests answered.", ["front", "method", "status"])
SECONDS = Histogram(
    "isthmus_gateway_request_seconds",
    "Time from the request's head to the end of the answer.",
    ["front"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge("isthmus_gateway_requests_in_flight", "Requests being served now.")
