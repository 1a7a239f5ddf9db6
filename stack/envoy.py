"""Envoy's bootstrap: all it knows of itself is where the control plane is.

Listener, routes, clusters and endpoints come from cluster_manager; see services/cluster_manager/domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CONTROL_PLANE = "control_plane"
MAX_CONNECTIONS = 50_000


def bootstrap(
    *,
    node_id: str,
    host_id: str,
    control_plane: Sequence[tuple[str, int]],
    admin_port: int,
    dns: bool = False,
) -> dict[str, Any]:
    """The bootstrap in JSON form.

    `host_id`: members with the same one are reached by their Unix sockets. `control_plane`: host and port
    of each cluster_manager; with `dns` they are names that may stand for several addresses.
    """
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": {"id": node_id, "cluster": "front_door", "metadata": {"host_id": host_id}},
        "admin": {"address": _address("127.0.0.1", admin_port)},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_PLANE}}],
            },
            "lds_config": ads,
            "cds_config": ads,
        },
        "static_resources": {"clusters": [_control_plane(control_plane, dns=dns)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors"
                        ".downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": MAX_CONNECTIONS,
                    },
                }
            ]
        },
    }


def _control_plane(addresses: Sequence[tuple[str, int]], *, dns: bool) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _address(host, port)}} for host, port in addresses]
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        # A control plane that vanished without a word is noticed, and the next one asked.
        "explicit_http_config": {
            "http2_protocol_options": {"connection_keepalive": {"interval": "15s", "timeout": "3s"}}
        },
    }
    return {
        "name": CONTROL_PLANE,
        "type": "STRICT_DNS" if dns else "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
        },
        "load_assignment": {"cluster_name": CONTROL_PLANE, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
