"""Removing storage files: those metadata has given up, and those it never heard of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import FailedPrecondition, IsthmusError
from services.storage_router.domain.choice import is_ours
from services.storage_router.domain.drivers import Driver, StorageFile

#: Files looked at in one step; the most metadata answers for at once.
PAGE = 1000
#: From this many old files on, a page of which most are unknown to metadata stops a sweep.
SUSPICIOUS_FILES = 100


class SweepSuspicious(FailedPrecondition):
    """Metadata knows so few of the files that its answer is not believed."""

    reason = "SWEEP_SUSPICIOUS"


@dataclass(frozen=True, slots=True)
class Removal:
    """A storage file that metadata has given up."""

    space_id: str
    file_id: str
    storage_id: str
    storage_file_id: str
    size_bytes: int


class Removals(Protocol):
    """Metadata's list of what can go."""

    async def list(self, storage_ids: Sequence[str], *, limit: int) -> Sequence[Removal]:
        """The oldest ones on these storages."""
        ...

    async def confirm(self, removals: Sequence[Removal]) -> None:
        """They are gone; the quota is free. Idempotent."""
        ...


class References(Protocol):
    """Metadata's knowledge of storage files."""

    async def find(self, storage_id: str, storage_file_ids: Sequence[str]) -> set[str]:
        """Those it refers to, of at most 1000."""
        ...


class SweepStore(Protocol):
    """How far sweeps came."""

    async def get_cursor(self, storage_id: str) -> str:
        """The last storage file looked at; empty at the beginning."""
        ...

    async def put_cursor(self, storage_id: str, cursor: str) -> None:
        """Remembers it."""
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What one step did. `cursor` is empty when the storage was seen to its end."""

    examined: int
    removed: int
    cursor: str


class Sweep:
    """Looks through one storage, folder by folder of the spaces it supports, and removes orphans.

    Only files in our layout, in folders of spaces this storage supports, and older than the minimum age are
    judged: an upload under way is younger, and what others put there is none of our business.
    """

    def __init__(self, storage_id: str, driver: Driver, references: References) -> None:
        self._storage_id = storage_id
        self._driver = driver
        self._references = references

    async def step(
        self, spaces: Sequence[str], cursor: str, *, older_than_ms: int, force: bool = False
    ) -> Swept:
        """The next page behind `cursor`. SweepSuspicious, unless `force`."""
        current = cursor.split("/")[1] if cursor else ""
        for space_id in sorted(spaces):
            if space_id < current:
                continue
            after = cursor if space_id == current else ""
            page = await self._driver.list_files(f"/{space_id}", after=after, limit=PAGE)
            if page:
                removed = await self._judge(page, older_than_ms, force=force)
                return Swept(len(page), removed, page[-1].storage_file_id)
        return Swept(0, 0, "")

    async def _judge(self, page: Sequence[StorageFile], older_than_ms: int, *, force: bool) -> int:
        old = [
            file.storage_file_id
            for file in page
            if file.mtime_ms <= older_than_ms and is_ours(file.storage_file_id)
        ]
        if not old:
            return 0
        known = await self._references.find(self._storage_id, old)
        orphans = [storage_file_id for storage_file_id in old if storage_file_id not in known]
        if not force and len(orphans) >= SUSPICIOUS_FILES and len(orphans) > len(old) // 2:
            # A metadata store restored from the wrong place would know nothing, and all would be removed.
            raise SweepSuspicious(storage_id=self._storage_id, unknown=len(orphans), looked_at=len(old))
        for storage_file_id in orphans:
            await self._driver.delete(storage_file_id)
        return len(orphans)


async def remove_all(driver: Driver, removals: Sequence[Removal]) -> tuple[list[Removal], list[IsthmusError]]:
    """Deletes storage files; those that are gone now, and the errors of the others."""
    gone: list[Removal] = []
    failures: list[IsthmusError] = []
    for removal in removals:
        try:
            await driver.delete(removal.storage_file_id)
            gone.append(removal)
        except IsthmusError as error:
            failures.append(error)
    return gone, failures
