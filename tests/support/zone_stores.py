"""The zone's stores in memory, empty."""

from __future__ import annotations

from dataclasses import dataclass

from services.zone.domain.stores import (
    AuditStore,
    GroupStore,
    GuessStore,
    MembershipStore,
    ProviderStore,
    ShareStore,
    SpaceStore,
    StorageStore,
    TokenStore,
    UserStore,
)
from services.zone.store.memory import MemoryTokenStore, MemoryUserStore
from services.zone.store.memory_audit import MemoryAuditStore
from services.zone.store.memory_groups import MemoryGroupStore, MemoryMembershipStore
from services.zone.store.memory_guesses import MemoryGuessStore
from services.zone.store.memory_providers import MemoryProviderStore, MemoryStorageStore
from services.zone.store.memory_spaces import MemoryShareStore, MemorySpaceStore


@dataclass(frozen=True)
class MemoryStores:
    """Answers Stores."""

    users: UserStore
    tokens: TokenStore
    memberships: MembershipStore
    groups: GroupStore
    spaces: SpaceStore
    shares: ShareStore
    storages: StorageStore
    providers: ProviderStore
    audit: AuditStore
    guesses: GuessStore


def memory_stores() -> MemoryStores:
    """One set."""
    memberships = MemoryMembershipStore()
    return MemoryStores(
        MemoryUserStore(),
        MemoryTokenStore(),
        memberships,
        MemoryGroupStore(memberships),
        MemorySpaceStore(memberships),
        MemoryShareStore(),
        MemoryStorageStore(),
        MemoryProviderStore(),
        MemoryAuditStore(),
        MemoryGuessStore(),
    )
