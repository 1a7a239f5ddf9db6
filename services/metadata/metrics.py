"""Every metric of this service."""

from __future__ import annotations

from runtime.telemetry import gauge

CACHED_FILES = gauge("metadata_cached_files", "Files held in the cache of this instance.")
CACHED_LOCATIONS = gauge("metadata_cached_locations", "Locations held in the cache of this instance.")
LEASES = gauge("metadata_leases", "Leases given to data ports that remember what they located.")
DATABASE_FULL = gauge(
    "metadata_database_full", "1 while changes are refused because the disk of the database is full."
)
