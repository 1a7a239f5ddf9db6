"""Publishing new content of existing files.

Changes of one file queue up, and all that gathered while the last ones were written become one update of its
location and one of its record. Order: quota, location, file record; the location is marked dirty until the
file record mirrors it, so whatever a crash leaves between the two is found and mended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.clock import Clock
from runtime.errors import IsthmusError, NoSpace, NoSuchFile, Unavailable

from .errors import IdTaken, LostRace, RevisionConflict
from .locations import Location, Upload
from .quotas import Quotas
from .records import File
from .replicas import Replicas
from .retries import attempts
from .settled import Settled
from .tree import Tree

#: Changes of one file in one update.
MAX_TOGETHER = 64
NO_TIMES: Mapping[str, int] = {}


@dataclass(slots=True)
class _Job:
    upload: Upload
    file_changes: Mapping[str, Any]
    times: Mapping[str, int]
    answer: asyncio.Future[File] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # whoever waits still gets it; nobody waiting is no fault


class ContentWriter:
    """Applies uploads to files."""

    def __init__(
        self, tree: Tree, replicas: Replicas, quotas: Quotas, settled: Settled, clock: Clock
    ) -> None:
        self._tree = tree
        self._replicas = replicas
        self._quotas = quotas
        self._settled = settled
        self._clock = clock
        self._queues: dict[str, deque[_Job]] = {}
        self._writers: set[asyncio.Task[None]] = set()

    async def write(
        self,
        file: File,
        upload: Upload,
        file_changes: Mapping[str, Any],
        times: Mapping[str, int] = NO_TIMES,
    ) -> File:
        """Applies one upload; the file as it is then. `file_changes`: other fields of the record to set.
        `times`: what to set for the times in the place of now.

        Raises `NoSpace`, `StaleUpload`, `TooFragmented`, `NoSuchFile`, `LostRace`. An upload that was applied
        before is not applied again.
        """
        job = _Job(upload, file_changes, times)
        queue = self._queues.get(file.file_id)
        if queue is None:
            self._queues[file.file_id] = deque([job])
            writer = asyncio.get_running_loop().create_task(self._drain(file.space_id, file.file_id))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        else:
            queue.append(job)
        return await job.answer

    async def mirror(
        self,
        file: File,
        location: Location,
        file_changes: Mapping[str, Any],
        times: Mapping[str, int] = NO_TIMES,
    ) -> File:
        """Has the file record say what the location says. Raises `NoSuchFile` when the file is deleted.

        `times`: those of the file that are not those of this change.
        """
        async for attempt in attempts():
            if attempt:
                fresh = await self._tree.find(file.space_id, file.file_id, fresh=True)
                if fresh is None:
                    raise NoSuchFile(file_id=file.file_id)
                file = fresh
            if file.deleted:
                raise NoSuchFile(file_id=file.file_id)
            changes = {**file_changes, **_mirrored(file, location)}
            if not changes:
                return file
            changes["ctime_ms"] = max(file.ctime_ms, self._clock.now_ms())
            changed = file.changed(**{**changes, **times})
            try:
                await self._tree.replace(changed)
            except RevisionConflict:
                continue
            return changed
        raise LostRace(file_id=file.file_id)

    async def retire(self, location: Location) -> None:
        """The file is gone: everything of its location becomes garbage. Idempotent."""
        async for attempt in attempts():
            if attempt:
                fresh = await self._replicas.find(location.space_id, location.file_id, fresh=True)
                if fresh is None:
                    return
                location = fresh
            if location.retired and not location.storage_file_id:
                return
            after = location.shrunk_to_garbage(self._clock.now_ms())
            try:
                await (self._replicas.replace(after) if after.garbage else self._replicas.remove(location))
            except RevisionConflict:
                continue
            return
        raise LostRace(file_id=location.file_id)

    async def close(self) -> None:
        """Waits for the changes under way."""
        await asyncio.gather(*self._writers, return_exceptions=True)

    async def _drain(self, space_id: str, file_id: str) -> None:
        queue = self._queues[file_id]
        jobs: list[_Job] = []
        try:
            # One turn of the loop: whoever else is ready comes along.
            await asyncio.sleep(0)
            while queue:
                jobs = [queue.popleft() for _ in range(min(len(queue), MAX_TOGETHER))]
                try:
                    await self._write(space_id, file_id, jobs)
                except Exception as error:  # noqa: BLE001  # whatever it is belongs to those who wait for it
                    for job in jobs:
                        job.fail(error)
        finally:
            del self._queues[file_id]
            for job in (*jobs, *queue):
                job.fail(Unavailable("the process is stopping", file_id=file_id))

    async def _write(self, space_id: str, file_id: str, jobs: Sequence[_Job]) -> None:
        jobs = [job for job in jobs if not job.answer.done()]
        async for attempt in attempts():
            fresh = attempt > 0
            file = await self._tree.find(space_id, file_id, fresh=fresh)
            stored = await self._replicas.find(space_id, file_id, fresh=fresh)
            before = stored or self._replicas.blank(space_id, file_id)
            if file is None or file.deleted or before.retired:
                raise NoSuchFile(file_id=file_id)
            after, applied, extra_bytes = self._plan(before, jobs)
            if not applied:
                return None
            if after is before:
                return await self._answer(file, before, applied)
            try:
                await self._quotas.charge(space_id, extra_bytes)
            except NoSpace:
                return await self._write_singly(space_id, file_id, applied)
            try:
                await self._put(after)
            except (RevisionConflict, IdTaken):
                await self._quotas.release(space_id, extra_bytes)
                continue
            await self._quotas.release(space_id, -extra_bytes)
            return await self._answer(file, after, applied)
        raise LostRace(file_id=file_id)

    async def _write_singly(self, space_id: str, file_id: str, jobs: Sequence[_Job]) -> None:
        """All together are too much for the quota: some may still fit, in their order."""
        if len(jobs) == 1:
            raise NoSpace("the quota of the space is used up", space_id=space_id)
        for job in jobs:
            try:
                await self._write(space_id, file_id, [job])
            except IsthmusError as error:
                job.fail(error)

    def _plan(self, before: Location, jobs: Sequence[_Job]) -> tuple[Location, list[_Job], int]:
        """The location after all jobs that can be applied; the others are told why not."""
        location, applied, extra_bytes = before, [], 0
        now_ms = self._clock.now_ms()
        for job in jobs:
            upload = job.upload
            if location.knows(upload) or _changes_nothing(location, upload):
                applied.append(job)
                continue
            try:
                changed = location.applied(upload, now_ms)
            except IsthmusError as error:
                job.fail(error)
                continue
            extra_bytes += location.extra_bytes(upload)
            location = changed
            applied.append(job)
        if location is not before:
            location = replace(location, revision=before.revision + 1)
        return location, applied, extra_bytes

    async def _put(self, location: Location) -> None:
        if location.revision == 1:
            await self._replicas.insert(location)
        else:
            await self._replicas.replace(location)

    async def _answer(self, file: File, location: Location, jobs: Sequence[_Job]) -> None:
        changes: dict[str, Any] = {}
        for job in jobs:
            changes.update(job.file_changes)
            changes["op_id"] = job.upload.op_id
        try:
            mirrored = await self.mirror(file, location, changes, jobs[-1].times)
        except NoSuchFile:
            await self.retire(location)
            raise
        if location.revision:
            self._settled.location(location.file_id, location.revision)
        for job in jobs:
            if not job.answer.done():
                job.answer.set_result(mirrored)


def _changes_nothing(location: Location, upload: Upload) -> bool:
    """An empty body at an offset, or for a file that never had content."""
    return not upload.has_storage_file and not (
        upload.replaces and location.generation + len(location.blocks)
    )


def _mirrored(file: File, location: Location) -> dict[str, Any]:
    """What changes in the record; nothing when it mirrors this revision, or a later one, already."""
    if file.location_revision >= location.revision:
        return {}
    return {
        "size_bytes": location.size_bytes,
        "local_bytes": location.local_bytes,
        "location_revision": location.revision,
        # From its first change on the location is a record of its own.
        "location": None,
        "mtime_ms": max(file.mtime_ms, location.changed_ms),
    }
