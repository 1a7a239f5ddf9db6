"""Every metric of this service."""

from __future__ import annotations

from runtime.telemetry import counter, gauge

CACHED_FILES = gauge("metadata_cached_files", "Files held in the cache of this instance.")
CACHED_LOCATIONS = gauge("metadata_cached_locations", "Locations held in the cache of this instance.")
LEASES = gauge("metadata_leases", "Leases given to data ports that remember what they located.")
LISTING_VERSIONS = gauge(
    "metadata_listing_versions", "Directories that have not changed since somebody listed them."
)
LISTINGS = counter(
    "metadata_listings",
    "Pages of directories asked for: unchanged, told with a version, or without one.",
    ("outcome",),
)
DATABASE_FULL = gauge(
    "metadata_database_full", "1 while changes are refused because the disk of the database is full."
)
