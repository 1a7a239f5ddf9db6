"""Removes what metadata has given up: replaced content, deleted files, uploads that never ended."""

from __future__ import annotations

import structlog

from runtime.errors import IsthmusError
from services.storage_router import metrics
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.storages import Health
from services.storage_router.domain.sweeps import Removal, Removals, remove_all

log = structlog.get_logger(__name__)

_PAGE = 500


class Remover:
    """Frees the bytes of what nothing refers to any more, then the quota they took.

    On a read-only storage the bytes stay: there only the quota is freed.
    """

    def __init__(self, catalog: Catalog, removals: Removals) -> None:
        self._catalog = catalog
        self._removals = removals

    async def run_once(self) -> int:
        """One page: how many went. Safe to run twice and on two nodes: deleting and confirming repeat."""
        storages = [
            each.storage.storage_id
            for each in self._catalog.storages
            if each.health is not Health.UNREACHABLE
        ]
        if not storages:
            return 0
        page = await self._removals.list(sorted(storages), limit=_PAGE)
        by_storage: dict[str, list[Removal]] = {}
        for removal in page:
            by_storage.setdefault(removal.storage_id, []).append(removal)
        removed = 0
        for storage_id, removals in by_storage.items():
            removed += await self._remove(storage_id, removals)
        return removed

    async def _remove(self, storage_id: str, removals: list[Removal]) -> int:
        opened = self._catalog.storage(storage_id)
        failures: list[IsthmusError] = []
        gone = removals
        if not opened.storage.readonly:
            gone, failures = await remove_all(opened.driver, removals)
        if failures:
            log.warning(
                "removals_failed", storage_id=storage_id, count=len(failures), error=failures[0].message
            )
        by_space: dict[str, list[Removal]] = {}
        for removal in gone:
            by_space.setdefault(removal.space_id, []).append(removal)
        for of_space in by_space.values():
            # One call a space: each is confirmed where the space's quota is.
            await self._removals.confirm(of_space)
        metrics.REMOVED_FILES.labels("removal").inc(len(gone))
        return len(gone)
