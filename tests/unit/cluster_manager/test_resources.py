"""What each kind of client is told about the members."""

from __future__ import annotations

from typing import Any

import pytest

from services.cluster_manager.domain.catalog import PROTOCOLS, Catalog, Endpoint
from services.cluster_manager.domain.clusters import otlp_cluster
from services.cluster_manager.domain.door import Door, listener
from services.cluster_manager.domain.resources import Client, Resources, ResourceType
from services.cluster_manager.domain.routes import route_configuration
from tests.support.doors import door, endpoint

ENVOY = Client("envoy-1", is_envoy=True, host_id="h1")
CHANNEL = Client("gateway-1")


def lb_endpoints(client: Client, service: str, *members: Endpoint) -> list[dict[str, Any]]:
    answer = Resources(door()).answer(
        client, ResourceType.ENDPOINTS, frozenset({service}), Catalog.of(members)
    )
    localities = answer.resources[0]["endpoints"]
    return list(localities[0]["lb_endpoints"]) if localities else []


def test_socket_on_the_same_host_is_preferred() -> None:
    near = endpoint("data_port", 1, uds="/run/d.sock", host_id="h1")
    assert lb_endpoints(ENVOY, "data_port", near)[0]["endpoint"]["address"] == {
        "pipe": {"path": "/run/d.sock"}
    }


@pytest.mark.parametrize(
    "far",
    [
        endpoint("data_port", 1, uds="/run/d.sock", host_id="h2"),
        endpoint("data_port", 1, uds="/run/d.sock"),
        endpoint("data_port", 1, host_id="h1"),
    ],
)
def test_other_members_are_reached_by_port(far: Endpoint) -> None:
    address = lb_endpoints(ENVOY, "data_port", far)[0]["endpoint"]["address"]
    assert address == {"socket_address": {"address": "10.0.0.1", "port_value": 1}}


def test_grpc_channels_never_get_sockets() -> None:
    near = endpoint("metadata", 1, uds="/run/m.sock", host_id="")
    assert "socket_address" in lb_endpoints(CHANNEL, "metadata", near)[0]["endpoint"]["address"]


def test_unhealthy_members_are_named_as_such() -> None:
    sick, well = endpoint("gateway", 1, is_healthy=False), endpoint("gateway", 2)
    told = [each["health_status"] for each in lb_endpoints(ENVOY, "gateway", sick, well)]
    assert told == ["UNHEALTHY", "HEALTHY"]


def test_when_nobody_is_well_all_are_worth_a_try() -> None:
    sick = [endpoint("zone", port, is_healthy=False) for port in (1, 2)]
    told = [each["health_status"] for each in lb_endpoints(CHANNEL, "zone", *sick)]
    assert told == ["HEALTHY", "HEALTHY"]


def test_service_without_members_has_no_endpoints() -> None:
    assert lb_endpoints(ENVOY, "gateway") == []


def test_envoy_gets_the_door_and_all_clusters() -> None:
    resources = Resources(door())
    listeners = resources.answer(ENVOY, ResourceType.LISTENER, None, Catalog())
    clusters = resources.answer(ENVOY, ResourceType.CLUSTER, None, Catalog())
    assert [each["name"] for each in listeners.resources] == ["front_door"]
    assert [each["name"] for each in clusters.resources] == sorted(PROTOCOLS)


def test_channel_gets_its_service_by_name() -> None:
    resources = Resources(door())
    for kind in (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.CLUSTER):
        answer = resources.answer(CHANNEL, kind, frozenset({"metadata"}), Catalog())
        assert [each["name"] for each in answer.resources] == ["metadata"]


def test_channels_do_not_see_http_services() -> None:
    answer = Resources(door()).answer(CHANNEL, ResourceType.LISTENER, frozenset({"gateway"}), Catalog())
    assert answer.resources == ()


def test_equal_views_have_equal_versions() -> None:
    one, two = endpoint("gateway", 1), endpoint("gateway", 2)
    ask = (ENVOY, ResourceType.ENDPOINTS, frozenset({"gateway"}))
    here = Resources(door()).answer(*ask, Catalog.of([one, two]))
    there = Resources(door()).answer(*ask, Catalog.of([two, one]))
    fewer = Resources(door()).answer(*ask, Catalog.of([two]))
    assert here.version == there.version != fewer.version


def test_strangers_in_the_register_are_left_out() -> None:
    assert Catalog.of([endpoint("postgres", 1)]) == Catalog()


def test_provider_without_a_zone_has_no_zone_routes() -> None:
    answer = Resources(door(serves_zone=False)).answer(
        ENVOY, ResourceType.ROUTES, frozenset({"front_door"}), Catalog()
    )
    routes = answer.resources[0]["virtual_hosts"][0]["routes"]
    targets = {each["route"]["cluster"] for each in routes if "route" in each}
    assert "zone_rest" not in targets


def test_traces_need_a_collector() -> None:
    def names(settings: Door) -> list[str]:
        answer = Resources(settings).answer(ENVOY, ResourceType.CLUSTER, None, Catalog())
        return [each["name"] for each in answer.resources]

    assert "otlp" not in names(door())
    assert "otlp" in names(door(otlp_endpoint="http://collector:4318"))


def test_envoy_sends_spans_where_services_do() -> None:
    """OTLP over HTTP, under the path that `runtime.otlp` uses."""
    settings = door(otlp_endpoint="http://collector:4318/otel/")
    filter = listener(settings)["filter_chains"][0]["filters"][0]["typed_config"]
    told = filter["tracing"]["provider"]["typed_config"]["http_service"]["http_uri"]
    assert (told["uri"], told["cluster"]) == ("http://collector:4318/otel/v1/traces", "otlp")


@pytest.mark.parametrize(
    ("url", "port", "is_tls"),
    [("http://c:4318", 4318, False), ("http://c", 80, False), ("https://c", 443, True)],
)
def test_collectors_are_reached_as_their_url_says(url: str, port: int, is_tls: bool) -> None:
    cluster = otlp_cluster(door(otlp_endpoint=url))
    address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address["socket_address"]["port_value"] == port
    assert ("transport_socket" in cluster) == is_tls


def test_traces_are_off_unless_asked_for() -> None:
    assert "tracing" not in listener(door())["filter_chains"][0]["filters"][0]["typed_config"]


def test_a_stream_of_changes_may_be_silent_for_ever() -> None:
    [host] = route_configuration(door())["virtual_hosts"]
    streams = [route for route in host["routes"] if "/changes/" in route["match"].get("prefix", "")]
    assert [route["route"]["idle_timeout"] for route in streams] == ["0s"]
    assert all("retry_policy" not in route["route"] for route in streams)
    assert "per_try_idle_timeout" not in host["retry_policy"]
    others = [route for route in host["routes"] if route.get("route", {}).get("cluster") == "gateway"]
    assert sum("retry_policy" in route["route"] for route in others) == len(others) - 1
