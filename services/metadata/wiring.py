"""Puts the metadata service together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from isthmus.metadata.v1 import (
    access_history_pb2_grpc,
    bulk_pb2_grpc,
    changes_pb2_grpc,
    contents_pb2_grpc,
    copies_pb2_grpc,
    dir_stats_pb2_grpc,
    distribution_pb2_grpc,
    downloads_pb2_grpc,
    files_pb2_grpc,
    links_pb2_grpc,
    queues_pb2_grpc,
    shares_pb2_grpc,
    spaces_pb2_grpc,
    subtrees_pb2_grpc,
    trash_pb2_grpc,
    xattrs_pb2_grpc,
)

from clients.zone import ProviderCredentials, ZoneClient
from runtime.auth import ClusterKey
from runtime.breaker import DATABASE_FULL, REFUSED_WRITES
from runtime.clock import Clock, SystemClock
from runtime.config import BadSettings, ProviderFile
from runtime.discovery import Registrar, Registration, Watch, process_meta
from runtime.leadership import Leadership
from runtime.mongo import ABANDONED_INTERVAL_S, connect_as_told
from runtime.mongo.disk import LOOK_INTERVAL_S
from runtime.periodic import Periodic
from runtime.process import Part
from runtime.rpc.channel import ChannelPart, open_channel
from runtime.rpc.server import RpcServer
from services.metadata import metrics
from services.metadata.api.access_history import AccessHistoryServicer
from services.metadata.api.bulk import BulkServicer
from services.metadata.api.changes import ChangeServicer
from services.metadata.api.contents import ContentServicer
from services.metadata.api.copies import CopyServicer
from services.metadata.api.dir_stats import DirStatsServicer
from services.metadata.api.distribution import DistributionServicer
from services.metadata.api.downloads import DownloadServicer
from services.metadata.api.files import FileServicer
from services.metadata.api.links import LinkServicer
from services.metadata.api.queues import QueueServicer
from services.metadata.api.shares import ShareServicer
from services.metadata.api.spaces import SpaceServicer
from services.metadata.api.subtrees import SubtreeServicer
from services.metadata.api.trash import TrashServicer
from services.metadata.api.xattrs import XattrServicer
from services.metadata.clients.ownership import WatchedOwnership
from services.metadata.clients.zone_shares import ConnectedZoneShares, NoZoneShares
from services.metadata.config import Settings
from services.metadata.domain.queue_writer import QueueLimits
from services.metadata.domain.rules import Rules, assemble
from services.metadata.domain.shares import ZoneShares
from services.metadata.store.mongo import MongoStores
from services.metadata.workers.cache_invalidator import CacheInvalidator
from services.metadata.workers.change_sequencer import ChangeSequencer
from services.metadata.workers.copy_undoer import CopyUndoer
from services.metadata.workers.dir_stats_collector import DirStatsCollector
from services.metadata.workers.intent_expirer import IntentExpirer
from services.metadata.workers.location_reconciler import LocationReconciler
from services.metadata.workers.owner_counter import OwnerCounter
from services.metadata.workers.quota_recounter import QuotaRecounter
from services.metadata.workers.share_settler import ShareSettler
from services.metadata.workers.tombstone_cleaner import TombstoneCleaner
from services.metadata.workers.trash_hastener import TrashHastener
from services.metadata.workers.trash_reaper import TrashReaper
from services.metadata.workers.usage_sampler import UsageSampler

#: Intervals of the background duties, in seconds.
SETTLE_INTERVAL_S = 0.5
SETTLE_QUOTAS_INTERVAL_S = 1.0
TOUCH_INTERVAL_S = 5.0
REAP_INTERVAL_S = 2.0
HASTEN_INTERVAL_S = 10.0
RECONCILE_INTERVAL_S = 20.0
RECOUNT_INTERVAL_S = 60.0
EXPIRE_INTERVAL_S = 600.0
SHARE_INTERVAL_S = 30.0
SAMPLE_INTERVAL_S = 60.0
UNDO_INTERVAL_S = 10.0
COUNT_INTERVAL_S = 1.0
#: How long a change by another instance may go unnoticed in a trusted cache. Only instances that disagree
#: about who owns a space ever depend on it.
INVALIDATION_PACE_S = 0.02


async def build(settings: Settings) -> Sequence[Part]:
    """The parts in the order of starting. Raises BadSettings."""
    key = ClusterKey.load(settings.cluster_key_file)
    provider_id = _provider_id(settings)
    clock = SystemClock()
    mongo = MongoStores(
        connect_as_told(settings),
        settings.mongo_database,
        provider_id,
        change_retention_s=settings.change_retention_s,
        reserve_bytes=settings.mongo_reserve_bytes,
    )
    watch = Watch(settings.consul, settings.service_name)
    zone = _Zone.connect(settings)
    rules = assemble(
        mongo.stores,
        WatchedOwnership(watch, settings.instance_id, clock),
        clock,
        provider_id=provider_id,
        token_secret=key.sign_bytes("metadata-page-tokens", b""),
        zone_shares=zone.shares,
        cache_records=settings.cache_records,
        listing_versions=settings.listing_versions,
        tombstone_retention_s=settings.tombstone_retention_s,
        trash_retention_s=settings.trash_retention_s,
        queue_limits=QueueLimits(
            value_bytes=settings.queue_value_limit_bytes,
            request_values=settings.queue_request_values,
            queue_values=settings.queue_values,
            queue_bytes=settings.queue_bytes,
        ),
    )
    metrics.CACHED_FILES.set_function(lambda: len(rules.file_cache))
    metrics.CACHED_LOCATIONS.set_function(lambda: len(rules.location_cache))
    metrics.LEASES.set_function(lambda: len(rules.leases))
    metrics.LISTING_VERSIONS.set_function(lambda: len(rules.listing_versions))
    invalidator = CacheInvalidator(
        rules.file_cache, rules.location_cache, rules.leases, rules.listing_versions
    )
    server = _server(settings, key, rules)
    registrar = Registrar(settings.consul, lambda: [_registration(settings, server)])
    mongo.disk.tell = partial(_tell_of_disk, registrar)
    return [
        mongo,
        Periodic("disk_watch", mongo.look_at_disk, LOOK_INTERVAL_S),
        Periodic("abandoned_transactions", mongo.abort_abandoned, ABANDONED_INTERVAL_S),
        mongo.follow_cached(invalidator.on_changes, on_gap=invalidator.on_gap, pace_s=INVALIDATION_PACE_S),
        watch,
        *zone.parts,
        *_own_duties(rules),
        *_shared_duties(settings, mongo, rules, clock),
        server,
        registrar,
    ]


def _tell_of_disk(registrar: Registrar, is_full: bool) -> None:
    """Lets everybody know whether changes are taken."""
    metrics.DATABASE_FULL.set(is_full)
    registrar.tell(**{REFUSED_WRITES: DATABASE_FULL if is_full else ""})


@dataclass(frozen=True, slots=True)
class _Zone:
    """The zone, for a provider that belongs to one."""

    shares: ZoneShares
    parts: tuple[Part, ...] = ()

    @classmethod
    def connect(cls, settings: Settings) -> _Zone:
        if settings.provider_file is None:
            return cls(NoZoneShares())
        # The zone knows us by our provider token, which its client sends itself.
        channel = open_channel(settings.zone_grpc_target, key=None)
        client = ZoneClient(channel, ProviderCredentials.load(settings.provider_file))
        # Only shares need the zone, so nobody waits for it.
        return cls(ConnectedZoneShares(client), (ChannelPart(channel, wait_s=0),))


def file_servicer(rules: Rules) -> FileServicer:
    """FileService before these rules."""
    return FileServicer(
        rules.files, rules.links, rules.listing, rules.renames, rules.extras, rules.dir_stats, rules.grants
    )


def content_servicer(rules: Rules) -> ContentServicer:
    """ContentService before these rules."""
    return ContentServicer(
        rules.uploads,
        rules.commits,
        rules.small_uploads,
        rules.registrations,
        rules.removals,
        rules.leases,
    )


def _server(settings: Settings, key: ClusterKey, rules: Rules) -> RpcServer:
    server = RpcServer(settings, key, with_lane=True)
    server.add(
        files_pb2_grpc.add_FileServiceServicer_to_server,
        file_servicer(rules),
    )
    server.add(
        contents_pb2_grpc.add_ContentServiceServicer_to_server,
        content_servicer(rules),
    )
    server.add(
        xattrs_pb2_grpc.add_XattrServiceServicer_to_server, XattrServicer(rules.xattrs, rules.value_digests)
    )
    server.add(queues_pb2_grpc.add_QueueServiceServicer_to_server, QueueServicer(rules.queues))
    server.add(bulk_pb2_grpc.add_BulkServiceServicer_to_server, BulkServicer(rules.bulk))
    server.add(copies_pb2_grpc.add_CopyServiceServicer_to_server, CopyServicer(rules.copies))
    server.add(links_pb2_grpc.add_LinkServiceServicer_to_server, LinkServicer(rules.links))
    server.add(subtrees_pb2_grpc.add_SubtreeServiceServicer_to_server, SubtreeServicer(rules.subtrees))
    server.add(downloads_pb2_grpc.add_DownloadServiceServicer_to_server, DownloadServicer(rules.downloads))
    server.add(trash_pb2_grpc.add_TrashServiceServicer_to_server, TrashServicer(rules.trash))
    server.add(
        spaces_pb2_grpc.add_SpaceServiceServicer_to_server,
        SpaceServicer(rules.spaces, rules.usage_history, rules.owner_usage),
    )
    server.add(
        access_history_pb2_grpc.add_AccessHistoryServiceServicer_to_server,
        AccessHistoryServicer(rules.access_history),
    )
    server.add(dir_stats_pb2_grpc.add_DirStatsServiceServicer_to_server, DirStatsServicer(rules.dir_stats))
    server.add(
        distribution_pb2_grpc.add_DistributionServiceServicer_to_server,
        DistributionServicer(rules.distribution),
    )
    server.add(shares_pb2_grpc.add_ShareServiceServicer_to_server, ShareServicer(rules.shares))
    server.add(
        changes_pb2_grpc.add_ChangeServiceServicer_to_server, ChangeServicer(rules.changes, rules.change_feed)
    )
    return server


class _Writing:
    """Lets changes under way end before the stores go."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        await self._rules.writer.close()
        await self._rules.queue_writer.close()
        await self._rules.touches.flush()
        while await self._rules.settled.flush():
            pass
        await self._rules.quotas.close()


def _own_duties(rules: Rules) -> Sequence[Part]:
    """What every instance does for what it changed itself."""
    return [
        _Writing(rules),
        Periodic("settle", rules.settled.flush, SETTLE_INTERVAL_S),
        Periodic("settle_quotas", rules.quotas.flush, SETTLE_QUOTAS_INTERVAL_S),
        Periodic("touch", rules.touches.flush, TOUCH_INTERVAL_S),
    ]


def _shared_duties(settings: Settings, mongo: MongoStores, rules: Rules, clock: Clock) -> Sequence[Part]:
    """What one instance of the provider does for all."""
    janitor = Leadership(settings.consul, "metadata-janitor", settings.instance_id)
    sequencer = Leadership(settings.consul, "metadata-changes", settings.instance_id)
    stores = mongo.stores
    expirer = IntentExpirer(stores.intents, clock, expiry_s=settings.upload_expiry_s)
    duties = (
        ("trash_reaper", TrashReaper(rules.repairs).run_once, REAP_INTERVAL_S),
        ("trash_hastener", TrashHastener(rules.repairs, stores.quotas).run_once, HASTEN_INTERVAL_S),
        ("tombstone_cleaner", TombstoneCleaner(rules.repairs).run_once, REAP_INTERVAL_S),
        ("location_reconciler", LocationReconciler(rules.repairs).run_once, RECONCILE_INTERVAL_S),
        ("quota_recounter", QuotaRecounter(rules.spaces, stores.quotas).run_once, RECOUNT_INTERVAL_S),
        ("copy_undoer", CopyUndoer(rules.copies).run_once, UNDO_INTERVAL_S),
        ("intent_expirer", expirer.run_once, EXPIRE_INTERVAL_S),
        ("dir_stats_collector", DirStatsCollector(rules.dir_stats).run_once, COUNT_INTERVAL_S),
        ("usage_sampler", UsageSampler(rules.usage_history).run_once, SAMPLE_INTERVAL_S),
        ("owner_counter", OwnerCounter(rules.owner_usage.count).run_once, SAMPLE_INTERVAL_S),
        ("share_settler", ShareSettler(rules.shares).run_once, SHARE_INTERVAL_S),
    )
    return [
        janitor,
        *(Periodic(name, run_once, interval_s, leadership=janitor) for name, run_once, interval_s in duties),
        sequencer,
        ChangeSequencer(mongo.changes, sequencer),
    ]


def _registration(settings: Settings, server: RpcServer) -> Registration:
    return Registration(
        settings.service_name,
        settings.instance_id,
        settings.advertise_host,
        server.port,
        alive_port=max(0, settings.metrics_port),
        meta=process_meta(settings.host_id, protocol="grpc", lane=server.lane),
    )


def _provider_id(settings: Settings) -> str:
    if settings.provider_file is not None:
        return ProviderFile.load(settings.provider_file).provider_id
    if not settings.provider_id:
        raise BadSettings("ISTHMUS_PROVIDER_FILE is not set")
    return settings.provider_id
