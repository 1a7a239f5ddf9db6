"""Providers and their storages in memory, under the same contract as MongoDB's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from services.zone.domain.entities import Provider, Storage
from services.zone.domain.stores import Taken


class MemoryProviderStore:
    """Answers ProviderStore."""

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}

    async def create(self, provider: Provider) -> None:
        self._check_free(provider.domain, provider.id)
        self._providers[provider.id] = replace(provider, revision=provider.created_at_ms)

    def _check_free(self, domain: str, provider_id: str) -> None:
        if any(each.domain == domain and each.id != provider_id for each in self._providers.values()):
            raise Taken("domain")

    async def find(self, provider_id: str) -> Provider | None:
        return self._providers.get(provider_id)

    async def find_many(self, provider_ids: Collection[str]) -> list[Provider]:
        return [self._providers[each] for each in set(provider_ids) if each in self._providers]

    async def list_ids(self) -> list[str]:
        return sorted(self._providers)

    async def update(self, provider_id: str, changes: Mapping[str, Any]) -> bool:
        if provider_id not in self._providers:
            return False
        if "domain" in changes:
            self._check_free(changes["domain"], provider_id)
        provider = self._providers[provider_id]
        self._providers[provider_id] = replace(provider, revision=provider.revision + 1, **changes)
        return True

    async def touch(self, provider_id: str, last_seen_ms: int) -> None:
        if provider_id in self._providers:
            provider = self._providers[provider_id]
            self._providers[provider_id] = replace(provider, last_seen_ms=last_seen_ms)

    async def delete(self, provider_id: str) -> bool:
        return self._providers.pop(provider_id, None) is not None


class MemoryStorageStore:
    """Answers StorageStore."""

    def __init__(self) -> None:
        self._storages: dict[str, Storage] = {}

    async def create(self, storage: Storage) -> None:
        if storage.id in self._storages:
            raise Taken("id")
        self._storages[storage.id] = replace(storage, revision=storage.created_at_ms)

    async def find(self, storage_id: str) -> Storage | None:
        return self._storages.get(storage_id)

    async def find_many(self, storage_ids: Collection[str]) -> list[Storage]:
        return [self._storages[each] for each in set(storage_ids) if each in self._storages]

    async def of_provider(self, provider_id: str) -> list[Storage]:
        found = (each for each in self._storages.values() if each.provider_id == provider_id)
        return sorted(found, key=lambda storage: storage.id)

    async def update(self, storage_id: str, changes: Mapping[str, Any]) -> bool:
        if storage_id not in self._storages:
            return False
        storage = self._storages[storage_id]
        self._storages[storage_id] = replace(storage, revision=storage.revision + 1, **changes)
        return True

    async def delete(self, storage_id: str) -> bool:
        return self._storages.pop(storage_id, None) is not None

    async def delete_all(self, provider_id: str) -> None:
        for storage in await self.of_provider(provider_id):
            del self._storages[storage.id]
