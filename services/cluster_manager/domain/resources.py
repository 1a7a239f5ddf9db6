"""All resources one discovery client can ask for, by type and name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from services.cluster_manager.domain import clusters, door, routes
from services.cluster_manager.domain.catalog import GRPC, PROTOCOLS, Catalog
from services.cluster_manager.domain.door import ADS, TYPES, Door, Json


class ResourceType(StrEnum):
    """The four types of resources, in the order in which they must be sent: a listener never names
    routes, and routes never a cluster, that the client does not have yet."""

    CLUSTER = TYPES + "config.cluster.v3.Cluster"
    ENDPOINTS = TYPES + "config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = TYPES + "config.listener.v3.Listener"
    ROUTES = TYPES + "config.route.v3.RouteConfiguration"


# When the first of a pair was sent anew, the client waits for the second even if it has not changed.
DEPENDENTS = {
    ResourceType.CLUSTER: ResourceType.ENDPOINTS,
    ResourceType.LISTENER: ResourceType.ROUTES,
}


@dataclass(frozen=True)
class Client:
    """Who asks. Envoy gets the front door; anything else is a gRPC channel on its way to one service."""

    node_id: str
    is_envoy: bool = False
    host_id: str = ""


@dataclass(frozen=True)
class Answer:
    """Resources of one type and the version of exactly this set.

    The version is a digest of the content: every instance of this service, and the same one after a
    restart, gives an equal set the same version.
    """

    version: str
    resources: tuple[Json, ...]


class Resources:
    """Works out answers from a catalog and the site's settings."""

    def __init__(self, settings: Door) -> None:
        self._door = settings

    def answer(
        self, client: Client, kind: ResourceType, names: frozenset[str] | None, catalog: Catalog
    ) -> Answer:
        """The named resources; all of the type for None. Names that mean nothing are left out."""
        wanted = self._all(client, kind) if names is None else names
        found = [self._find(client, kind, name, catalog) for name in sorted(wanted)]
        resources = tuple(resource for resource in found if resource is not None)
        digest = hashlib.sha256(json.dumps(resources, sort_keys=True).encode())
        return Answer(digest.hexdigest()[:16], resources)

    def _all(self, client: Client, kind: ResourceType) -> set[str]:
        if not client.is_envoy:
            return {name for name, protocol in PROTOCOLS.items() if protocol == GRPC}
        if kind is ResourceType.LISTENER:
            return {door.LISTENER_NAME}
        if kind is ResourceType.ROUTES:
            return {door.ROUTES_NAME}
        return {
            *PROTOCOLS,
            *([door.OTLP_CLUSTER] if kind is ResourceType.CLUSTER and self._door.otlp_endpoint else []),
        }

    def _find(self, client: Client, kind: ResourceType, name: str, catalog: Catalog) -> Json | None:
        if client.is_envoy:
            return self._for_envoy(kind, name, catalog, client.host_id)
        return _for_channel(kind, name, catalog) if PROTOCOLS.get(name) == GRPC else None

    def _for_envoy(self, kind: ResourceType, name: str, catalog: Catalog, host_id: str) -> Json | None:
        match kind:
            case ResourceType.LISTENER if name == door.LISTENER_NAME:
                return door.listener(self._door)
            case ResourceType.ROUTES if name == door.ROUTES_NAME:
                return routes.route_configuration(self._door)
            case ResourceType.CLUSTER if name == door.OTLP_CLUSTER and self._door.otlp_endpoint:
                return clusters.otlp_cluster(self._door)
            case ResourceType.CLUSTER if name in PROTOCOLS:
                return clusters.envoy_cluster(name, self._door)
            case ResourceType.ENDPOINTS if name in PROTOCOLS:
                return clusters.load_assignment(name, catalog, host_id)
        return None


def _for_channel(kind: ResourceType, service: str, catalog: Catalog) -> Json:
    """What gRPC's own xDS client needs for `xds:///<service>`: everything is named like the service."""
    match kind:
        case ResourceType.LISTENER:
            return {"name": service, "api_listener": {"api_listener": _channel_manager(service)}}
        case ResourceType.ROUTES:
            route = {"match": {"prefix": ""}, "route": {"cluster": service}}
            return {
                "name": service,
                "virtual_hosts": [{"name": service, "domains": ["*"], "routes": [route]}],
            }
        case ResourceType.CLUSTER:
            return clusters.proxyless_cluster(service)
        case ResourceType.ENDPOINTS:
            return clusters.load_assignment(service, catalog, host_id="")


def _channel_manager(service: str) -> Json:
    router = {"@type": TYPES + "extensions.filters.http.router.v3.Router"}
    return {
        "@type": TYPES + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": service,
        "rds": {"route_config_name": service, "config_source": ADS},
        "http_filters": [{"name": "router", "typed_config": router}],
    }
