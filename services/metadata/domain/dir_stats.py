"""Statistics of directories: collected in the background, told to whoever may know of the directory.

A space is counted while it is switched on. First what is there is listed, a page at a time, while the change
log is followed from where it was; from then on the log alone is enough. Every page of either is one change of
the books, with how far it went, so whoever collects can be killed at any moment and is continued by the next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from runtime.clock import Clock
from runtime.errors import FailedPrecondition, InvalidArgument, NotADirectory
from runtime.identity import Identity, Kind

from .change_books import ChangeLog
from .dir_books import WINDOWS, BooksChange, DirStatsStore
from .dir_ledger import Ledger
from .dir_sums import CountedDirectory, CountedFile, DirSums, SpaceStats, StatsState, Window
from .errors import Forbidden, LostRace, RevisionConflict
from .locations import Location
from .paths import FileRef, Paths
from .quotas import require_insider
from .records import File, root_id, tmp_id, trash_id
from .retries import patient_attempts
from .stores import FileStore, LocationStore, Position
from .tree import Tree

log = structlog.get_logger(__name__)

MAX_WINDOWS = 1000
#: Entries of the log, or children of a directory, counted as one change of the books.
PAGE = 100
#: Directories, and files, that are forgotten at once when a space is switched off or counted again.
DROP_AT_ONCE = 1000
#: How long it is believed whether a space is counted.
KNOWN_FOR_S = 5.0
MAX_KNOWN = 10_000


class DirStatsDisabled(FailedPrecondition):
    """Statistics of directories are not collected in this space."""

    reason = "DIR_STATS_DISABLED_FOR_SPACE"


class DirStatsNotReady(FailedPrecondition):
    """What was there before is still being counted."""

    reason = "DIR_STATS_NOT_READY"


@dataclass(frozen=True, slots=True)
class _Records:
    """The stores themselves: what a cache holds may be older than what the log says."""

    space_id: str
    store: FileStore
    replicas: LocationStore

    async def file(self, file_id: str) -> File | None:
        file = await self.store.find(file_id)
        return file if file is not None and file.space_id == self.space_id else None

    async def location(self, file: File) -> Location | None:
        if not file.location_revision:
            return None
        location = await self.replicas.find(file.file_id)
        return location if location is not None and not location.retired else None


@dataclass(frozen=True, slots=True)
class _Books:
    store: DirStatsStore
    space: SpaceStats

    async def directories(self, ids: Sequence[str]) -> Mapping[str, CountedDirectory]:
        return await self.store.directories(self.space, ids)

    async def files(self, ids: Sequence[str]) -> Mapping[str, CountedFile]:
        return await self.store.files(self.space, ids)


class DirStats:
    """Switches, collects and tells."""

    def __init__(
        self,
        store: DirStatsStore,
        files: FileStore,
        locations: LocationStore,
        log_: ChangeLog,
        tree: Tree,
        paths: Paths,
        clock: Clock,
    ) -> None:
        self._store = store
        self._files = files
        self._locations = locations
        self._log = log_
        self._tree = tree
        self._paths = paths
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, SpaceStats | None]] = OrderedDict()

    # --- switching ---

    async def switch(self, identity: Identity, space_id: str, *, enabled: bool) -> None:
        """Begins to count a space, or forgets all that was counted. Idempotent.

        Operators switch it at the zone, which decides.
        """
        if identity.kind is not Kind.SERVICE:
            raise Forbidden("for services only")
        await self._tree.require_space(space_id)
        async for _ in patient_attempts():
            try:
                await self._switch(space_id, enabled=enabled)
            except RevisionConflict:
                continue  # who collects was at it in this moment
            return
        raise LostRace(space_id=space_id)

    async def state(self, identity: Identity, space_id: str) -> StatsState:
        """Whether a space is counted. Raises `SpaceNotSupported`."""
        require_insider(identity)
        await self._tree.require_space(space_id)
        space = await self._store.find_space(space_id)
        return StatsState.DISABLED if space is None else space.state

    async def _switch(self, space_id: str, *, enabled: bool) -> None:
        self._known.pop(space_id, None)
        space = await self._store.find_space(space_id)
        if enabled and (space is None or space.dropping):
            head = (await self._log.heads([space_id])).get(space_id, 0)
            if space is None:
                await self._store.insert_space(SpaceStats(space_id, head))
            else:
                await self._begin_again(space, head)
        elif not enabled and space is not None and not space.dropping:
            await self._store.commit(BooksChange(_next(space, dropping=True, ready=False)))

    async def recount(self, identity: Identity, space_id: str) -> None:
        """Counts a space from nothing; history stays."""
        require_insider(identity)
        async for _ in patient_attempts():
            space = await self._require(space_id, ready=False)
            try:
                await self._begin_again(space, (await self._log.heads([space_id])).get(space_id, 0))
            except RevisionConflict:
                continue
            return
        raise LostRace(space_id=space_id)

    async def _begin_again(self, space: SpaceStats, head: int) -> None:
        self._known.pop(space.space_id, None)
        again = _next(space, position=head, ready=False, dropping=False, era=space.era + 1)
        await self._store.commit(BooksChange(again))

    # --- collecting ---

    async def collect(self) -> int:
        """Counts on in every space, a step or two each; answers how much there was to do."""
        done, after = 0, ""
        while page := await self._store.list_spaces(after=after, limit=PAGE):
            for space in page:
                try:
                    done += await self._collect(space)
                except RevisionConflict:
                    # Somebody else counts, or switches, this space at this moment.
                    done += 1
            after = page[-1].space_id
        return done

    async def _collect(self, space: SpaceStats) -> int:
        if space.dropping:
            dropped = await self._store.drop(space, all_eras=True, limit=DROP_AT_ONCE)
            if not dropped:
                await self._store.remove_space(space)
            return dropped
        dropped = await self._store.drop(space, all_eras=False, limit=DROP_AT_ONCE) if space.era > 1 else 0
        space, followed = await self._follow(space)
        if space.ready:
            return dropped + followed
        return dropped + followed + await self._list_one(space)

    async def _follow(self, space: SpaceStats) -> tuple[SpaceStats, int]:
        """Counts what the next page of the log tells of."""
        entries = await self._log.list(space.space_id, after_sequence=space.position, limit=PAGE)
        ends = await self._log.ends(space.space_id)
        if space.position + 1 < ends.first:
            log.warning("dir_stats_count_again", space_id=space.space_id)
            await self._begin_again(space, ends.last)
            return space, 1
        if not entries:
            return space, 0
        ledger = self._ledger(space)
        for file_id in dict.fromkeys(entry.file_id for entry in entries):
            await ledger.settle(file_id)
        return await self._commit(ledger, _next(space, position=entries[-1].sequence)), len(entries)

    async def _list_one(self, space: SpaceStats) -> int:
        """Counts a page of what was there before; the last one makes the space ready."""
        ledger = self._ledger(space)
        directory = await self._store.find_unlisted(space)
        if directory is None:
            known = await self._store.directories(space, [root_id(space.space_id)])
            if known:
                await self._commit(ledger, _next(space, ready=True))
                return 1
            # Nothing is counted yet: from there all else is found.
            await ledger.settle(root_id(space.space_id))
            await self._commit(ledger, _next(space))
            return 1
        await self._list_page(ledger, directory)
        await self._commit(ledger, _next(space))
        return 1

    async def _list_page(self, ledger: Ledger, directory: CountedDirectory) -> None:
        """The children of a directory after those listed; of the space's, what is in the trash, too."""
        parent_id, listed_to = directory.directory_id, directory.listed_to or ""
        if parent_id == root_id(ledger.space_id) and not listed_to:
            # Listings leave it out.
            await ledger.settle(tmp_id(ledger.space_id))
        in_trash = listed_to.startswith("/")
        if in_trash:
            parent_id, listed_to = trash_id(ledger.space_id), listed_to[1:]
        start = Position(listed_to, "\U0010ffff") if listed_to else None
        children = await self._files.list_children(parent_id, start=start, inclusive=False, limit=PAGE)
        for child in children:
            await ledger.settle(child.file_id)
        after: str | None = None
        if len(children) == PAGE:
            after = children[-1].name
        elif directory.directory_id == root_id(ledger.space_id) and not in_trash:
            after = ""
            in_trash = True
        if after is not None and in_trash:
            after = f"/{after}"
        await ledger.listed(directory.directory_id, after)

    def _ledger(self, space: SpaceStats) -> Ledger:
        return Ledger(
            space.space_id,
            _Records(space.space_id, self._files, self._locations),
            _Books(self._store, space),
            listing=not space.ready,
        )

    async def _commit(self, ledger: Ledger, space: SpaceStats) -> SpaceStats:
        directories = {each: ledger.directories[each] for each in sorted(ledger.changed)}
        files = {each: ledger.files[each] for each in sorted(ledger.changed_files)}
        kept = [each for each in directories.values() if each is not None]
        # History first: it is noted again, the same, when this is the last that happens.
        if kept:
            sums = {each.directory_id: each.sums for each in kept}
            await self._store.note(space.space_id, sums, self._clock.now_ms() // 1000)
        await self._store.commit(
            BooksChange(
                space,
                kept,
                [each for each in files.values() if each is not None],
                [id for id, each in directories.items() if each is None],
                [id for id, each in files.items() if each is None],
            )
        )
        return space

    # --- telling ---

    async def sums(self, identity: Identity, ref: FileRef) -> DirSums:
        """Sums of a directory now. Raises `NotADirectory`, `DirStatsDisabled`, `DirStatsNotReady`."""
        directory, space = await self._find(identity, ref)
        found = await self._store.directories(space, [directory.file_id])
        if directory.file_id not in found:
            raise DirStatsNotReady(file_id=directory.file_id)
        return found[directory.file_id].sums

    async def windows(
        self, identity: Identity, ref: FileRef, step_s: int, *, start_s: int, stop_s: int, limit: int
    ) -> Sequence[Window]:
        """How the sums went, newest first, between two times, which are no limit when 0."""
        if step_s not in WINDOWS or not 1 <= limit <= MAX_WINDOWS:
            raise InvalidArgument("no such windows", step_s=step_s, limit=limit)
        directory, _ = await self._find(identity, ref)
        now_s = self._clock.now_ms() // 1000
        oldest_s = now_s - WINDOWS[step_s] * step_s
        return await self._store.windows(
            directory.space_id,
            directory.file_id,
            step_s,
            first_s=max(stop_s, oldest_s),
            last_s=start_s or now_s,
            limit=limit,
        )

    async def sizes(self, space_id: str, directory_ids: Collection[str]) -> Mapping[str, int]:
        """Logical sizes of directories that are counted, by id; nothing where that is off or not ready."""
        space = await self._counted(space_id) if directory_ids else None
        if space is None:
            return {}
        found = await self._store.directories(space, directory_ids)
        return {directory_id: each.sums.logical for directory_id, each in found.items()}

    async def size(self, space_id: str, directory_id: str) -> int | None:
        """That of one directory; None where `sizes` tells nothing."""
        return (await self.sizes(space_id, [directory_id])).get(directory_id)

    async def counts(self, space_id: str) -> bool:
        """Whether directories of the space have sizes."""
        return await self._counted(space_id) is not None

    async def _counted(self, space_id: str) -> SpaceStats | None:
        space = await self._space(space_id)
        return None if space is None or space.dropping or not space.ready else space

    async def _find(self, identity: Identity, ref: FileRef) -> tuple[File, SpaceStats]:
        found = await self._paths.resolve(identity, ref)
        if not found.file.is_directory:
            raise NotADirectory(file_id=found.file.file_id)
        return found.file, await self._require(ref.space_id, ready=True)

    async def _require(self, space_id: str, *, ready: bool) -> SpaceStats:
        space = await self._store.find_space(space_id)
        if space is None or space.dropping:
            raise DirStatsDisabled(space_id=space_id)
        if ready and not space.ready:
            raise DirStatsNotReady(space_id=space_id)
        return space

    async def _space(self, space_id: str) -> SpaceStats | None:
        now_s = self._clock.monotonic_s()
        known = self._known.get(space_id)
        if known is not None and now_s < known[0]:
            return known[1]
        space = await self._store.find_space(space_id)
        self._known[space_id] = (now_s + KNOWN_FOR_S, space)
        self._known.move_to_end(space_id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return space


def _next(space: SpaceStats, **changes: object) -> SpaceStats:
    return replace(space, revision=space.revision + 1, **changes)  # type: ignore[arg-type]  # of its own fields
