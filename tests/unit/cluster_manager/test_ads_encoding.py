"""Every resource is one that Envoy's own protos accept."""

from __future__ import annotations

import pytest
from envoy.config.core.v3 import base_pb2

from services.cluster_manager.api.ads import client_of, encode
from services.cluster_manager.domain.catalog import PROTOCOLS, Catalog
from services.cluster_manager.domain.resources import Client, Resources, ResourceType
from services.cluster_manager.domain.subscription import Response
from tests.support.doors import door, endpoint

CATALOG = Catalog.of(endpoint(service, 1, uds="/s", host_id="h") for service in PROTOCOLS)


@pytest.mark.parametrize("kind", list(ResourceType))
@pytest.mark.parametrize("client", [Client("e", is_envoy=True, host_id="h"), Client("c")])
@pytest.mark.parametrize("collector", ["http://collector:4318", "https://collector.example"])
def test_all_resources_can_be_encoded(kind: ResourceType, client: Client, collector: str) -> None:
    resources = Resources(door(otlp_endpoint=collector, otlp_ca_file="/tls/ca.pem"))
    message = encode(Response(kind, "1", resources.answer(client, kind, None, CATALOG)))
    assert message.type_url == kind.value
    assert {each.type_url for each in message.resources} == {kind.value}


def test_envoy_is_known_by_its_own_name() -> None:
    node = base_pb2.Node(id="e", user_agent_name="envoy")
    node.metadata["host_id"] = "h1"
    assert client_of(node) == Client("e", is_envoy=True, host_id="h1")
    assert client_of(base_pb2.Node(id="c")) == Client("c")
