"""Settings of storage_router."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, ClassVar

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from runtime.config import MongoSettings, Port


class Settings(MongoSettings):
    """What a storage_router is told besides what every process is."""

    service_name: ClassVar[str] = "storage_router"

    mongo_database: str = "isthmus_storage_router"

    #: Port of content over HTTP; 0 takes any free one.
    data_port_port: Port = 0
    #: Unix socket for a front door on the same host; empty: none.
    data_port_uds: str = ""
    #: Where clients reach the data port directly, for tickets, e.g. `http://10.0.0.5:9100`; empty: nowhere.
    data_port_url: str = ""
    #: Networks of front doors on other hosts, comma-separated: whose word on the client's address counts.
    front_doors: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    #: Host and port users reach this provider by, where it differs from the provider file's.
    public_domain: str = ""
    #: gRPC of the zone: `xds:///zone` on the zone's own site, else host:port.
    zone_grpc_target: str = "xds:///zone"
    #: How long a verdict on a token is believed before the zone is asked again.
    token_cache_s: float = Field(default=2.0, ge=0, le=60)
    #: How long a verdict is still used while the zone cannot be asked.
    zone_away_s: float = Field(default=300.0, ge=0, le=86_400)
    #: Longest a start waits for the zone, since the first request of a new process needs it.
    zone_wait_s: float = Field(default=30.0, ge=0, le=100)

    #: Content up to this size is sent in one write with the head.
    inline_bytes: int = Field(default=64 << 10, ge=0, le=256 << 10)
    #: Bodies up to this size are collected and written at once.
    collect_bytes: int = Field(default=256 << 10, ge=0, le=256 << 10)
    #: Large bodies moved at a time; more wait. Each takes a thread, and a MiB while it receives.
    byte_workers: int = Field(default=64, ge=1, le=512)
    #: Threads for calls to storages that may wait for a device or a network.
    storage_threads: int = Field(default=32, ge=2, le=512)
    max_connections: int = Field(default=4096, ge=16, le=65_536)
    #: A client that neither sends nor takes a byte for so long is given up.
    stall_timeout_s: float = Field(default=60.0, ge=1, le=3600)
    #: A connection without a request ends after this; longer than the front door keeps its own open.
    idle_timeout_s: float = Field(default=300.0, ge=1, le=86_400)

    #: How soon a storage or support that ended is seen by instances that did not end it. What is new they
    #: look for when they are asked for it.
    refresh_interval_s: float = Field(default=2.0, ge=0.1, le=60)
    probe_interval_s: float = Field(default=10.0, ge=0.1, le=3600)
    probe_timeout_s: float = Field(default=5.0, ge=0.1, le=600)
    removal_interval_s: float = Field(default=2.0, ge=0.1, le=3600)
    #: Pause between the steps of a sweep; each looks at up to 50,000 files of a storage.
    sweep_interval_s: float = Field(default=600.0, ge=0.1, le=86_400)
    #: Files younger than this may belong to an upload under way and are never swept.
    sweep_min_age_s: float = Field(default=24 * 3600.0, ge=0)

    @field_validator("front_doors", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
