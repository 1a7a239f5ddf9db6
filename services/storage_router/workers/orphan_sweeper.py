"""Looks through the storages for files nobody refers to: what a crash left between bytes and record."""

from __future__ import annotations

import structlog

from runtime.clock import Clock
from services.storage_router import metrics
from services.storage_router.domain.catalog import Catalog, OpenStorage
from services.storage_router.domain.storages import Health, ImportedStorage
from services.storage_router.domain.sweeps import References, Sweep, SweepStore, Swept

log = structlog.get_logger(__name__)

#: Pages one round looks at in each storage before it lets others do something.
_PAGES = 50


class OrphanSweeper:
    """Sweeps every storage again and again, a little each round; how far it came survives a restart.

    `min_age_s`: files younger than this are left alone, since their upload may be under way. Imported
    storages are never swept: no shape of a path proves that a file there is ours.
    """

    def __init__(
        self, catalog: Catalog, references: References, store: SweepStore, clock: Clock, *, min_age_s: float
    ) -> None:
        self._catalog = catalog
        self._references = references
        self._store = store
        self._clock = clock
        self._min_age_s = min_age_s

    async def run_once(self) -> int:
        """The next pages of every storage. Answers 0, for a sweep has all the time there is."""
        for opened in list(self._catalog.storages):
            storage = opened.storage
            if opened.health is Health.OK and not (storage.readonly or storage.imported):
                await self._sweep_some(opened)
        return 0

    async def _sweep_some(self, opened: OpenStorage) -> None:
        storage_id = opened.storage.storage_id
        cursor = await self._store.get_cursor(storage_id)
        removed = 0
        for _ in range(_PAGES):
            swept = await self._step(opened, cursor, self._min_age_s, force=False)
            removed += swept.removed
            cursor = swept.cursor
            if not cursor:
                break
        await self._store.put_cursor(storage_id, cursor)
        if removed:
            log.info("orphans_removed", storage_id=storage_id, removed=removed)

    async def sweep_now(self, storage_id: str, *, min_age_s: float) -> tuple[int, int]:
        """A whole sweep of one storage for an operator: files looked at, files removed.

        The operator's word stands where a round of its own would stop and ask. InputOutputError for an
        unknown storage, ImportedStorage.
        """
        opened = self._catalog.storage(storage_id)
        if opened.storage.imported:
            raise ImportedStorage("an imported storage is never swept", storage_id=storage_id)
        opened.check_writable()
        examined = removed = 0
        cursor = ""
        while True:
            swept = await self._step(opened, cursor, min_age_s, force=True)
            examined += swept.examined
            removed += swept.removed
            cursor = swept.cursor
            if not cursor:
                return examined, removed

    async def _step(self, opened: OpenStorage, cursor: str, min_age_s: float, *, force: bool) -> Swept:
        storage_id = opened.storage.storage_id
        sweep = Sweep(storage_id, opened.driver, self._references)
        swept = await sweep.step(
            self._catalog.spaces_on(storage_id),
            cursor,
            older_than_ms=self._clock.now_ms() - int(min_age_s * 1000),
            force=force,
        )
        metrics.REMOVED_FILES.labels("sweep").inc(swept.removed)
        return swept
