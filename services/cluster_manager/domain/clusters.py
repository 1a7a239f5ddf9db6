"""Clusters and endpoints: what Envoy and gRPC clients learn about one service."""

from __future__ import annotations

from urllib.parse import urlsplit

from services.cluster_manager.domain.catalog import GRPC, HTTP, PROTOCOLS, Catalog, Endpoint
from services.cluster_manager.domain.door import ADS, BUFFER_LIMIT_BYTES, OTLP_CLUSTER, TYPES, Door, Json

PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_TIMEOUT = "0.5s"
NO_LIMIT = 1_000_000  # Envoy's default of 1,024 requests is below a busy site
MAX_RETRIES_AT_ONCE = 1024
# Shorter than the keep-alive of uvicorn (5 s): the side that sends closes first, so no request is
# written into a connection that is just being closed.
HTTP_IDLE_TIMEOUT = "4s"
GRPC_IDLE_TIMEOUT = "300s"


def envoy_cluster(name: str, door: Door) -> Json:
    """A service as Envoy reaches it."""
    return _cluster(name) | {
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": BUFFER_LIMIT_BYTES,
        "typed_extension_protocol_options": {PROTOCOL_OPTIONS: _protocol_options(PROTOCOLS[name])},
        "outlier_detection": _outliers(),
        "health_checks": [_liveness(name, door.upstream_check_interval_s)],
        "ignore_health_on_host_removal": True,
        # Without any healthy endpoint try them all: Consul may be wrong when a machine is overloaded.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1.0}},
    }


def proxyless_cluster(name: str) -> Json:
    """A service as `xds:///<name>` reaches it. gRPC reads only a part of a cluster."""
    return _cluster(name) | {"lb_policy": "ROUND_ROBIN"}


def otlp_cluster(door: Door) -> Json:
    """The trace collector, when the site has one. Ports by default are those of the URL's scheme."""
    url = urlsplit(door.otlp_endpoint)
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    address = {"socket_address": {"address": url.hostname or "", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    cluster: Json = {
        "name": OTLP_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": CONNECT_TIMEOUT,
        "typed_extension_protocol_options": {PROTOCOL_OPTIONS: _protocol_options(HTTP)},
        "load_assignment": {"cluster_name": OTLP_CLUSTER, "endpoints": endpoints},
    }
    if is_tls:
        cluster["transport_socket"] = _verified_tls(url.hostname or "", door.otlp_ca_file)
    return cluster


def _verified_tls(host: str, ca_file: str) -> Json:
    name = {"san_type": "DNS", "matcher": {"exact": host}}
    trust = {"trusted_ca": {"filename": ca_file}, "match_typed_subject_alt_names": [name]}
    context = {
        "@type": TYPES + "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": host,
        "common_tls_context": {"validation_context": trust},
    }
    return {"name": "tls", "typed_config": context}


def load_assignment(name: str, catalog: Catalog, host_id: str) -> Json:
    """Endpoints of a service for a client on `host_id` (empty: one that cannot use Unix sockets).

    An unhealthy endpoint is named too, as such. When none is healthy, all are called healthy: on an
    overloaded machine the checks fail first, and gRPC's channels, unlike Envoy, try none that is called sick.
    """
    known = catalog.service(name)
    nobody_is_well = not any(endpoint.is_healthy for endpoint in known)
    endpoints = [
        _lb_endpoint(endpoint, host_id, is_healthy=endpoint.is_healthy or nobody_is_well)
        for endpoint in known
    ]
    locality = {
        "locality": {"region": "local"},
        "load_balancing_weight": 1,
        "lb_endpoints": endpoints,
    }
    # gRPC refuses a locality without endpoints.
    return {"cluster_name": name, "endpoints": [locality] if endpoints else []}


def _lb_endpoint(endpoint: Endpoint, host_id: str, *, is_healthy: bool) -> Json:
    address: Json = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
    if endpoint.uds and endpoint.host_id and endpoint.host_id == host_id:
        address = {"pipe": {"path": endpoint.uds}}
    return {
        "endpoint": {"address": address},
        "health_status": "HEALTHY" if is_healthy else "UNHEALTHY",
        "load_balancing_weight": 1,
    }


def _cluster(name: str) -> Json:
    no_limits = {
        "max_connections": NO_LIMIT,
        "max_pending_requests": NO_LIMIT,
        "max_requests": NO_LIMIT,
        "max_retries": MAX_RETRIES_AT_ONCE,
    }
    return {
        "name": name,
        "type": "EDS",
        "connect_timeout": CONNECT_TIMEOUT,
        "eds_cluster_config": {"eds_config": ADS, "service_name": name},
        "circuit_breakers": {"thresholds": [no_limits]},
    }


def _protocol_options(protocol: str) -> Json:
    is_grpc = protocol == GRPC
    explicit: Json = {"http2_protocol_options": {}} if is_grpc else {"http_protocol_options": {}}
    return {
        "@type": f"type.googleapis.com/{PROTOCOL_OPTIONS}",
        "explicit_http_config": explicit,
        "common_http_protocol_options": {"idle_timeout": GRPC_IDLE_TIMEOUT if is_grpc else HTTP_IDLE_TIMEOUT},
    }


def _outliers() -> Json:
    """Only failures to reach an instance count: a 503 because MongoDB is away is no fault of its own."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 2,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "10s",
        "max_ejection_percent": 100,
    }


def _liveness(name: str, interval_s: float) -> Json:
    """Does it answer at all? Envoy finds out by itself, so a hung instance is left also while Consul is away.

    Any answer will do: whether the instance should get requests is decided by its checks in Consul.
    """
    check: Json = {
        "timeout": f"{2 * interval_s:g}s",
        "interval": f"{interval_s:g}s",
        "no_traffic_interval": f"{5 * interval_s:g}s",
        "unhealthy_threshold": 3,
        "healthy_threshold": 1,
    }
    if PROTOCOLS[name] == GRPC:
        return check | {"grpc_health_check": {}}
    any_answer = [{"start": 200, "end": 600}]
    return check | {"http_health_check": {"path": "/healthz", "expected_statuses": any_answer}}
