"""Members as the control plane needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

GRPC = "grpc"
HTTP = "http"

# Every service that Envoy or a `xds:///` channel can reach, and what it speaks. A name that is in Consul
# but not here (a database, somebody else's job) is none of our business.
PROTOCOLS = {
    "cluster_manager": GRPC,
    "data_port": HTTP,
    "gateway": HTTP,
    "metadata": GRPC,
    "storage_router": GRPC,
    "zone": GRPC,
    "zone_rest": HTTP,
}


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One instance of one service.

    `uds`: absolute path of the Unix socket it also listens on, or empty. It means something only on the
    host called `host_id`. `is_healthy`: Consul's checks pass.
    """

    service: str
    instance_id: str
    host: str
    port: int
    uds: str = ""
    host_id: str = ""
    is_healthy: bool = True


@dataclass(frozen=True, slots=True)
class Catalog:
    """All endpoints at one moment, in one order, so that equal views are equal values."""

    endpoints: tuple[Endpoint, ...] = ()

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> Catalog:
        return cls(tuple(sorted(endpoint for endpoint in endpoints if endpoint.service in PROTOCOLS)))

    def service(self, name: str) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.service == name)


class CatalogSource(Protocol):
    """Where the view comes from. It keeps the last one while the register is away."""

    @property
    def catalog(self) -> Catalog | None:
        """The latest view; None until the register has answered for every service."""

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` after each change of `catalog`; returns what ends that."""
