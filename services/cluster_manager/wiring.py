"""Puts cluster_manager together."""

from __future__ import annotations

from collections.abc import Sequence

from envoy.service.discovery.v3 import ads_pb2_grpc
from isthmus.cluster_manager.v1 import cluster_pb2_grpc

from runtime.auth import ClusterKey
from runtime.config import BadSettings, ProviderFile
from runtime.discovery import Registrar, Registration, process_meta
from runtime.leadership import Leadership
from runtime.process import Part
from runtime.rpc.channel import open_channel
from runtime.rpc.server import RpcServer
from runtime.version import VERSION
from services.cluster_manager.api.ads import AdsServicer
from services.cluster_manager.api.cluster import ClusterServicer
from services.cluster_manager.config import Settings
from services.cluster_manager.domain.cluster import Cluster
from services.cluster_manager.domain.door import Door
from services.cluster_manager.domain.resources import Resources
from services.cluster_manager.store.consul import ConsulCatalog, ConsulRegister
from services.cluster_manager.workers.zone_heartbeat import ZoneHeartbeat

# Envoy and gRPC's own xDS client can show no identity; what they learn is where members listen.
OPEN_SERVICES = ("envoy.service.discovery.v3.AggregatedDiscoveryService",)


async def build(settings: Settings) -> Sequence[Part]:
    """The parts in the order of starting. Raises BadSettings."""
    catalog = ConsulCatalog(settings.consul)
    register = ConsulRegister(settings.consul)
    ads = AdsServicer(Resources(_door(settings)), catalog)
    server = RpcServer(settings, ClusterKey.load(settings.cluster_key_file), open_services=OPEN_SERVICES)
    server.add(ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server, ads)
    server.add(
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server,
        ClusterServicer(
            Cluster(catalog, register), provider_id=lambda: _provider_id(settings), version=VERSION
        ),
    )
    return [
        catalog,
        register,
        server,
        ads,
        *_heartbeat(settings),
        Registrar(settings.consul, lambda: [_registration(settings, server.port)]),
    ]


def _door(settings: Settings) -> Door:
    return Door(
        https_port=settings.envoy_https_port,
        listen_host=settings.envoy_listen_host,
        tls_cert_file=settings.tls_cert_file,
        tls_key_file=settings.tls_key_file,
        stream_idle_timeout_s=settings.stream_idle_timeout_s,
        upstream_check_interval_s=settings.upstream_check_interval_s,
        gateway_silence_s=settings.gateway_silence_s,
        data_port_silence_s=settings.data_port_silence_s,
        access_log_file=settings.access_log_file,
        access_log_percent=settings.access_log_percent,
        serves_zone=settings.serves_zone,
        otlp_endpoint=settings.otlp_endpoint,
        otlp_ca_file=settings.otlp_ca_file,
        trace_percent=settings.trace_sample_ratio * 100,
    )


def _heartbeat(settings: Settings) -> Sequence[Part]:
    if settings.provider_file is None:
        return []
    leadership = Leadership(settings.consul, "zone_heartbeat", settings.instance_id)
    heartbeat = ZoneHeartbeat(
        open_channel(settings.zone_grpc_target),
        settings.provider_file,
        leadership,
        interval_s=settings.zone_report_interval_s,
    )
    return [leadership, heartbeat]


def _provider_id(settings: Settings) -> str:
    """Empty until the provider has been registered with its zone."""
    try:
        return ProviderFile.load(settings.provider_file).provider_id if settings.provider_file else ""
    except BadSettings:
        return ""


def _registration(settings: Settings, port: int) -> Registration:
    return Registration(
        service=settings.service_name,
        instance_id=settings.instance_id,
        host=settings.advertise_host,
        port=port,
        alive_port=max(0, settings.metrics_port),
        meta=process_meta(settings.host_id, protocol="grpc"),
    )
