"""Puts the gateway together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from clients.access_counter import AccessCounter
from clients.leases import MetadataLessor
from clients.metadata import MetadataClient
from clients.zone import ProviderCredentials, TokenAuthenticator, ZoneClient
from runtime.auth import ClusterKey
from runtime.breaker import of_watch
from runtime.clock import SystemClock
from runtime.config import BadSettings, ProviderFile
from runtime.discovery import Acquainted, Registrar, Registration, Watch, process_meta
from runtime.http.server import HttpServer
from runtime.process import Part
from runtime.rpc.channel import ChannelPart, open_channel
from runtime.rpc.mux import MuxClient
from runtime.version import ONEDATA_VERSION
from services.gateway import metrics
from services.gateway.api.cdmi.copy_jobs import CopyJobs, CopyOptions
from services.gateway.api.cdmi.described import cdmi_entries
from services.gateway.api.cdmi.digests import Digests
from services.gateway.api.cdmi.duplicates import Duplicates
from services.gateway.api.cdmi.router import CdmiOptions, CdmiRouter
from services.gateway.api.cdmi.serializing import SerialLimits
from services.gateway.api.cdmi.updates import Updates
from services.gateway.api.cdmi.workshops import Workshops
from services.gateway.api.direct import direct_entries
from services.gateway.api.front import Front
from services.gateway.api.gate import Gate
from services.gateway.api.openapi import rest_entries
from services.gateway.api.pages import build_pages
from services.gateway.api.rest.bulk import BulkRoutes
from services.gateway.api.rest.changes import ChangeRoutes
from services.gateway.api.rest.data import DataRoutes
from services.gateway.api.rest.dir_stats import DirStatsRoutes
from services.gateway.api.rest.distribution import DistributionRoutes
from services.gateway.api.rest.listing import ListingRoutes
from services.gateway.api.rest.plain_table import plain_routes
from services.gateway.api.rest.registrations import RegistrationRoutes
from services.gateway.api.rest.router import RestRouter
from services.gateway.api.rest.shares import ShareRoutes
from services.gateway.api.rest.spaces import SpaceRoutes
from services.gateway.api.rest.statistics import StatisticsRoutes
from services.gateway.api.rest.table import rest_routes
from services.gateway.api.rest.tickets import TicketRoutes
from services.gateway.clients.change_heads import ChangeHeads
from services.gateway.clients.data_port import DataPortClient
from services.gateway.clients.own_record import OwnRecord
from services.gateway.clients.principals import ZonePrincipals
from services.gateway.clients.provider_info import ProviderInfo
from services.gateway.clients.space_providers import ZoneSpaceProviders
from services.gateway.clients.spaces import SupportedSpaces
from services.gateway.clients.storages import StorageClient
from services.gateway.clients.tickets import TicketSigner
from services.gateway.config import Settings
from services.gateway.domain.attribute_memory import AttributeMemory
from services.gateway.domain.listing_memory import ListingMemory


async def build(settings: Settings) -> Sequence[Part]:
    """The parts of a gateway in the order of starting. Raises BadSettings."""
    if settings.provider_file is None:
        raise BadSettings("ISTHMUS_PROVIDER_FILE is needed")
    outside = _Outside.connect(settings, settings.provider_file)
    clock = SystemClock()
    accesses = AccessCounter(outside.metadata, clock)
    gate = Gate(
        outside.authenticator,
        SupportedSpaces(outside.metadata, clock),
        accesses,
        provider_id=outside.provider.provider_id,
    )
    heads = ChangeHeads(outside.metadata)
    digests = Digests(outside.metadata, outside.metadata, outside.data_port)
    duplicates = Duplicates(outside.metadata, outside.data_port, Updates(outside.metadata))
    copies = CopyJobs(
        outside.metadata, outside.metadata, duplicates, outside.key, clock, _copy_options(settings)
    )
    remembered = AttributeMemory(MetadataLessor(outside.metadata, secrets.token_hex(8)), clock)
    metrics.REMEMBERED.set_function(lambda: len(remembered))
    metrics.REMEMBERED_BYTES.set_function(lambda: remembered.size_bytes)
    changes = ChangeRoutes(outside.metadata, heads, gate, clock, max_streams=settings.max_change_streams)
    server = HttpServer(
        _application(settings, outside, gate, changes, copies, duplicates, digests, remembered),
        host=settings.listen_host,
        port=settings.http_port,
        uds=settings.gateway_uds,
        max_concurrent_requests=settings.max_concurrent_requests,
        drain_s=settings.drain_s,
    )
    return [
        *outside.parts,
        Acquainted(outside.metadata_watch),
        Acquainted(outside.data_port_watch),
        heads,
        remembered,
        accesses,
        copies,
        digests,
        server,
        # Stopped before the server, which waits for what is under way.
        changes,
        Registrar(settings.consul, lambda: [_registration(settings, server)]),
    ]


@dataclass(frozen=True, slots=True)
class _Outside:
    """Everybody the gateway talks to."""

    key: ClusterKey
    provider: ProviderFile
    metadata_watch: Watch
    data_port_watch: Watch
    mux: MuxClient
    metadata: MetadataClient
    data_port: DataPortClient
    storage_channel: grpc.aio.Channel
    zone_channel: grpc.aio.Channel
    zone: ZoneClient
    own_record: OwnRecord
    zone_wait_s: float
    authenticator: TokenAuthenticator

    @classmethod
    def connect(cls, settings: Settings, provider_file: Path) -> _Outside:
        key = ClusterKey.load(settings.cluster_key_file)
        metadata_watch = Watch(settings.consul, "metadata")
        data_port_watch = Watch(settings.consul, "data_port")
        mux = MuxClient(metadata_watch, key, service=settings.service_name, host_id=settings.host_id)
        # The zone knows us by our provider token, which the authenticator sends itself.
        zone_channel = open_channel(settings.zone_grpc_target, key=None)
        credentials = ProviderCredentials.load(provider_file)
        provider = ProviderFile.load(provider_file)
        zone = ZoneClient(zone_channel, credentials)
        return cls(
            key=key,
            provider=provider,
            metadata_watch=metadata_watch,
            data_port_watch=data_port_watch,
            mux=mux,
            metadata=MetadataClient(mux, timeout_s=settings.metadata_timeout_s),
            data_port=DataPortClient(data_port_watch, host_id=settings.host_id),
            storage_channel=open_channel(
                settings.storage_grpc_target, key=key, service=settings.service_name
            ),
            zone_channel=zone_channel,
            zone=zone,
            own_record=OwnRecord(zone, provider.name),
            zone_wait_s=settings.zone_wait_s,
            authenticator=TokenAuthenticator(
                zone_channel,
                credentials,
                key,
                token_cache_s=settings.token_cache_s,
                zone_away_s=settings.zone_away_s,
            ),
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """In the order of starting."""
        return (
            self.metadata_watch,
            self.data_port_watch,
            self.mux,
            self.data_port,
            # Only registrations need it, so nobody waits for it.
            ChannelPart(self.storage_channel, wait_s=0),
            ChannelPart(self.zone_channel, wait_s=self.zone_wait_s),
            self.authenticator,
            self.own_record,
        )


def _copy_options(settings: Settings) -> CopyOptions:
    return CopyOptions(
        wait_s=settings.copy_wait_s,
        at_a_time=settings.copies_at_a_time,
        patience_s=settings.copy_patience_s,
        claim_interval_s=settings.copy_claim_interval_s,
    )


def _application(
    settings: Settings,
    outside: _Outside,
    gate: Gate,
    changes: ChangeRoutes,
    copies: CopyJobs,
    duplicates: Duplicates,
    digests: Digests,
    remembered: AttributeMemory,
) -> Front:
    clock = SystemClock()
    provider_id = outside.provider.provider_id
    domain = settings.public_domain or outside.provider.domain
    signer = TicketSigner(outside.key, outside.data_port_watch, public_domain=domain)
    tickets = TicketRoutes(outside.metadata, signer, clock, life_s=settings.ticket_life_s)
    providers = ZoneSpaceProviders(outside.zone, clock)
    plain = plain_routes(
        ShareRoutes(outside.metadata, domain=domain, zone_domain=outside.provider.zone_domain),
        SpaceRoutes(providers),
        changes,
        BulkRoutes(outside.metadata),
        StatisticsRoutes(outside.metadata, outside.metadata, providers, clock),
        RegistrationRoutes(StorageClient(outside.storage_channel), outside.metadata, clock, domain=domain),
    )
    distribution = DistributionRoutes(outside.metadata, outside.metadata, providers)
    principals = ZonePrincipals(outside.zone, clock)
    stats = DirStatsRoutes(outside.metadata)
    memory = ListingMemory(settings.listing_memory_bytes)
    metrics.LISTING_MEMORY.set_function(lambda: memory.size_bytes)
    listings = ListingRoutes(outside.metadata, memory)
    files = DataRoutes(outside.metadata, gate, remembered)
    routes = rest_routes(outside.metadata, files, listings, tickets, distribution, stats, principals, plain)
    watches = {"metadata": outside.metadata_watch, "data_port": outside.data_port_watch}
    breaker = of_watch(outside.metadata_watch)
    info = ProviderInfo(
        outside.provider, outside.own_record, domain, watches, outside.zone_channel, clock, breaker
    )
    front = Front(
        rest=RestRouter(gate, routes),
        cdmi=CdmiRouter(
            gate,
            outside.metadata,
            outside.data_port,
            outside.metadata,
            principals,
            copies,
            duplicates,
            Workshops(outside.metadata, outside.key, clock),
            digests,
            CdmiOptions(
                domain=domain,
                value_limit_bytes=settings.cdmi_value_limit_bytes,
                large_bodies=settings.cdmi_large_bodies,
                max_children=settings.cdmi_max_children,
                original_capabilities=settings.cdmi_original_capabilities,
                copy_direct_bytes=settings.copy_direct_bytes,
                serials=SerialLimits(
                    objects=settings.cdmi_serialized_objects, size_bytes=settings.cdmi_serialized_bytes
                ),
            ),
            breaker,
        ),
        pages=build_pages(info, [*rest_entries(routes), *direct_entries(), *cdmi_entries()], ONEDATA_VERSION),
        provider_id=provider_id,
        slow_s=settings.slow_call_ms / 1000,
    )
    metrics.IN_FLIGHT.set_function(lambda: front.in_flight)
    return front


def _registration(settings: Settings, server: HttpServer) -> Registration:
    """How the gateway is found; its port is known once it listens."""
    return Registration(
        service=settings.service_name,
        instance_id=settings.instance_id,
        host=settings.advertise_host,
        port=server.port,
        check="http",
        alive_port=max(0, settings.metrics_port),
        meta=process_meta(settings.host_id, protocol="http", uds=settings.gateway_uds),
    )
