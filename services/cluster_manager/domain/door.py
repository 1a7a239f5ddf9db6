"""Envoy's listener: the one HTTPS port for everything.

All functions return the JSON form of Envoy's protos. The front door must not touch what clients send:
no path is normalised, no body limited or timed, no answer compressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy."
LISTENER_NAME = "front_door"
ROUTES_NAME = "front_door"
OTLP_CLUSTER = "otlp"
ADS: Json = {"ads": {}, "resource_api_version": "V3"}
BUFFER_LIMIT_BYTES = 4 << 20  # measured: 1 MiB costs 3 % and 16 MiB 25 % of throughput
MAX_HEADERS_KB = 96  # a macaroon with many caveats, CDMI metadata
HTTP2_STREAM_WINDOW_BYTES = 1 << 20
HTTP2_CONNECTION_WINDOW_BYTES = 4 << 20
MAX_HTTP2_STREAMS = 1024

UNAVAILABLE_BODY: Json = {
    "error": {"id": "serviceUnavailable", "description": "The service is not available at the moment."}
}


@dataclass(frozen=True)
class Door:
    """What a site chooses about its front door. Times in seconds; files and hosts as Envoy sees them."""

    https_port: int
    listen_host: str
    tls_cert_file: str
    tls_key_file: str
    stream_idle_timeout_s: float
    upstream_check_interval_s: float
    gateway_silence_s: float
    data_port_silence_s: float
    access_log_file: str
    access_log_percent: float
    serves_zone: bool
    #: Base URL of the trace collector, OTLP over HTTP; empty: no tracing. The CA file is for `https` only.
    otlp_endpoint: str = ""
    otlp_ca_file: str = ""
    trace_percent: float = 100.0


def listener(door: Door) -> Json:
    """The listener Envoy gets when it asks for all of them."""
    return {
        "name": LISTENER_NAME,
        "address": {"socket_address": {"address": door.listen_host, "port_value": door.https_port}},
        "per_connection_buffer_limit_bytes": BUFFER_LIMIT_BYTES,
        "tcp_backlog_size": 4096,
        "filter_chains": [
            {
                "transport_socket": _tls(door),
                "transport_socket_connect_timeout": "15s",
                "filters": [{"name": "http", "typed_config": _connection_manager(door)}],
            }
        ],
    }


def _tls(door: Door) -> Json:
    certificate = {
        "certificate_chain": {"filename": door.tls_cert_file},
        "private_key": {"filename": door.tls_key_file},
    }
    context = {
        "@type": TYPES + "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificates": [certificate],
        },
    }
    return {"name": "tls", "typed_config": context}


def _connection_manager(door: Door) -> Json:
    manager: Json = {
        "@type": TYPES + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front_door",
        "rds": {"route_config_name": ROUTES_NAME, "config_source": ADS},
        "http_filters": [_router()],
        "access_log": [_access_log(door)],
        "local_reply_config": _local_replies(),
    }
    return manager | _untouched() | _identity() | _limits(door) | _tracing(door)


def _untouched() -> Json:
    """What keeps requests as the client sent them."""
    return {
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        # 100 Continue comes from the service, so a refused upload sends no body.
        "proxy_100_continue": True,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": {
            "accept_http_10": True,
            "default_host_for_http_10": "localhost",
            # CDMI says what becomes of methods that nobody knows.
            "allow_custom_methods": True,
        },
    }


def _identity() -> Json:
    """Who asks, and under which request id.

    Retries are safe because a request id names one request of one client. So the id is always Envoy's
    own: one that a client sends is dropped before Envoy would adopt it, and nobody is "internal".
    """
    drop = {
        "@type": TYPES + "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": [
            {"remove": "x-request-id"},
            # Orders to Envoy (time-outs, retries), which it would take from a client on its own host.
            {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}},
        ],
    }
    return {
        "use_remote_address": True,
        "internal_address_config": {},
        "generate_request_id": True,
        "early_header_mutation_extensions": [{"name": "nothing_from_outside", "typed_config": drop}],
        "always_set_request_id_in_response": True,
    }


def _limits(door: Door) -> Json:
    return {
        "max_request_headers_kb": MAX_HEADERS_KB,
        "request_headers_timeout": "60s",
        "request_timeout": "0s",
        "stream_idle_timeout": f"{door.stream_idle_timeout_s:g}s",
        "drain_timeout": "2s",
        # Time for a client to read a refusal while it still sends the body.
        "delayed_close_timeout": "2s",
        "common_http_protocol_options": {"idle_timeout": "600s", "headers_with_underscores_action": "ALLOW"},
        "http2_protocol_options": {
            "max_concurrent_streams": MAX_HTTP2_STREAMS,
            "initial_stream_window_size": HTTP2_STREAM_WINDOW_BYTES,
            "initial_connection_window_size": HTTP2_CONNECTION_WINDOW_BYTES,
        },
    }


def _router() -> Json:
    config = {
        "@type": TYPES + "extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
    }
    return {"name": "router", "typed_config": config}


def _local_replies() -> Json:
    """Envoy's own 503 and 504 look like everybody's: the error envelope of the REST API."""
    no_upstream = {"response_flag_filter": {"flags": ["UH", "UF", "UC", "UO", "URX", "LR", "NC", "UT", "SI"]}}
    as_envelope = {
        "filter": no_upstream,
        "status_code": 503,
        "body_format_override": {"json_format": UNAVAILABLE_BODY, "content_type": "application/json"},
    }
    return {"mappers": [as_envelope]}


def _access_log(door: Door) -> Json:
    """One JSON line for a sample of requests and for every server error; never a query or a ticket."""
    log = {
        "@type": TYPES + "extensions.access_loggers.file.v3.FileAccessLog",
        "path": door.access_log_file,
        "log_format": {
            "json_format": {
                "time": "%START_TIME%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                "method": "%REQ(:METHOD)%",
                "path": "%PATH(NQ:PATH)%",
                "protocol": "%PROTOCOL%",
                "status": "%RESPONSE_CODE%",
                "flags": "%RESPONSE_FLAGS%",
                "bytes_in": "%BYTES_RECEIVED%",
                "bytes_out": "%BYTES_SENT%",
                "duration_ms": "%DURATION%",
                "upstream": "%UPSTREAM_HOST%",
                "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            },
        },
    }
    failed = {
        "status_code_filter": {
            "comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "log.min_status"}}
        }
    }
    sampled = {
        "runtime_filter": {
            "runtime_key": "log.sampled",
            "percent_sampled": {
                "numerator": round(door.access_log_percent * 10_000),
                "denominator": "MILLION",
            },
        }
    }
    # A ticket in a path is a key to a file while it lives.
    no_ticket = {
        "header_filter": {
            "header": {"name": ":path", "string_match": {"prefix": "/ticket/"}, "invert_match": True}
        }
    }
    wanted = {"and_filter": {"filters": [no_ticket, {"or_filter": {"filters": [failed, sampled]}}]}}
    return {"name": "file", "filter": wanted, "typed_config": log}


def _tracing(door: Door) -> Json:
    """Envoy begins the trace of a request, and decides for all behind it whether it is recorded. Its spans go
    where those of the services go, and by the same protocol."""
    if not door.otlp_endpoint:
        return {}
    uri = f"{door.otlp_endpoint.rstrip('/')}/v1/traces"
    provider = {
        "@type": TYPES + "config.trace.v3.OpenTelemetryConfig",
        "http_service": {"http_uri": {"uri": uri, "cluster": OTLP_CLUSTER, "timeout": "2s"}},
        "service_name": "envoy",
    }
    return {
        "tracing": {
            "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
            "random_sampling": {"value": door.trace_percent},
        }
    }
