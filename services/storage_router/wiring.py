"""Puts storage_router together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc.aio
from isthmus.storage_router.v1 import storage_users_pb2_grpc, storages_pb2_grpc

from clients.access_counter import AccessCounter
from clients.metadata import MetadataClient
from clients.zone import ProviderCredentials, TokenAuthenticator
from clients.zone_client import ZoneClient
from runtime.auth import ClusterKey
from runtime.breaker import of_watch
from runtime.clock import SystemClock
from runtime.config import BadSettings, ProviderFile
from runtime.discovery import Acquainted, Registrar, Registration, Watch, process_meta
from runtime.leadership import Leadership
from runtime.mongo import MongoThreads, connect_as_told
from runtime.periodic import Periodic
from runtime.process import Part
from runtime.rpc.channel import ChannelPart, open_channel
from runtime.rpc.mux import MuxClient
from runtime.rpc.server import RpcServer
from services.storage_router import metrics
from services.storage_router.api.data_port.assembly import PortSettings, assemble
from services.storage_router.api.data_port.limits import Limits
from services.storage_router.api.data_port.server import DataPort
from services.storage_router.api.storage_users import StorageUserServicer
from services.storage_router.api.storages import StorageServicer
from services.storage_router.clients.contents import MetadataContents, MetadataSpaces
from services.storage_router.clients.directories import MetadataDirectories
from services.storage_router.clients.files import MetadataNames
from services.storage_router.clients.removals import HOLDER, LivingHolders, MetadataRemovals
from services.storage_router.clients.zone import ZoneNewsWatch, ZoneStorageRegister, ZoneSupports
from services.storage_router.config import Settings
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.contents import Contents
from services.storage_router.domain.imports import Imports
from services.storage_router.domain.remembered import RememberedContents
from services.storage_router.domain.storage_users import StorageUsers
from services.storage_router.domain.storages import Storages
from services.storage_router.domain.supports import Supports
from services.storage_router.drivers.registry import Drivers
from services.storage_router.store.mongo import MongoStorageStore
from services.storage_router.store.mongo_storage_users import MongoStorageUserStore
from services.storage_router.workers.catalog_refresher import CatalogRefresher
from services.storage_router.workers.dir_stats_switch import DirStatsSwitch
from services.storage_router.workers.health_prober import HealthProber
from services.storage_router.workers.orphan_sweeper import OrphanSweeper
from services.storage_router.workers.remover import Remover
from services.storage_router.workers.zone_follower import ZoneFollower

#: How often it is looked whether the zone knows our storages.
_REGISTER_INTERVAL_S = 5.0
#: How often it is looked whether statistics of directories are as far as they are to be.
_SWITCH_INTERVAL_S = 1.0


async def build(settings: Settings) -> Sequence[Part]:
    """The parts in the order of starting. Raises BadSettings."""
    outside = _Outside.connect(settings)
    threads = _Threads(settings)
    mongo, mongo_threads = connect_as_told(settings), MongoThreads()
    store = MongoStorageStore(mongo, settings.mongo_database, mongo_threads)
    users = MongoStorageUserStore(mongo[settings.mongo_database], mongo_threads)
    drivers = Drivers(threads.storage)
    catalog = Catalog(store, drivers)
    sweeper = OrphanSweeper(
        catalog,
        outside.removals,
        store,
        SystemClock(),
        min_age_s=settings.sweep_min_age_s,
    )
    zone = ZoneClient(outside.zone_channel, outside.credentials)
    zone_storages = ZoneStorageRegister(zone)
    storages = Storages(store, drivers, zone_storages, SystemClock())
    spaces, authority = MetadataSpaces(outside.metadata), ZoneSupports(zone)
    supports = Supports(store, authority, zone_storages, spaces)
    dir_stats = DirStatsSwitch(spaces, authority)
    follower = ZoneFollower(supports, store, zone_storages, dir_stats=dir_stats, on_change=catalog.refresh)
    rpc = RpcServer(settings, outside.key)
    rpc.add(
        storages_pb2_grpc.add_StorageServiceServicer_to_server,
        StorageServicer(
            storages,
            supports,
            catalog,
            drivers,
            sweeper,
            Imports(catalog, users, outside.provider.provider_id),
            dir_stats,
        ),
    )
    rpc.add(
        storage_users_pb2_grpc.add_StorageUserServiceServicer_to_server,
        StorageUserServicer(StorageUsers(users)),
    )
    contents = RememberedContents(MetadataContents(outside.metadata, holder=outside.holder), SystemClock())
    metrics.REMEMBERED.set_function(lambda: len(contents))
    accesses = AccessCounter(outside.metadata, SystemClock())
    port = _data_port(settings, outside, contents, catalog, threads, accesses)
    return [
        threads,
        store,
        *outside.parts,
        *_workers(settings, outside, catalog, store, sweeper, dir_stats),
        Acquainted(outside.metadata_watch),
        ZoneNewsWatch(zone, act=follower.act, held=follower.held),
        Periodic("storage_register", follower.run_once, _REGISTER_INTERVAL_S),
        rpc,
        contents,
        accesses,
        port,
        Registrar(settings.consul, lambda: _registrations(settings, outside.holder, rpc, port)),
    ]


class _Threads:
    """Threads for storages and for large bodies: apart, so neither starves the other."""

    def __init__(self, settings: Settings) -> None:
        self.storage = ThreadPoolExecutor(settings.storage_threads, "storage")
        self.bytes = ThreadPoolExecutor(settings.byte_workers, "bytes")

    async def start(self) -> None:
        """Threads come as they are needed."""

    async def stop(self) -> None:
        """Does not wait: a call to a dead network storage may never return."""
        for pool in (self.storage, self.bytes):
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Outside:
    """Everybody this service talks to."""

    key: ClusterKey
    provider: ProviderFile
    credentials: ProviderCredentials
    metadata_watch: Watch
    mux: MuxClient
    metadata: MetadataClient
    data_port_watch: Watch
    holder: str
    removals: MetadataRemovals
    zone_channel: grpc.aio.Channel
    zone_wait_s: float
    authenticator: TokenAuthenticator

    @classmethod
    def connect(cls, settings: Settings) -> _Outside:
        if settings.provider_file is None:
            raise BadSettings("ISTHMUS_PROVIDER_FILE is needed")
        key = ClusterKey.load(settings.cluster_key_file)
        credentials = ProviderCredentials.load(settings.provider_file)
        watch = Watch(settings.consul, "metadata")
        mux = MuxClient(watch, key, service=settings.service_name, host_id=settings.host_id)
        metadata = MetadataClient(mux)
        data_port_watch = Watch(settings.consul, "data_port")
        # No successor has it: so what an upload of this process leaves behind is known as such.
        holder = secrets.token_hex(8)
        # The zone knows us by our provider token, which its clients send themselves.
        zone_channel = open_channel(settings.zone_grpc_target, key=None)
        return cls(
            key=key,
            provider=ProviderFile.load(settings.provider_file),
            credentials=credentials,
            metadata_watch=watch,
            mux=mux,
            metadata=metadata,
            data_port_watch=data_port_watch,
            holder=holder,
            removals=MetadataRemovals(metadata, LivingHolders(data_port_watch, holder)),
            zone_channel=zone_channel,
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
            ChannelPart(self.zone_channel, wait_s=self.zone_wait_s),
            self.authenticator,
        )


class _AtOnce:
    """A worker whose first round comes before what starts after it."""

    def __init__(self, worker: Periodic) -> None:
        self._worker = worker

    async def start(self) -> None:
        await self._worker.round()
        await self._worker.start()

    async def stop(self) -> None:
        await self._worker.stop()


def _workers(
    settings: Settings,
    outside: _Outside,
    catalog: Catalog,
    store: MongoStorageStore,
    sweeper: OrphanSweeper,
    dir_stats: DirStatsSwitch,
) -> list[Part]:
    refresher = CatalogRefresher(catalog, store.prepare)
    prober = HealthProber(catalog, instance_id=settings.instance_id, timeout_s=settings.probe_timeout_s)
    remover = Remover(catalog, outside.removals)
    leaders = {
        duty: Leadership(settings.consul, duty, settings.instance_id)
        for duty in ("storage_remover", "storage_sweeper", "dir_stats_switch")
    }
    return [
        _AtOnce(Periodic("catalog_refresher", refresher.run_once, settings.refresh_interval_s)),
        Periodic("health_prober", prober.run_once, settings.probe_interval_s),
        *leaders.values(),
        Periodic(
            "remover",
            remover.run_once,
            settings.removal_interval_s,
            leadership=leaders["storage_remover"],
        ),
        Periodic(
            "dir_stats_switch",
            dir_stats.run_once,
            _SWITCH_INTERVAL_S,
            leadership=leaders["dir_stats_switch"],
        ),
        Periodic(
            "orphan_sweeper",
            sweeper.run_once,
            settings.sweep_interval_s,
            leadership=leaders["storage_sweeper"],
            timeout_s=3600.0,
        ),
    ]


def _data_port(
    settings: Settings,
    outside: _Outside,
    contents: Contents,
    catalog: Catalog,
    threads: _Threads,
    accesses: AccessCounter,
) -> DataPort:
    return assemble(
        PortSettings(
            host=settings.listen_host,
            port=settings.data_port_port,
            uds=settings.data_port_uds,
            provider_id=outside.provider.provider_id,
            domain=settings.public_domain or outside.provider.domain,
            inline_bytes=settings.inline_bytes,
            collect_bytes=settings.collect_bytes,
            front_doors=settings.front_doors,
            slow_s=settings.slow_call_ms / 1000,
            drain_s=settings.drain_s,
            limits=Limits(
                max_connections=settings.max_connections,
                idle_timeout_s=settings.idle_timeout_s,
                stall_timeout_s=settings.stall_timeout_s,
            ),
        ),
        contents=contents,
        names=MetadataNames(outside.metadata),
        directories=MetadataDirectories(outside.metadata),
        catalog=catalog,
        accesses=accesses,
        authenticator=outside.authenticator,
        key=outside.key,
        clock=SystemClock(),
        pool=threads.bytes,
        breaker=of_watch(outside.metadata_watch),
    )


def _registrations(settings: Settings, holder: str, rpc: RpcServer, port: DataPort) -> list[Registration]:
    suffix = settings.instance_id.rpartition("-")[2]
    port_id = f"data_port-{suffix}"
    return [
        Registration(
            service="data_port",
            instance_id=port_id,
            host=settings.advertise_host,
            port=port.port,
            check="http",
            alive_port=max(0, settings.metrics_port),
            meta=process_meta(
                settings.host_id,
                protocol="http",
                uds=settings.data_port_uds,
                url=settings.data_port_url,
                **{HOLDER: holder},
            ),
        ),
        Registration(
            service=settings.service_name,
            instance_id=settings.instance_id,
            host=settings.advertise_host,
            port=rpc.port,
            checked_by=port_id,
            meta=process_meta(settings.host_id, protocol="grpc"),
        ),
    ]
