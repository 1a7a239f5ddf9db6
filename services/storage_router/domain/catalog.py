"""The storages as this process sees them: configuration as of the last look, driver, health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import InputOutputError, IsthmusError, ReadOnlyStorage, SpaceNotSupported, Unavailable
from services.storage_router.domain.drivers import Driver, SpaceLeft, StorageUnreachable
from services.storage_router.domain.storages import (
    DriverMaker,
    Health,
    Storage,
    StorageStore,
    Support,
)

_PAGE = 1000
#: However often something unknown is asked for, the store is looked at only so often, in seconds.
LOOK_INTERVAL_S = 0.1


@dataclass(slots=True)
class OpenStorage:
    """A storage in use. `health` is this process's own finding; other nodes may find otherwise."""

    storage: Storage
    driver: Driver
    health: Health = Health.UNKNOWN
    detail: str = ""
    left: SpaceLeft = field(default_factory=SpaceLeft)

    def check_readable(self) -> None:
        """StorageUnreachable while the last probe found it dead, so that nobody waits for it."""
        if self.health is Health.UNREACHABLE:
            raise StorageUnreachable(self.detail, storage_id=self.storage.storage_id)

    def check_writable(self) -> None:
        """As `check_readable`; ReadOnlyStorage where nothing may be written."""
        self.check_readable()
        if self.storage.readonly:
            raise ReadOnlyStorage(storage_id=self.storage.storage_id)


class Catalog:
    """All storages and supports in memory; tiny, since a provider has few of both.

    What it holds stays in use when the store cannot be read.
    """

    def __init__(self, store: StorageStore, drivers: DriverMaker) -> None:
        self._store = store
        self._drivers = drivers
        self._storages: dict[str, OpenStorage] = {}
        self._supports: dict[str, Support] = {}
        self._is_loaded = False
        self._looked_s = float("-inf")
        self._looking = asyncio.Lock()

    @property
    def storages(self) -> Iterable[OpenStorage]:
        """All of them; changes with a refresh."""
        return self._storages.values()

    @property
    def supports(self) -> Mapping[str, Support]:
        """By space id."""
        return self._supports

    def spaces_on(self, storage_id: str) -> list[str]:
        """Ids of the spaces a storage supports, sorted."""
        return sorted(space for space, support in self._supports.items() if support.storage_id == storage_id)

    def storage_for_new_data(self, space_id: str) -> OpenStorage:
        """The storage that takes what is written to a space here. SpaceNotSupported."""
        support = self._supports.get(space_id)
        if support is None:
            self._check_loaded()
            raise SpaceNotSupported(space_id=space_id)
        return self.storage(support.storage_id)

    def find(self, storage_id: str) -> OpenStorage | None:
        """The storage, if this process uses it already."""
        return self._storages.get(storage_id)

    def storage(self, storage_id: str) -> OpenStorage:
        """The storage a location names. InputOutputError when it is not configured any more."""
        found = self._storages.get(storage_id)
        if found is None:
            self._check_loaded()
            raise InputOutputError("the storage is not configured", storage_id=storage_id)
        return found

    async def learn(self, *, space_id: str = "", storage_id: str = "") -> None:
        """Looks at the store again when a space or a storage is not known here: another instance may have
        added it a moment ago. Who asks at the same time shares one look. Unavailable."""
        if space_id in self._supports or storage_id in self._storages:
            return
        asked_s = time.monotonic()
        async with self._looking:
            if self._looked_s < asked_s:
                await asyncio.sleep(self._looked_s + LOOK_INTERVAL_S - asked_s)
                await self._look()

    def _check_loaded(self) -> None:
        if not self._is_loaded:
            raise Unavailable("the storages are not known yet")

    async def refresh(self) -> int:
        """Reads the configuration; answers how many storages came, went or are other."""
        async with self._looking:
            return await self._look()

    async def _look(self) -> int:
        self._looked_s = time.monotonic()
        storages = await self._all_storages()
        supports = await self._all_supports()
        changed = 0
        for storage_id in [gone for gone in self._storages if gone not in storages]:
            await self._storages.pop(storage_id).driver.close()
            changed += 1
        for storage in storages.values():
            changed += await self._take(storage)
        self._supports = supports
        self._is_loaded = True
        return changed

    async def _take(self, storage: Storage) -> int:
        known = self._storages.get(storage.storage_id)
        if known is not None and known.storage == storage:
            return 0
        if known is not None and _is_driven_alike(known.storage, storage):
            # What is under way goes on with the same driver, under the new rules.
            known.storage = storage
            return 1
        driver = self._drivers.make(
            storage.driver, storage.parameters, storage.secrets, storage_id=storage.storage_id
        )
        self._storages[storage.storage_id] = OpenStorage(storage, driver)
        if known is not None:
            await known.driver.close()
        return 1

    async def _all_storages(self) -> dict[str, Storage]:
        found: dict[str, Storage] = {}
        after = ""
        while page := await self._store.list_storages(after_name=after, limit=_PAGE):
            found.update((storage.storage_id, storage) for storage in page)
            after = page[-1].name
            if len(page) < _PAGE:
                break
        return found

    async def _all_supports(self) -> dict[str, Support]:
        found: dict[str, Support] = {}
        after = ""
        while page := await self._store.list_supports(after_space=after, limit=_PAGE):
            found.update((support.space_id, support) for support in page)
            after = page[-1].space_id
            if len(page) < _PAGE:
                break
        return found


def _is_driven_alike(storage: Storage, other: Storage) -> bool:
    return (storage.driver, storage.parameters, storage.secrets) == (
        other.driver,
        other.parameters,
        other.secrets,
    )


def health_of(error: IsthmusError) -> Health:
    """What a failed probe says of a storage: one that only refuses writing can still be read."""
    cause: Any = error.facts.get("cause", error.reason)
    return Health.READ_ONLY if cause in ("EROFS", "ENOSPC") else Health.UNREACHABLE
