"""Settings of the metadata service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.config import MongoSettings


class Settings(MongoSettings):
    """What one instance is told, by environment variables with the prefix ISTHMUS_."""

    service_name: ClassVar[str] = "metadata"

    mongo_database: str = "isthmus_metadata"
    #: Provider id when there is no `provider_file`, as in tests.
    provider_id: str = ""
    #: What is to stay free on the disk of the database (on a small one a tenth of it, at most): with less,
    #: changes are refused, since a MongoDB that finds its disk full dies.
    mongo_reserve_bytes: int = Field(default=512 << 20, ge=0)
    #: Files, and locations, kept in memory: about 1 KiB each.
    cache_records: int = Field(default=100_000, ge=1000)
    #: Directories of which it is known whether they changed since somebody listed them: about 300 bytes each.
    #: 0: whoever lists is told everything each time.
    listing_versions: int = Field(default=50_000, ge=0)
    #: How long a peer may be away and still catch up by the change log.
    change_retention_s: int = Field(default=7 * 24 * 3600, ge=60)
    #: How long a deleted file is remembered, so that peers and repeated requests learn of it.
    tombstone_retention_s: int = Field(default=7 * 24 * 3600, ge=60)
    #: How long a deleted directory can be restored. Its bytes count until it is removed; when a space is
    #: nearly full, that is sooner.
    trash_retention_s: int = Field(default=3600, ge=0)
    #: An upload that began longer ago and never ended is forgotten; the sweep of orphans has its bytes.
    upload_expiry_s: int = Field(default=7 * 24 * 3600, ge=3600)
    #: Longest value of a queue.
    queue_value_limit_bytes: int = Field(default=1 << 20, ge=1 << 10, le=2 << 20)
    #: Most values that one request adds to a queue, reads or takes.
    queue_request_values: int = Field(default=1000, ge=1, le=10_000)
    #: Most values in one queue, and their bytes, which also count against the quota of the space.
    queue_values: int = Field(default=1_000_000, ge=1)
    queue_bytes: int = Field(default=1 << 30, ge=1 << 20)
    #: Where the zone answers gRPC; only shares need it.
    zone_grpc_target: str = "xds:///zone"
