"""Storage files that nothing refers to any more, for those who remove them from the storages."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from runtime.clock import Clock
from runtime.errors import InvalidArgument
from runtime.identity import Identity

from .errors import LostRace, RevisionConflict
from .locations import Location
from .quotas import Quotas, require_insider
from .replicas import Replicas
from .retries import attempts
from .stores import Intent, IntentStore, LocationStore
from .tree import Tree

MAX_PAGE_SIZE = 1000
#: Who has just been told where a file lies gets this time to open it.
GARBAGE_RESTS_MS = 3_000
#: A commit that was refused may have a twin under way that succeeds; by then it is over.
ABANDONED_RESTS_MS = 60_000
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Removal:
    """One storage file to remove. `size_bytes` is what that gives back to the quota."""

    space_id: str
    file_id: str
    storage_id: str
    storage_file_id: str
    size_bytes: int


#: `list` means a method inside the class.
Removing = list[Removal]


class Removals:
    """Lists what to remove, and forgets what was removed."""

    def __init__(
        self,
        locations: LocationStore,
        intents: IntentStore,
        tree: Tree,
        replicas: Replicas,
        quotas: Quotas,
        clock: Clock,
    ) -> None:
        self._locations = locations
        self._intents = intents
        self._tree = tree
        self._replicas = replicas
        self._quotas = quotas
        self._clock = clock

    async def list(
        self, identity: Identity, storage_ids: Collection[str], page_size: int
    ) -> Sequence[Removal]:
        """Storage files to remove from these storages, oldest first."""
        require_insider(identity)
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=page_size)
        before_ms = self._clock.now_ms() - GARBAGE_RESTS_MS
        locations = await self._locations.list_garbage(storage_ids, before_ms=before_ms, limit=page_size)
        removals = [
            Removal(
                location.space_id, location.file_id, item.storage_id, item.storage_file_id, item.size_bytes
            )
            for location in locations
            for item in location.garbage
            if item.storage_id in storage_ids and item.since_ms < before_ms
        ]
        removals = await self._without_registered(removals)
        if len(removals) < page_size:
            removals += await self._list_abandoned(storage_ids, page_size - len(removals))
        return removals[:page_size]

    async def confirm(self, identity: Identity, removals: Sequence[Removal]) -> None:
        """These storage files are gone: gives the quota back. Idempotent."""
        require_insider(identity)
        if len(removals) > MAX_PAGE_SIZE:
            raise InvalidArgument("too many removals at once", count=len(removals))
        by_file: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for removal in removals:
            key = (removal.space_id, removal.file_id)
            by_file.setdefault(key, set()).add((removal.storage_id, removal.storage_file_id))
        await self._intents.remove_abandoned([item for items in by_file.values() for item in items])
        files = list(by_file.items())
        for first in range(0, len(files), _AT_ONCE):
            some = files[first : first + _AT_ONCE]
            await asyncio.gather(*(self._confirm(*key, storage_files) for key, storage_files in some))

    async def find_references(
        self,
        identity: Identity,
        storage_id: str,
        storage_file_ids: Collection[str],
        *,
        living: Collection[str] = (),
    ) -> set[str]:
        """Those of the storage files that a location, an upload under way or a removal refers to.

        An upload whose holder is not among `living` is not under way any more, unless that is empty.
        """
        require_insider(identity)
        if len(storage_file_ids) > MAX_PAGE_SIZE:
            raise InvalidArgument("too many storage files at once", count=len(storage_file_ids))
        if not storage_file_ids:
            return set()
        # An upload goes from intent to location, so asked in this order none is missed.
        intended = await self._intents.find_references(storage_id, storage_file_ids, living=living)
        return intended | await self._locations.find_references(storage_id, storage_file_ids)

    async def _without_registered(self, removals: Sequence[Removal]) -> Removing:
        """A storage file of an owner may be registered twice: while another file has it, it stays."""
        kept: Removing = []
        for storage_id in {removal.storage_id for removal in removals}:
            there = [removal for removal in removals if removal.storage_id == storage_id]
            used = await self._locations.find_references(
                storage_id, [removal.storage_file_id for removal in there], with_garbage=False
            )
            for removal in there:
                if removal.storage_file_id not in used:
                    kept.append(removal)
                    continue
                storage_files = {(storage_id, removal.storage_file_id)}
                await self._confirm(removal.space_id, removal.file_id, storage_files)
        return kept

    async def _list_abandoned(self, storage_ids: Collection[str], limit: int) -> Sequence[Removal]:
        before_ms = self._clock.now_ms() - ABANDONED_RESTS_MS
        intents = await self._intents.list_abandoned(storage_ids, before_ms=before_ms, limit=limit)
        removals = []
        for storage_id in {intent.storage_id for intent in intents}:
            there = [intent for intent in intents if intent.storage_id == storage_id]
            used = await self._locations.find_references(storage_id, [i.storage_file_id for i in there])
            await self._intents.remove([i.request_id for i in there if i.storage_file_id in used])
            removals += [_removal(intent) for intent in there if intent.storage_file_id not in used]
        return removals

    async def _confirm(self, space_id: str, file_id: str, storage_files: set[tuple[str, str]]) -> None:
        async for attempt in attempts():
            location = await self._replicas.find(space_id, file_id, fresh=attempt > 0)
            if location is None:
                return None
            after, freed = location.without_garbage(storage_files)
            if after.garbage == location.garbage and not (location.retired and not location.garbage):
                if attempt:
                    return None
                continue
            try:
                if after.retired and not after.garbage and not await self._holds_first(location):
                    await self._replicas.remove(location)
                else:
                    await self._replicas.replace(after)
            except RevisionConflict:
                continue
            return await self._quotas.release(space_id, freed)
        raise LostRace(file_id=file_id)

    async def _holds_first(self, location: Location) -> bool:
        """Whether the file's record still holds its first location, which would be the location again."""
        file = await self._tree.find(location.space_id, location.file_id)
        return file is not None and file.location is not None


def _removal(intent: Intent) -> Removal:
    return Removal(intent.space_id, intent.file_id, intent.storage_id, intent.storage_file_id, 0)
