"""Settings of the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.config import Port, RuntimeSettings


class Settings(RuntimeSettings):
    """What a gateway is told besides what every process is."""

    service_name: ClassVar[str] = "gateway"

    #: Port of HTTP for the front door; 0 takes any free one.
    http_port: Port = 0
    #: Unix socket for a front door on the same host; empty: none.
    gateway_uds: str = ""
    #: Host and port users reach this provider by, where it differs from the provider file's.
    public_domain: str = ""
    #: gRPC of the zone: `xds:///zone` on the zone's own site, else host:port.
    zone_grpc_target: str = "xds:///zone"
    #: gRPC of storage_router.
    storage_grpc_target: str = "xds:///storage_router"
    #: How long a verdict on a token is believed before the zone is asked again.
    token_cache_s: float = Field(default=2.0, ge=0, le=60)
    #: How long a verdict is still used while the zone cannot be asked.
    zone_away_s: float = Field(default=300.0, ge=0, le=86_400)
    #: Longest a start waits for the zone, since the first request of a new process needs it.
    zone_wait_s: float = Field(default=30.0, ge=0, le=100)
    #: Memory for answers to listings, to be sent again while their directories are unchanged. 0: none.
    listing_memory_bytes: int = Field(default=64 << 20, ge=0, le=1 << 36)
    #: Longest one call to metadata may take. Clients give up after 30 s without an answer.
    metadata_timeout_s: float = Field(default=10.0, ge=0.1, le=30)
    #: Largest value in a CDMI object in JSON form, decoded. Larger ones go in plain HTTP form.
    cdmi_value_limit_bytes: int = Field(default=64 << 20, ge=1 << 10, le=1 << 30)
    #: How many bodies above 1 MiB are held in memory at a time; more wait.
    cdmi_large_bodies: int = Field(default=4, ge=1, le=64)
    #: Most children of a container in one CDMI answer; clients ask for more by ranges.
    cdmi_max_children: int = Field(default=1000, ge=1, le=100_000)
    #: Most objects of one serialisation: it is written, and made again, while a client waits.
    cdmi_serialized_objects: int = Field(default=10_000, ge=1, le=10_000_000)
    #: Largest serialisation in bytes.
    cdmi_serialized_bytes: int = Field(default=1 << 30, ge=1 << 10, le=1 << 44)
    #: Announce the CDMI capabilities of the original server and no more, for clients that compare the sets.
    cdmi_original_capabilities: bool = False
    #: A CDMI copy of a file up to this size is made within its request, without a record of its own.
    copy_direct_bytes: int = Field(default=64 << 20, ge=0, le=1 << 30)
    #: How long a request waits for any other copy to end before it is answered 202 and the copy goes on.
    copy_wait_s: float = Field(default=5.0, ge=0, le=25)
    #: Copies this process goes on with at a time; requests may begin four times as many.
    copies_at_a_time: int = Field(default=4, ge=1, le=64)
    #: How long a copy waits for a storage or service that is away before it is given up.
    copy_patience_s: float = Field(default=300.0, ge=1, le=86_400)
    #: How often a process with room looks for copies nobody works at.
    copy_claim_interval_s: float = Field(default=10.0, ge=0.1, le=600)
    #: How long a ticket of the direct road is good.
    ticket_life_s: float = Field(default=300.0, ge=1, le=3600)
    #: Streams of changes served at a time; they also count among the requests.
    max_change_streams: int = Field(default=256, ge=1, le=65_536)
    #: Requests served at a time; more are refused with 503.
    max_concurrent_requests: int = Field(default=2048, ge=16, le=65_536)
