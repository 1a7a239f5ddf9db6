"""Envoy's routes: which requests go to which service.

Content goes straight to the data port, operators' gRPC to the service it names, the zone's REST to the
zone, all else to the gateway. Paths are matched as bytes, as they came: `\\C` is one byte of any value,
while `.` in RE2 would refuse what is no UTF-8.
"""

from __future__ import annotations

from services.cluster_manager.domain.catalog import GRPC, PROTOCOLS
from services.cluster_manager.domain.door import ROUTES_NAME, Door, Json

# Nobody outside may say who he is, nor what only services ask of each other.
INTERNAL_HEADERS = (
    "isthmus-identity",
    "isthmus-identity-bin",
    "isthmus-copy-of",
    "isthmus-mode",
    "isthmus-parts",
    "isthmus-ranges",
)
RETRIES = 3
# How often an instance is chosen anew when the one chosen has just failed. An instance that died has the
# fewest requests, and so is chosen three times in four until it is ejected: with few tries a request could
# meet it at each of its retries.
HOST_SELECTIONS = 64
# What is kept of a body so that it can be sent again. More would be copied for nothing: a larger body
# is rarely all here when its upstream breaks.
RETRY_BUFFER_BYTES = 1 << 20
DATA = r"/api/v3/oneprovider/data/[^/]+"
CDMI_VERSION = "x-cdmi-specification-version"
#: Of HTTP itself (RFC 9110 and PATCH). No server behind the door even parses what is none of HTTP at all.
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")


def route_configuration(door: Door) -> Json:
    """All routes, the first that matches wins."""
    routes = [
        *_zone_routes(),
        *_silent_routes(),
        *_content_routes(),
        *_cdmi_routes(),
        _to("gateway", {"prefix": "/"}),
    ]
    wanted = [route for route in routes if door.serves_zone or route["route"]["cluster"] != "zone_rest"]
    for route in wanted:
        if "idle_timeout" in route["route"]:
            continue
        silence_s = (
            door.data_port_silence_s if route["route"]["cluster"] == "data_port" else door.gateway_silence_s
        )
        route["route"]["retry_policy"] = _retry_policy() | {"per_try_idle_timeout": f"{silence_s:g}s"}
    host = {
        "name": "all",
        "domains": ["*"],
        "request_headers_to_remove": list(INTERNAL_HEADERS),
        "request_headers_to_add": [_client_address(), _protocol()],
        "request_body_buffer_limit": RETRY_BUFFER_BYTES,
        "retry_policy": _retry_policy(),
        # A stream of gRPC may be silent for as long as it likes, so these have the retry policy above.
        "routes": [*_grpc_routes(), _unknown_methods(), *wanted],
    }
    return {"name": ROUTES_NAME, "virtual_hosts": [host]}


def _client_address() -> Json:
    """One address, which Envoy saw itself, instead of a list that began wherever the client liked. (For
    clients on its own host Envoy would even append its host's address in place of theirs.)"""
    return {
        "header": {"key": "x-forwarded-for", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _protocol() -> Json:
    """Which HTTP the client speaks: a refusal has to wait for the rest of a body over some of them only."""
    return {
        "header": {"key": "x-isthmus-protocol", "value": "%PROTOCOL%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _retry_policy() -> Json:
    """Also after the request was sent: every change is remembered under its request id, so a repeat of
    one that was done answers as the first time did."""
    previous_hosts = {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    }
    return {
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": RETRIES,
        "retry_host_predicate": [{"name": "previous_hosts", "typed_config": previous_hosts}],
        "host_selection_retry_max_attempts": HOST_SELECTIONS,
        "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.200s"},
    }


def _grpc_routes() -> list[Json]:
    services = [name for name, protocol in sorted(PROTOCOLS.items()) if protocol == GRPC]
    own = [_to(name, {"prefix": f"/isthmus.{name}.v1.", "grpc": {}}) for name in services]
    # Every server has reflection and health under the same names: the header says whose are meant.
    shared = [
        _to(name, {"prefix": prefix, "grpc": {}, "headers": [_is("x-isthmus-service", name)]})
        for prefix in ("/grpc.reflection.", "/grpc.health.")
        for name in services
    ]
    return own + shared


def _zone_routes() -> list[Json]:
    return [_to("zone_rest", {"path_separated_prefix": "/api/v3/onezone"})]


def _silent_routes() -> list[Json]:
    """Answers that are silent for as long as nothing happens: no silence of theirs means a dead upstream."""
    route = _to("gateway", {"prefix": "/api/v3/oneprovider/changes/"})
    route["route"]["idle_timeout"] = "0s"
    return [route]


def _content_routes() -> list[Json]:
    read_or_write = [_method("GET", "HEAD", "PUT")]
    return [
        _to("data_port", {"safe_regex": {"regex": rf"{DATA}/content"}, "headers": read_or_write}),
        _to("data_port", {"safe_regex": {"regex": rf"{DATA}/path(/\C*)?"}, "headers": read_or_write}),
        _to("data_port", {"safe_regex": {"regex": rf"{DATA}/children"}, "headers": [_method("POST")]}),
        _to("data_port", {"prefix": "/ticket/"}),
        _to("data_port", {"prefix": "/download/"}),
    ]


def _unknown_methods() -> Json:
    """CDMI answers 501 to methods that are none of HTTP's."""
    return {
        "match": {"prefix": "/cdmi/", "headers": [_method(*METHODS) | {"invert_match": True}]},
        "direct_response": {"status": 501},
        "response_headers_to_add": [{"header": {"key": "access-control-allow-origin", "value": "*"}}],
    }


def _cdmi_routes() -> list[Json]:
    """Plain HTTP on data objects is the data port's; containers, capabilities and CDMI are not."""
    no_version = {"name": CDMI_VERSION, "present_match": True, "invert_match": True}
    accepts_other = [
        {"name": "accept", "present_match": True},
        {"name": "accept", "string_match": {"contains": "cdmi", "ignore_case": True}, "invert_match": True},
        {"name": "accept", "string_match": {"contains": "*"}, "invert_match": True},
        {
            "name": "accept",
            "string_match": {"contains": "multipart/mixed", "ignore_case": True},
            "invert_match": True,
        },
    ]
    parts = {"name": "content-type", "string_match": {"prefix": "multipart/mixed", "ignore_case": True}}
    in_parts = [{"name": CDMI_VERSION, "present_match": True}, parts]
    plain_body = {
        "name": "content-type",
        "string_match": {"prefix": "application/cdmi-", "ignore_case": True},
        "treat_missing_header_as_empty": True,
        "invert_match": True,
    }
    read = _method("GET", "HEAD")
    return [
        _to("gateway", {"safe_regex": {"regex": r"/cdmi/cdmi_capabilities(/\C*)?"}}),
        _to("gateway", {"prefix": "/cdmi/", "headers": [_method("PUT", "POST"), *in_parts]}),
        _to("data_port", {"safe_regex": {"regex": r"/cdmi/\C+/"}, "headers": [_method("POST"), plain_body]}),
        _to("gateway", {"safe_regex": {"regex": r"/cdmi(/\C*)?/"}}),
        _to("data_port", {"prefix": "/cdmi/", "headers": [read, no_version]}),
        _to("data_port", {"prefix": "/cdmi/", "headers": [read, *accepts_other]}),
        _to("data_port", {"prefix": "/cdmi/", "headers": [_method("PUT"), plain_body]}),
    ]


def _to(cluster: str, match: Json) -> Json:
    return {"match": match, "route": {"cluster": cluster, "timeout": "0s"}}


def _is(header: str, value: str) -> Json:
    return {"name": header, "string_match": {"exact": value}}


def _method(*names: str) -> Json:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(names)}}}
