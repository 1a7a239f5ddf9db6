"""All stores in one MongoDB database, and the indexes they need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from pymongo import ASCENDING, HASHED, IndexModel, MongoClient
from pymongo.errors import OperationFailure

from runtime.errors import Unavailable
from runtime.mongo import ChangeFollower, DiskWatch, abort_abandoned
from services.metadata.domain.stores import Stores

from .documents import Document
from .mongo_access_history import MongoAccessHistoryStore
from .mongo_changes import CachedChange, MongoChangeLog, OnChanges, follow_cached
from .mongo_copies import MongoCopyStore
from .mongo_custom_metadata import MongoCustomMetadataStore
from .mongo_dir_stats import MongoDirStatsStore
from .mongo_downloads import MongoDownloadStore
from .mongo_files import MongoFileStore
from .mongo_intents import MongoIntentStore
from .mongo_locations import MongoLocationStore
from .mongo_owner_usage import MongoOwnerUsageStore
from .mongo_queues import MongoQueueStore
from .mongo_quotas import MongoQuotaStore
from .mongo_share_notes import MongoShareNoteStore
from .mongo_usage_history import MongoUsageHistoryStore
from .threads import PatientThreads

log = structlog.get_logger(__name__)

#: Pause between tries to reach the database at start.
RETRY_S = 1.0
NAMESPACE_EXISTS = 48


def _index(*keys: str, **options: Any) -> IndexModel:
    return IndexModel([(key, ASCENDING) for key in keys], **options)


#: Most are on fields that few records have, and then hold only those.
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "files": (
        # Also the order of listings.
        _index("parent_id", "name", "named_by", unique=True, partialFilterExpression={"deleted": False}),
        _index("trashed.due_ms", sparse=True),
        _index("cleanup_ms", sparse=True),
        _index("purge_ms", sparse=True),
        _index("delete_op", sparse=True),
        # First locations, which the records of their files hold.
        IndexModel([("location.storage_file_id", HASHED)], sparse=True),
        _index(
            "space_id",
            "location.held_bytes",
            partialFilterExpression={"location.held_bytes": {"$gte": 0}},
        ),
    ),
    "locations": (
        # 8 bytes an entry, and asked by equality only.
        IndexModel([("storage_file_id", HASHED)]),
        _index("space_id", "provider_id", "held_bytes"),
        _index("dirty_ms", sparse=True),
        _index("garbage.since_ms", sparse=True),
        _index("garbage.storage_file_id", sparse=True),
    ),
    "intents": (_index("abandoned", "time_ms"), _index("storage_file_id")),
    "custom_metadata": (),
    "share_notes": (_index("time_ms"),),
    "usage_history": (),
    "owner_usage": (),
    "access_history": (_index("expires_at", expireAfterSeconds=0),),
    "access_tellers": (_index("expires_at", expireAfterSeconds=0),),
    "dir_stats_spaces": (),
    "dir_stats": (
        # Only those whose children are not all counted.
        _index("space_id", "era", partialFilterExpression={"listed_to": {"$type": "string"}}),
    ),
    "dir_stats_files": (),
    "dir_stats_windows": (_index("expires_at", expireAfterSeconds=0),),
    "quotas": (),
    "tree_locks": (),
    "changes": (_index("expires_at", expireAfterSeconds=0),),
    "change_heads": (),
    "downloads": (_index("expires_at", expireAfterSeconds=0),),
    "queues": (
        _index("space_id"),
        _index("expires_at", sparse=True, expireAfterSeconds=0),
    ),
    "queue_values": (),
    "queue_ops": (_index("expires_at", expireAfterSeconds=0),),
    "copies": (
        _index("place", unique=True, sparse=True),
        _index("state", "lease_until_ms"),
        _index("user_id", "state"),
        _index("expires_at", expireAfterSeconds=0),
    ),
    "change_positions": (),
}


class MongoStores:
    """The stores of one provider. A part: stop it after everything that uses them."""

    def __init__(
        self,
        client: MongoClient[Document],
        database: str,
        provider_id: str,
        *,
        change_retention_s: float,
        reserve_bytes: int = 0,
    ) -> None:
        self._client = client
        self.disk = DiskWatch(client, database, reserve_bytes=reserve_bytes)
        self._database = client[database]
        self._threads = threads = PatientThreads(client, disk=self.disk)
        # Apart, so that no request waits behind the numbering of changes.
        self._log_threads = PatientThreads(client, writers=1, readers=1, disk=self.disk)
        self._files = MongoFileStore(self._database, threads)
        self._locations = MongoLocationStore(self._database, threads, provider_id)
        self._quotas = MongoQuotaStore(self._database, threads)
        self.changes = MongoChangeLog(
            self._database, self._log_threads, provider_id, retention_s=change_retention_s
        )
        self.stores = Stores(
            files=self._files,
            locations=self._locations,
            quotas=self._quotas,
            intents=MongoIntentStore(self._database, threads),
            custom_metadata=MongoCustomMetadataStore(self._database, threads),
            share_notes=MongoShareNoteStore(self._database, threads),
            dir_stats=MongoDirStatsStore(self._database, self._log_threads),
            usage_history=MongoUsageHistoryStore(self._database, threads),
            owner_usage=MongoOwnerUsageStore(self._database, threads),
            access_history=MongoAccessHistoryStore(self._database, self._log_threads),
            changes=self.changes,
            downloads=MongoDownloadStore(self._database, threads),
            queues=MongoQueueStore(self._database, threads),
            copies=MongoCopyStore(self._database, threads),
        )

    def follow_cached(
        self,
        on_changes: OnChanges[CachedChange],
        *,
        on_gap: Callable[[], Awaitable[None]],
        pace_s: float,
    ) -> ChangeFollower:
        """A part that hands over what happens to records that a cache may hold, from now on."""
        return follow_cached(self._database, on_changes, on_gap=on_gap, pace_s=pace_s)

    async def look_at_disk(self) -> int:
        """Finds out whether there is room to write. A round of a duty that has all the time there is."""
        self.disk.learn(*await self._threads.read(self.disk.measure))
        return 0

    async def abort_abandoned(self) -> int:
        """Ends what a dead instance left begun, for others to go on. A round of a duty of every instance."""
        return await self._log_threads.read(lambda: abort_abandoned(self._client))

    async def start(self) -> None:
        """Waits for the database and sees to collections and indexes: without them nothing is unique."""
        await self._threads.start()
        await self._log_threads.start()
        while True:
            try:
                await self._threads.write(self._prepare)
            except Unavailable as error:
                log.warning("waiting_for_mongodb", error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            return

    async def stop(self) -> None:
        """Ends what is under way and leaves."""
        for store in (self._files, self._locations):
            await store.close()
        await self._log_threads.stop()
        await self._threads.stop()
        await asyncio.to_thread(self._client.close)

    def _prepare(self) -> None:
        # Collections first: a transaction that has to create one is slow and conflicts with others.
        for name in INDEXES.keys() - set(self._database.list_collection_names()):
            try:
                self._database.create_collection(name, check_exists=False)
            except OperationFailure as error:
                if error.code != NAMESPACE_EXISTS:
                    raise
                # Another instance was faster.
        for name, indexes in INDEXES.items():
            if indexes:
                self._database[name].create_indexes(list(indexes))
        self.changes.prepare()
