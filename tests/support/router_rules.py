"""The rules of storage_router over memory, and short words for what tests do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.clock import ManualClock
from runtime.errors import AlreadyExists, InvalidArgument, NotFound
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.drivers import Capabilities
from services.storage_router.domain.storages import Storage, Storages, Support
from services.storage_router.domain.supports import Supports
from services.storage_router.domain.sweeps import Removal
from services.storage_router.drivers.memory import MemoryDriver
from services.storage_router.store.memory import MemoryStorageStore
from tests.support.contents_twin import ContentsTwin
from tests.support.faulty_driver import Faulty

SPACE = "aspace"


class MemoryDrivers:
    """Drivers in memory, one for each `mount_point`, kept across their makings."""

    def __init__(self) -> None:
        self.made: dict[str, Faulty] = {}

    def check(self, kind: str, parameters: Mapping[str, str]) -> dict[str, str]:
        if kind != "memory":
            raise InvalidArgument(driver=kind)
        return dict(parameters)

    def make(
        self, kind: str, parameters: Mapping[str, str], secrets: Mapping[str, str], *, storage_id: str
    ) -> Any:
        return self.made.setdefault(parameters["mount_point"], Faulty(MemoryDriver()))

    def capabilities(self, kind: str) -> Capabilities:
        return MemoryDriver.capabilities


class ZoneTwin:
    """Takes each support token for one request; a token is the id of the space. Knows storages."""

    def __init__(self) -> None:
        self.supports: dict[str, Support] = {}
        self.storages: dict[str, Storage] = {}
        self.revision = 100
        self.failure: Exception | None = None

    @property
    def consumed(self) -> list[str]:
        """Tokens that were taken."""
        return list(self.supports)

    async def consume_support_token(
        self, token: str, *, request_id: str, size_bytes: int, storage_id: str
    ) -> Support:
        known = self.supports.get(token)
        if known is not None and known.request_id == request_id:
            return known
        if known is not None or storage_id not in self.storages:
            raise AlreadyExists
        return self._keep(Support(token, storage_id, size_bytes, request_id, f"name of {token}"))

    async def resize(self, support: Support, size_bytes: int) -> Support:
        self._check()
        return self._keep(replace(support, size_bytes=size_bytes))

    async def revoke(self, support: Support) -> int:
        self._check()
        self.supports.pop(support.space_id, None)
        self.revision += 1
        return self.revision

    async def register(self, storage: Storage) -> None:
        self._check()
        self.storages[storage.storage_id] = storage

    async def change(self, storage: Storage) -> None:
        self._check()
        if storage.storage_id not in self.storages:
            raise NotFound
        self.storages[storage.storage_id] = storage

    async def forget(self, storage_id: str) -> None:
        self._check()
        self.storages.pop(storage_id, None)

    def _keep(self, support: Support) -> Support:
        self.revision += 1
        self.supports[support.space_id] = replace(support, revision=self.revision)
        return self.supports[support.space_id]

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


class SpacesTwin:
    """Notes quotas with the revision each is of, and fails while told to."""

    def __init__(self) -> None:
        self.quotas: dict[str, int] = {}
        self.revisions: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.failure: Exception | None = None

    async def ensure_space(self, space_id: str, *, quota_bytes: int, revision: int) -> None:
        if self.failure is not None:
            raise self.failure
        if revision >= self.revisions.get(space_id, 0):
            self.quotas[space_id] = quota_bytes
            self.revisions[space_id] = revision

    async def used_bytes(self, space_id: str) -> int:
        return self.used.get(space_id, 0)


class StatsTwin:
    """Metadata's statistics and what the zone was told of them."""

    def __init__(self) -> None:
        self.status = "disabled"
        self.switched: list[bool] = []
        self.reported: list[str] = []
        self.asked: list[bool] = []
        self.failure: Exception | None = None

    async def dir_stats(self, space_id: str) -> str:
        if self.failure is not None:
            raise self.failure
        return self.status

    async def switch_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        self.switched.append(enabled)
        self.status = "initializing" if enabled else "stopping"

    async def request_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        if self.failure is not None:
            raise self.failure
        self.asked.append(enabled)

    async def report_dir_stats(self, space_id: str, status: str) -> None:
        self.reported.append(status)


class RemovalsTwin:
    """Metadata's removals and references."""

    def __init__(self) -> None:
        self.removals: list[Removal] = []
        self.confirmed: list[Removal] = []
        self.referenced: set[str] = set()
        self.asked: list[int] = []

    async def list(self, storage_ids: Sequence[str], *, limit: int) -> Sequence[Removal]:
        return [each for each in self.removals if each.storage_id in storage_ids][:limit]

    async def confirm(self, removals: Sequence[Removal]) -> None:
        assert len({each.space_id for each in removals}) == 1
        self.confirmed += removals
        self.removals = [each for each in self.removals if each not in removals]

    async def find(self, storage_id: str, storage_file_ids: Sequence[str]) -> set[str]:
        self.asked.append(len(storage_file_ids))
        return self.referenced & set(storage_file_ids)


@dataclass
class Router:
    """One instance over memory, with storage `st1` supporting `SPACE`."""

    store: MemoryStorageStore = field(default_factory=MemoryStorageStore)
    drivers: MemoryDrivers = field(default_factory=MemoryDrivers)
    zone: ZoneTwin = field(default_factory=ZoneTwin)
    spaces: SpacesTwin = field(default_factory=SpacesTwin)
    removals: RemovalsTwin = field(default_factory=RemovalsTwin)
    contents: ContentsTwin = field(default_factory=ContentsTwin)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.store, self.drivers)
        self.storages = Storages(self.store, self.drivers, self.zone, self.clock)
        self.supports = Supports(self.store, self.zone, self.zone, self.spaces)

    async def open(self, **options: Any) -> Router:
        """With the storage and its support."""
        storage = Storage("st1", "disk", "memory", {"mount_point": "/m"}, request_id="r1", **options)
        await self.store.add_storage(storage)
        await self.store.put_support(Support(SPACE, "st1", 1000, "r2"))
        await self.catalog.refresh()
        return self

    @property
    def driver(self) -> Faulty:
        """The driver of `st1`."""
        return self.drivers.made["/m"]

    async def stored(self, space_id: str = SPACE) -> list[str]:
        """Ids of all storage files of a space."""
        found = await self.driver.inner.list_files(f"/{space_id}")
        return [each.storage_file_id for each in found]
