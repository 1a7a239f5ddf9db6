"""The stores of contents in memory: locations, quotas, uploads under way, the change log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from runtime.errors import SpaceNotSupported
from services.metadata.domain.change_books import Change, LogEnds
from services.metadata.domain.errors import IdTaken, RevisionConflict
from services.metadata.domain.locations import Location
from services.metadata.domain.stores import Intent, Usage


class FirstLocations(Protocol):
    """Locations in the records of their files."""

    def first_locations(self) -> Iterator[Location]: ...

    def first_location(self, file_id: str) -> Location | None: ...


class MemoryLocationStore:
    """Locations in a dictionary, and first ones in the records of their files."""

    def __init__(self, files: FirstLocations) -> None:
        self._files = files
        self._locations: dict[str, Location] = {}

    async def find(self, file_id: str) -> Location | None:
        return self._locations.get(file_id) or self._files.first_location(file_id)

    async def insert(self, location: Location) -> None:
        if location.file_id in self._locations:
            raise IdTaken(file_id=location.file_id)
        self._locations[location.file_id] = location

    async def replace(self, location: Location) -> None:
        old = await self.find(location.file_id)
        if old is None or old.revision != location.revision - 1:
            raise RevisionConflict(file_id=location.file_id)
        self._locations[location.file_id] = location

    async def remove(self, file_id: str, *, revision: int) -> None:
        old = self._locations.get(file_id)
        if old is not None and old.revision == revision:
            del self._locations[file_id]

    async def settle(self, settled: Sequence[tuple[str, int]]) -> None:
        for file_id, revision in settled:
            location = self._locations.get(file_id)
            if location is not None and location.revision == revision:
                self._locations[file_id] = replace(location, dirty_ms=None)

    async def list_dirty(self, *, before_ms: int, limit: int) -> Sequence[Location]:
        dirty = [
            (location.dirty_ms, location)
            for location in self._locations.values()
            if location.dirty_ms is not None and location.dirty_ms < before_ms
        ]
        return [location for _, location in sorted(dirty, key=lambda item: item[0])[:limit]]

    async def list_garbage(
        self, storage_ids: Collection[str], *, before_ms: int, limit: int
    ) -> Sequence[Location]:
        found = []
        for location in self._locations.values():
            times = [item.since_ms for item in location.garbage if item.storage_id in storage_ids]
            if times and min(times) < before_ms:
                found.append((min(times), location))
        return [location for _, location in sorted(found, key=lambda item: item[0])[:limit]]

    async def find_references(
        self, storage_id: str, storage_file_ids: Collection[str], *, with_garbage: bool = True
    ) -> set[str]:
        found = set()
        for location in self._all():
            if location.storage_id == storage_id:
                found.add(location.storage_file_id)
            garbage = location.garbage if with_garbage else ()
            found.update(item.storage_file_id for item in garbage if item.storage_id == storage_id)
        return found & set(storage_file_ids)

    async def held_bytes(self, space_id: str) -> int:
        return sum(item.held_bytes for item in self._all() if item.space_id == space_id)

    def _all(self) -> Iterator[Location]:
        yield from self._locations.values()
        yield from self._files.first_locations()


class MemoryQuotaStore:
    """Quotas and leases in dictionaries. `now_s`: what tells the age of a lease."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._usages: dict[str, Usage] = {}
        self._revisions: dict[str, int] = {}
        self._leases: dict[str, dict[str, tuple[int, float]]] = {}

    async def ensure(self, space_id: str, quota_bytes: int, *, revision: int = 0) -> Usage:
        usage = self._usages.get(space_id) or Usage(space_id, 0, 0)
        if revision:
            if revision < self._revisions.get(space_id, 0):
                return usage
            self._revisions[space_id] = revision
        self._usages[space_id] = replace(usage, quota_bytes=quota_bytes)
        return self._usages[space_id]

    async def find(self, space_id: str) -> Usage | None:
        return self._usages.get(space_id)

    async def lease(
        self, space_id: str, holder: str, *, spent_bytes: int, needed_bytes: int, spare_bytes: int
    ) -> tuple[Usage, int]:
        usage = self._usages.get(space_id)
        if usage is None:
            raise SpaceNotSupported(space_id=space_id)
        leases = self._leases.setdefault(space_id, {})
        leases.pop(holder, None)
        used_bytes = max(0, usage.used_bytes + spent_bytes)
        free_bytes = usage.quota_bytes - used_bytes - sum(size for size, _ in leases.values())
        granted_bytes = min(needed_bytes + spare_bytes, free_bytes) if needed_bytes <= free_bytes else 0
        if granted_bytes:
            leases[holder] = granted_bytes, self._now_s()
        return self._use(usage, used_bytes), granted_bytes

    async def lapse(self, *, unheard_s: float) -> Sequence[str]:
        before_s = self._now_s() - unheard_s
        lapsed = []
        for space_id, leases in self._leases.items():
            old = [holder for holder, (_, renewed_s) in leases.items() if renewed_s < before_s]
            if old:
                usage = self._usages[space_id]
                self._use(usage, usage.used_bytes + sum(leases.pop(holder)[0] for holder in old))
                lapsed.append(space_id)
        return lapsed

    async def mend(self, usage: Usage, used_bytes: int) -> bool:
        now = self._usages.get(usage.space_id)
        if now is None or now.version != usage.version:
            return False
        self._use(now, used_bytes)
        return True

    async def list_spaces(self, *, after: str, limit: int) -> Sequence[str]:
        return sorted(space_id for space_id in self._usages if space_id > after)[:limit]

    def _use(self, usage: Usage, used_bytes: int) -> Usage:
        leased_bytes = sum(size for size, _ in self._leases.get(usage.space_id, {}).values())
        changed = replace(usage, used_bytes=used_bytes, leased_bytes=leased_bytes, version=usage.version + 1)
        self._usages[usage.space_id] = changed
        return changed


class MemoryIntentStore:
    """Uploads under way in a dictionary."""

    def __init__(self) -> None:
        self._intents: dict[str, Intent] = {}

    async def put(self, intent: Intent) -> None:
        self._intents[intent.request_id] = intent

    async def find(self, request_id: str) -> Intent | None:
        return self._intents.get(request_id)

    async def remove(self, request_ids: Collection[str]) -> None:
        for request_id in request_ids:
            self._intents.pop(request_id, None)

    async def list_abandoned(
        self, storage_ids: Collection[str], *, before_ms: int, limit: int
    ) -> Sequence[Intent]:
        due = [
            intent
            for intent in self._intents.values()
            if intent.abandoned and intent.storage_id in storage_ids and intent.time_ms < before_ms
        ]
        return sorted(due, key=lambda intent: intent.time_ms)[:limit]

    async def remove_abandoned(self, storage_files: Collection[tuple[str, str]]) -> None:
        for intent in list(self._intents.values()):
            if intent.abandoned and (intent.storage_id, intent.storage_file_id) in storage_files:
                del self._intents[intent.request_id]

    async def find_references(
        self, storage_id: str, storage_file_ids: Collection[str], *, living: Collection[str] = ()
    ) -> set[str]:
        named = {
            intent.storage_file_id
            for intent in self._intents.values()
            if intent.storage_id == storage_id
            and (not living or intent.abandoned or intent.holder in (*living, ""))
        }
        return named & set(storage_file_ids)

    async def expire(self, *, before_ms: int, limit: int) -> int:
        due = [i.request_id for i in self._intents.values() if not i.abandoned and i.time_ms < before_ms]
        await self.remove(due[:limit])
        return len(due[:limit])


class MemoryChangeLog:
    """A change log that tests write by hand."""

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    async def list(self, space_id: str, *, after_sequence: int, limit: int) -> Sequence[Change]:
        return [item for item in self.changes.get(space_id, ()) if item.sequence > after_sequence][:limit]

    async def ends(self, space_id: str) -> LogEnds:
        changes = self.changes.get(space_id)
        return LogEnds(changes[0].sequence, changes[-1].sequence) if changes else LogEnds(1, 0)

    async def heads(self, space_ids: Collection[str]) -> Mapping[str, int]:
        return {
            id: changes[-1].sequence for id, changes in self.changes.items() if changes and id in space_ids
        }
