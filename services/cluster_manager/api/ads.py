"""The aggregated discovery service: one stream for each Envoy and each gRPC client process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog

# Imported for their side effect: the JSON form of `Any` needs the types it names to be known.
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.config.trace.v3 import opentelemetry_pb2 as _opentelemetry
from envoy.extensions.access_loggers.file.v3 import file_pb2 as _file
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as _manager,
)
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2 as _mutation
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2 as _previous_hosts
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as _tls
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as _protocol_options
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from runtime.errors import Unavailable
from services.cluster_manager.domain.catalog import CatalogSource
from services.cluster_manager.domain.resources import Client, Resources, ResourceType
from services.cluster_manager.domain.subscription import Request, Response, Stream
from services.cluster_manager.metrics import XDS_ANSWERS, XDS_CLIENTS, XDS_REFUSALS

log = structlog.get_logger(__name__)

NAMED_BY_TYPE = (
    _opentelemetry, _file, _router, _manager, _mutation, _previous_hosts, _tls, _protocol_options,
)  # fmt: skip
MESSAGES: dict[ResourceType, type[Message]] = {
    ResourceType.CLUSTER: cluster_pb2.Cluster,
    ResourceType.ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    ResourceType.LISTENER: listener_pb2.Listener,
    ResourceType.ROUTES: route_pb2.RouteConfiguration,
}


class AdsServicer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # xds-protos: no types
    """Decode, ask the domain's `Stream`, encode.

    A part of the process, too: its `stop` ends the streams, which otherwise never end, so that the server
    need not wait for them and clients go to another instance.
    """

    def __init__(self, resources: Resources, source: CatalogSource) -> None:
        self._resources = resources
        self._source = source
        self._open: set[asyncio.Event] = set()
        self._is_stopping = False

    async def start(self) -> None:
        """Serves as soon as the server does."""

    async def stop(self) -> None:
        self._is_stopping = True
        for awake in self._open:
            awake.set()

    async def StreamAggregatedResources(
        self, request_iterator: AsyncIterator[Any], context: object
    ) -> AsyncIterator[Any]:
        """State-of-the-world discovery: sends whenever the answer to what was asked has changed."""
        first = await anext(aiter(request_iterator), None)
        if first is None:
            return
        if self._is_stopping:
            raise Unavailable("this instance stops")
        client = client_of(first.node)
        stream = Stream(client, self._resources)
        awake = asyncio.Event()
        reader = asyncio.create_task(_read(first, request_iterator, stream, awake))
        end_subscription = self._source.subscribe(awake.set)
        self._open.add(awake)
        XDS_CLIENTS.inc()
        log.info("xds_client_came", node=client.node_id, is_envoy=client.is_envoy)
        try:
            while not (reader.done() or self._is_stopping):
                await awake.wait()
                awake.clear()
                for response in stream.due(self._source.catalog):
                    XDS_ANSWERS.labels(response.kind.name.lower()).inc()
                    yield encode(response)
        finally:
            self._open.discard(awake)
            XDS_CLIENTS.dec()
            end_subscription()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            log.info("xds_client_left", node=client.node_id)


async def _read(first: Any, rest: AsyncIterator[Any], stream: Stream, awake: asyncio.Event) -> None:
    """Take in what the client says until it leaves. Nothing is queued: `Stream` keeps the newest state."""
    try:
        _hear(first, stream)
        awake.set()
        async for message in rest:
            _hear(message, stream)
            awake.set()
    finally:
        awake.set()


def _hear(message: Any, stream: Stream) -> None:
    if message.type_url not in set(ResourceType):
        log.warning("xds_type_unknown", node=stream.client.node_id, type_url=message.type_url)
        return
    request = Request(
        kind=ResourceType(message.type_url),
        names=frozenset(message.resource_names),
        nonce=message.response_nonce,
        error=message.error_detail.message,
    )
    if message.error_detail.code or request.error:
        XDS_REFUSALS.labels(request.kind.name.lower()).inc()
        log.error("xds_refused", node=stream.client.node_id, type_url=message.type_url, error=request.error)
    stream.hear(request)


def client_of(node: Any) -> Client:
    """Who is at the other end. Envoy names itself; its bootstrap says on which host it runs."""
    return Client(
        node_id=node.id,
        is_envoy=node.user_agent_name == "envoy",
        host_id=node.metadata.fields["host_id"].string_value if "host_id" in node.metadata.fields else "",
    )


def encode(response: Response) -> Any:
    """The domain's plain data as Envoy's protos."""
    message = discovery_pb2.DiscoveryResponse(
        version_info=response.answer.version, type_url=response.kind.value, nonce=response.nonce
    )
    for resource in response.answer.resources:
        message.resources.add().Pack(json_format.ParseDict(resource, MESSAGES[response.kind]()))
    return message
