"""Metrics of the gateway: names, units and meanings."""

from __future__ import annotations

from runtime import telemetry

REQUESTS = telemetry.counter(
    "gateway_requests", "Requests answered, by set of routes.", ("front", "method", "status")
)
SECONDS = telemetry.histogram(
    "gateway_request_seconds", "From the head of a request to the end of its answer.", ("front",)
)
COPIES_UNDER_WAY = telemetry.gauge("gateway_copies_under_way", "Copies this process works at now.")
COPIES_ENDED = telemetry.counter(
    "gateway_copies_ended", "Copies this process has worked at: done, failed, released or lost.", ("outcome",)
)
COPIED_BYTES = telemetry.counter("gateway_copied_bytes", "Bytes of files that such copies have made.")
IN_FLIGHT = telemetry.gauge("gateway_requests_in_flight", "Requests being served now.")
ATTRIBUTES = telemetry.counter(
    "gateway_attributes", "Attributes of files told: remembered ones, and asked for.", ("outcome",)
)
REMEMBERED = telemetry.gauge(
    "gateway_remembered_files", "Attributes of files that requests may find in memory."
)
REMEMBERED_BYTES = telemetry.gauge("gateway_remembered_bytes", "What remembered attributes take.")
LISTINGS = telemetry.counter(
    "gateway_listings", "Listings of directories answered: kept ones, and made ones.", ("outcome",)
)
LISTING_MEMORY = telemetry.gauge("gateway_listing_memory_bytes", "What kept listings take.")
