"""All rules over one set of stores."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.clock import Clock

from .access_history import AccessHistory
from .bulk import Bulk
from .cache import FileCache, RecordCache
from .change_feed import ChangeFeed
from .changes import Changes
from .charged import ChargedInserts
from .commits import Commits
from .content_writer import ContentWriter
from .copies import Copies
from .dir_stats import DirStats
from .distribution import Distribution
from .downloads import Downloads
from .extras import Extras
from .files import Files
from .grants import Grants
from .leases import Leases
from .link_counts import LinkCounts
from .links import HardLinks
from .listing import Listing
from .listing_versions import ListingVersions
from .owner_usage import OwnerUsage
from .paths import Paths
from .queue_writer import QueueLimits, QueueWriter
from .queues import Queues
from .quotas import Quotas, Spaces
from .registrations import Registrations
from .removals import Removals
from .renames import Renames
from .repairs import Repairs
from .replicas import LocationCache, Replicas
from .settled import Settled
from .shares import Shares, ZoneShares
from .small_uploads import SmallUploads
from .stores import Stores
from .subtrees import Subtrees
from .times import Touches
from .tokens import PageTokens
from .trash import Trash
from .tree import Ownership, Tree
from .uploads import Uploads
from .usage_history import UsageHistory
from .value_digests import ValueDigests
from .xattrs import Xattrs


@dataclass(frozen=True)
class Rules:
    """The whole domain over one set of stores."""

    file_cache: FileCache
    location_cache: LocationCache
    leases: Leases
    grants: Grants
    listing_versions: ListingVersions
    files: Files
    links: HardLinks
    extras: Extras
    listing: Listing
    subtrees: Subtrees
    downloads: Downloads
    trash: Trash
    renames: Renames
    bulk: Bulk
    copies: Copies
    uploads: Uploads
    commits: Commits
    small_uploads: SmallUploads
    registrations: Registrations
    writer: ContentWriter
    removals: Removals
    quotas: Quotas
    spaces: Spaces
    usage_history: UsageHistory
    owner_usage: OwnerUsage
    access_history: AccessHistory
    dir_stats: DirStats
    xattrs: Xattrs
    value_digests: ValueDigests
    queues: Queues
    queue_writer: QueueWriter
    shares: Shares
    distribution: Distribution
    changes: Changes
    change_feed: ChangeFeed
    repairs: Repairs
    settled: Settled
    touches: Touches


def assemble(
    stores: Stores,
    ownership: Ownership,
    clock: Clock,
    *,
    provider_id: str,
    token_secret: bytes,
    zone_shares: ZoneShares,
    cache_records: int = 100_000,
    listing_versions: int = 50_000,
    tombstone_retention_s: float = 7 * 24 * 3600,
    trash_retention_s: float = 0.0,
    queue_limits: QueueLimits | None = None,
) -> Rules:
    """Joins the rules to their stores."""
    file_cache = FileCache(cache_records, provider_id)
    location_cache: LocationCache = RecordCache(cache_records)
    leases = Leases(ownership, clock)
    versions = ListingVersions(ownership, clock, file_cache.get, capacity=listing_versions)
    tree = Tree(stores.files, file_cache, ownership, leases, versions, provider_id)
    replicas = Replicas(stores.locations, location_cache, ownership, leases, provider_id)
    touches = Touches(tree, leases, clock)
    grants = Grants(tree, replicas, touches, leases, clock)
    quotas = Quotas(stores.quotas, clock)
    paths = Paths(tree, quotas.supports)
    settled = Settled(stores.locations, stores.intents)
    writer = ContentWriter(tree, replicas, quotas, settled, clock)
    link_counts = LinkCounts(tree, clock)
    files = Files(
        stores.files,
        tree,
        paths,
        link_counts,
        touches,
        clock,
        provider_id,
        trash_retention_s=trash_retention_s,
    )
    page_tokens = PageTokens(token_secret)
    extras = Extras(stores.custom_metadata)
    uploads = Uploads(
        tree=tree,
        paths=paths,
        files=files,
        replicas=replicas,
        grants=grants,
        quotas=quotas,
        intents=stores.intents,
        touches=touches,
        clock=clock,
    )
    renames = Renames(stores.files, tree, paths, link_counts, touches, clock)
    inserts = ChargedInserts(files, quotas)
    commits = Commits(
        tree=tree,
        paths=paths,
        inserts=inserts,
        replicas=replicas,
        writer=writer,
        stores=stores,
        settled=settled,
        clock=clock,
        provider_id=provider_id,
    )
    xattrs = Xattrs(stores.custom_metadata, tree, paths, clock)
    queue_limits = queue_limits or QueueLimits()
    queue_writer = QueueWriter(stores.queues, quotas, queue_limits)
    return Rules(
        file_cache=file_cache,
        location_cache=location_cache,
        files=files,
        extras=extras,
        leases=leases,
        grants=grants,
        listing_versions=versions,
        links=HardLinks(tree, paths, files, link_counts, clock, provider_id),
        listing=Listing(stores.files, tree, paths, extras, page_tokens, touches, versions),
        subtrees=Subtrees(stores.files, tree, paths, replicas, extras, page_tokens, touches),
        downloads=Downloads(stores.downloads, paths, clock),
        trash=Trash(stores.files, tree, paths, page_tokens, touches, clock),
        renames=renames,
        bulk=Bulk(files, renames, tree),
        copies=Copies(stores.copies, tree, paths, files, renames, clock, provider_id),
        uploads=uploads,
        distribution=Distribution(paths, uploads),
        commits=commits,
        small_uploads=SmallUploads(uploads, commits),
        registrations=Registrations(
            paths=paths,
            files=files,
            replicas=replicas,
            locations=stores.locations,
            writer=writer,
            inserts=inserts,
            xattrs=xattrs,
            clock=clock,
            provider_id=provider_id,
        ),
        writer=writer,
        removals=Removals(stores.locations, stores.intents, tree, replicas, quotas, clock),
        quotas=quotas,
        spaces=Spaces(stores.quotas, quotas, stores.locations, stores.queues, tree, clock, provider_id),
        dir_stats=DirStats(
            stores.dir_stats, stores.files, stores.locations, stores.changes, tree, paths, clock
        ),
        usage_history=UsageHistory(stores.usage_history, quotas, stores.quotas, tree, clock),
        owner_usage=OwnerUsage(stores.owner_usage, tree, clock),
        access_history=AccessHistory(stores.access_history, tree, clock),
        xattrs=xattrs,
        value_digests=ValueDigests(tree),
        queues=Queues(stores.queues, queue_writer, paths, touches, queue_limits),
        queue_writer=queue_writer,
        shares=Shares(stores.share_notes, zone_shares, tree, paths, clock),
        changes=Changes(stores.changes, tree),
        change_feed=ChangeFeed(stores.changes, tree, replicas, stores.custom_metadata),
        repairs=Repairs(
            stores,
            tree,
            replicas,
            writer,
            link_counts,
            settled,
            queue_writer,
            clock,
            provider_id,
            tombstone_retention_s=tombstone_retention_s,
        ),
        settled=settled,
        touches=touches,
    )
