"""The zone's stores over one MongoDB database."""

from __future__ import annotations

from pymongo import MongoClient

from runtime.mongo import Document, MongoThreads, abort_abandoned
from services.zone.domain.changes import ChangeFeed
from services.zone.store.mongo_audit import MongoAuditStore, create_audit_indexes
from services.zone.store.mongo_changes import MongoChanges
from services.zone.store.mongo_groups import MongoGroupStore
from services.zone.store.mongo_guesses import MongoGuessStore, create_guess_indexes
from services.zone.store.mongo_memberships import MongoMembershipStore, create_membership_indexes
from services.zone.store.mongo_providers import MongoProviderStore, create_provider_indexes
from services.zone.store.mongo_shares import MongoShareStore, create_share_indexes
from services.zone.store.mongo_spaces import MongoSpaceStore, create_space_indexes
from services.zone.store.mongo_storages import MongoStorageStore, create_storage_indexes
from services.zone.store.mongo_tokens import MongoTokenStore, create_token_indexes
from services.zone.store.mongo_users import MongoUserStore, create_user_indexes


class MongoStores:
    """All that the zone keeps. `create_indexes` must have run once before anything is written."""

    def __init__(self, client: MongoClient[Document], database: str, threads: MongoThreads) -> None:
        self._client = client
        self._database = client[database]
        self._threads = threads
        self.users = MongoUserStore(self._database, threads)
        self.tokens = MongoTokenStore(self._database, threads)
        self.audit = MongoAuditStore(self._database, threads)
        self.guesses = MongoGuessStore(self._database, threads)
        self.memberships = MongoMembershipStore(self._database, threads)
        self.groups = MongoGroupStore(self._database, threads)
        self.spaces = MongoSpaceStore(self._database, threads)
        self.shares = MongoShareStore(self._database, threads)
        self.storages = MongoStorageStore(self._database, threads)
        self.providers = MongoProviderStore(self._database, threads)

    async def create_indexes(self, *, audit_keep_s: int = 400 * 86_400) -> None:
        """Harmless when they are there."""
        await self._threads.write(lambda: self._create_indexes(audit_keep_s))

    def _create_indexes(self, audit_keep_s: int) -> None:
        create_user_indexes(self._database)
        create_token_indexes(self._database)
        create_membership_indexes(self._database)
        create_space_indexes(self._database)
        create_share_indexes(self._database)
        create_storage_indexes(self._database)
        create_provider_indexes(self._database)
        create_guess_indexes(self._database)
        create_audit_indexes(self._database, keep_s=audit_keep_s)

    def changes(self, feed: ChangeFeed) -> MongoChanges:
        """A part that publishes what changes here, by whichever instance."""
        return MongoChanges(self._database, feed)

    async def abort_abandoned(self) -> int:
        """Ends what a dead instance left begun. A round of a duty of every instance."""
        return await self._threads.read(lambda: abort_abandoned(self._client))

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()
