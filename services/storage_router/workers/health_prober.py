"""Tries every storage at short intervals, so that requests need not wait to learn that one is away."""

from __future__ import annotations

import asyncio
import os

import structlog

from runtime.errors import IsthmusError
from services.storage_router import metrics
from services.storage_router.domain.catalog import Catalog, OpenStorage, health_of
from services.storage_router.domain.drivers import SpaceLeft
from services.storage_router.domain.storages import Health, probe

log = structlog.get_logger(__name__)


class HealthProber:
    """Writes, reads and removes a small file on each storage, and notes the outcome in the catalog.

    Every process probes for itself: a mount may be missing on one host only. `timeout_s` bounds one probe;
    one that hangs makes the storage unreachable, and no second one is started beside it.
    """

    def __init__(self, catalog: Catalog, *, instance_id: str, timeout_s: float) -> None:
        self._catalog = catalog
        self._instance_id = instance_id
        self._timeout_s = timeout_s
        self._under_way: dict[str, asyncio.Task[SpaceLeft]] = {}

    async def run_once(self) -> int:
        """One probe of every storage; 0, for there is never more to do at once."""
        await asyncio.gather(*(self._look_at(opened) for opened in list(self._catalog.storages)))
        return 0

    async def _look_at(self, opened: OpenStorage) -> None:
        storage_id = opened.storage.storage_id
        task = self._under_way.get(storage_id)
        if task is None:
            task = self._under_way[storage_id] = asyncio.create_task(self._try(opened))
        await asyncio.wait({task}, timeout=self._timeout_s)
        if not task.done():
            self._note(opened, Health.UNREACHABLE, f"no answer within {self._timeout_s:g} s")
            return
        del self._under_way[storage_id]
        try:
            opened.left = task.result()
        except IsthmusError as error:
            self._note(opened, health_of(error), error.message)
        else:
            metrics.STORAGE_FREE_BYTES.labels(opened.storage.name).set(opened.left.free_bytes)
            self._note(opened, Health.OK, "")

    async def _try(self, opened: OpenStorage) -> SpaceLeft:
        if opened.storage.readonly:
            return await opened.driver.space_left()
        await probe(opened.driver, probe_id=f"probe-{self._instance_id}", data=os.urandom(64))
        return await opened.driver.space_left()

    def _note(self, opened: OpenStorage, health: Health, detail: str) -> None:
        if opened.health is not health and (opened.health, health) != (Health.UNKNOWN, Health.OK):
            log.warning(
                "storage_health_changed",
                storage_id=opened.storage.storage_id,
                health=health.name,
                detail=detail,
            )
        opened.health, opened.detail = health, detail
        metrics.STORAGE_HEALTH.labels(opened.storage.name).set(health.value)
