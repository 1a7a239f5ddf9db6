"""What the zone counts and times."""

from __future__ import annotations

from runtime import telemetry

REQUESTS = telemetry.histogram(
    "zone_http_seconds", "REST requests answered and the time each took, seconds.", ["method", "status"]
)
FOLLOWERS = telemetry.gauge("zone_change_followers", "Streams on which providers hear of changes.")
CHANGES = telemetry.counter("zone_changes", "Changes told to providers.")
SCOPES = telemetry.counter(
    "zone_scopes", "Answers to what a token reaches, kept ones and new ones.", ["kept"]
)
DOCUMENT_FOLLOWERS = telemetry.gauge(
    "zone_document_followers", "Processes of providers that follow the documents of their concern."
)
