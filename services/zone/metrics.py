"""What the zone counts and times."""

from __future__ import annotations

from runtime import telemetry

REQUESTS = telemetry.histogram(
    "zone_http_seconds", "REST requests answered and the time each took, seconds.", ["method", "status"]
)
