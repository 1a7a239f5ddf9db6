"""The work at one copy: from where its record says to its place.

A tree is walked in the order of its paths, parents before their children, so that one path says how far it
is. What was made before the last word in the record is made again and found made: every step is a request of
its own, named after the file it copies.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import structlog
from isthmus.metadata.v1 import copies_pb2, files_pb2, subtrees_pb2

from runtime.auth import ClusterKey, LastingIdentity, as_caller
from runtime.clock import Clock
from runtime.errors import (
    Aborted,
    AccessDenied,
    DeadlineExceeded,
    InternalError,
    IsthmusError,
    NoSuchFile,
    Unavailable,
)
from runtime.http import file_ids
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId
from runtime.request import bind
from services.gateway import metrics
from services.gateway.api.cdmi.duplicates import WANTED, Duplicates, Place, is_directory
from services.gateway.api.cdmi.updates import Update
from services.gateway.api.namespace import ref
from services.gateway.api.ports import CopyRecords, Metadata
from services.gateway.domain.cdmi.addresses import to_url_path
from services.gateway.domain.files import QUEUE, REGULAR, SYMLINK

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: How long the identity of who began the copy is believed at a time: longer than any one file takes.
IDENTITY_LIFE_MS = 7 * 24 * 3600 * 1000
#: Time between two words in the record, which also renew the lease of 30 s.
SAVE_INTERVAL_S = 3.0
#: After so long without a word that was heard somebody else may have the lease.
LEASE_SAFE_S = 20.0
#: Pauses between tries.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_PAGE_SIZE = 500
#: Files of one directory that are copied at a time.
_MAX_PARALLEL = 4
#: Files that are counted beforehand; of a larger tree nobody is told how much of it is done.
_COUNT_PAGE, _MAX_COUNT_PAGES = 10_000, 100

Path = tuple[str, ...]


class Lost(Exception):
    """Somebody else works at the copy, or it was given up."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run works with."""

    metadata: Metadata
    records: CopyRecords
    duplicates: Duplicates
    key: ClusterKey
    clock: Clock
    patience_s: float


@dataclass(frozen=True, slots=True)
class _Open:
    """A directory that is being filled. `source`: None when that is gone since."""

    path: Path
    source: files_pb2.File | None
    made: FileId


class CopyRun:
    """One lease of one copy."""

    def __init__(self, copy: copies_pb2.Copy, tools: Tools) -> None:
        self.copy = copy
        self._tools = tools
        self._identity = LastingIdentity(tools.key, copy.identity, life_ms=IDENTITY_LIFE_MS)
        # All of the source was found to be within the token's reach, and the workshop never is.
        self._identity.everywhere()
        self._progress = copies_pb2.CopyProgress()
        self._progress.CopyFrom(copy.progress)
        self._update = Update.FromString(copy.update) if copy.update else None
        position = orjson.loads(copy.progress.position or b"{}")
        self._token: str = position.get("token", "")
        self._last: Path | None = tuple(position["last"]) if "last" in position else None
        self._progress.copied_bytes = position.get("copied_bytes", 0)
        self._under_way: dict[str, int] = {}
        self._heard_s = time.monotonic()
        #: Whether somebody waits who is told why it is given up.
        self.is_awaited = False

    @property
    def told(self) -> dict[str, Any]:
        """What a line of the log tells of it."""
        return {
            "copied_bytes": self._progress.copied_bytes,
            "copied_files": self._progress.copied_files,
            "epoch": self.copy.epoch,
        }

    async def run(self) -> None:
        """Works until it is at its place. Raises Lost, or why it was given up.

        Cancelled, it gives its lease back.
        """
        saver = asyncio.create_task(self._save_regularly())
        work = asyncio.create_task(self._make_and_publish())
        try:
            await asyncio.wait({saver, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
            if work.cancelled():
                raise Lost
            work.result()
        except asyncio.CancelledError:
            await _ended(work, saver)
            await self._release()
            raise
        finally:
            await _ended(work, saver)

    async def _make_and_publish(self) -> None:
        copy = self.copy
        if copy.state == copies_pb2.COPY_STATE_COPYING:
            try:
                await self._make()
                with self._called():
                    await self._patiently(self._publish)
            except (IsthmusError, ApiError) as error:
                await self._give_up(error)
                raise
        refusal = await self._source_refused() if copy.moves else None
        ending = copies_pb2.EndCopyRequest(copy_id=copy.copy_id, epoch=copy.epoch, space_id=copy.space_id)
        await self._patiently(lambda: self._tools.records.end_copy(ending))
        if refusal is not None:
            raise refusal

    # -- copying ---------------------------------------------------------------------------------------

    async def _make(self) -> None:
        source = await self._source(())
        if source is None:
            raise NoSuchFile(file_id=self.copy.source_id)
        if is_directory(source):
            await self._make_tree(source)
            return
        self._progress.total_bytes, self._progress.total_files = source.size_bytes, 1
        with self._called():
            place = Place.inside(*self._inside(self._workshop), self.copy.name)
            await self._patiently(lambda: self._copy_file(source, place, self._update))

    async def _make_tree(self, root: files_pb2.File) -> None:
        if not self._progress.total_files:
            await self._count()
        stack = await self._resumed(root)
        while True:
            page = await self._page()
            if page.inaccessible_paths:
                raise AccessDenied("a directory may not be listed", path=page.inaccessible_paths[0])
            await self._take(page.entries, stack)
            if not page.next_page_token:
                break
            self._token = page.next_page_token
        while stack:
            await self._close(stack.pop())
        if await self._source(()) is None:
            # What was missing of late was no change of the tree, but its end.
            raise NoSuchFile(file_id=self.copy.source_id)

    async def _take(self, entries: Sequence[subtrees_pb2.SubtreeEntry], stack: list[_Open]) -> None:
        """Copies what a page tells of, in its order; files that follow each other together."""
        together: list[files_pb2.File] = []
        for entry in entries:
            path = _path_of(entry.path)
            if self._last is not None and _order(path) <= _order(self._last):
                continue
            if all(directory.path != path[:-1] for directory in stack):
                raise Aborted("the source was moved while it was copied", path=entry.path)
            leaves = stack[-1].path != path[:-1]
            if together and (leaves or is_directory(entry.file) or len(together) == _MAX_PARALLEL):
                await self._copy_together(together, stack[-1])
            while stack[-1].path != path[:-1]:
                await self._close(stack.pop())
            if is_directory(entry.file):
                stack.append(await self._open(entry.file, path, stack[-1]))
                self._last = path
            else:
                together.append(entry.file)
        if together:
            await self._copy_together(together, stack[-1])

    async def _copy_together(self, files: list[files_pb2.File], directory: _Open) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for file in files:
                    group.create_task(self._copy_child(file, directory))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        self._last = (*directory.path, files[-1].name)
        files.clear()

    async def _copy_child(self, file: files_pb2.File, directory: _Open) -> None:
        place = Place.inside(*self._inside(directory.made), file.name)
        with self._called(file.file_id) as request_id:
            try:
                if file.type == SYMLINK:
                    await self._patiently(lambda: self._tools.duplicates.link(file, place, request_id))
                elif file.type == QUEUE:
                    await self._patiently(lambda: self._tools.duplicates.queue(file, place, request_id))
                elif file.type == REGULAR:
                    await self._patiently(lambda: self._copy_file(file, place, None))
            except NoSuchFile:
                # What is gone by now is as if it had gone before it was listed.
                if await self._is_there(file):
                    raise

    async def _is_there(self, file: files_pb2.File) -> bool:
        return await self._found(FileId(file.space_id, file.file_id), ()) is not None

    async def _copy_file(self, file: files_pb2.File, place: Place, update: Update | None) -> None:
        """A regular file. Raises NoSuchFile also as a data port tells it."""

        def told(copied_bytes: int) -> None:
            self._under_way[file.file_id] = copied_bytes

        try:
            await self._tools.duplicates.file(file, place, update, told)
        except ApiError as error:
            if error.details == {"errno": "enoent"}:
                raise NoSuchFile(file_id=file.file_id) from error
            raise
        finally:
            self._under_way.pop(file.file_id, None)
        self._progress.copied_bytes += file.size_bytes
        self._progress.copied_files += 1
        metrics.COPIED_BYTES.inc(file.size_bytes)

    async def _open(self, file: files_pb2.File, path: Path, parent: _Open) -> _Open:
        place = Place.inside(*self._inside(parent.made), file.name)
        with self._called(file.file_id) as request_id:
            made = await self._patiently(lambda: self._tools.duplicates.directory(file, place, request_id))
        self._progress.copied_files += 1
        return _Open(path, file, FileId(made.space_id, made.file_id))

    async def _close(self, directory: _Open) -> None:
        source = directory.source
        if source is None:
            return
        update = None if directory.path else self._update
        with self._called(f"{source.file_id}/filled"):
            await self._patiently(lambda: self._tools.duplicates.finish(source, ref(directory.made), update))

    async def _resumed(self, root: files_pb2.File) -> list[_Open]:
        """The directories that are being filled: the topmost and, of a copy that goes on, those on the way to
        what was copied last."""
        copy = self.copy
        place = Place.inside(*self._inside(self._workshop), copy.name)
        with self._called():
            made = await self._patiently(
                lambda: self._tools.duplicates.directory(root, place, copy.request_id)
            )
        stack = [_Open((), root, FileId(made.space_id, made.file_id))]
        for depth in range(1, len(self._last or ()) + 1):
            path = (self._last or ())[:depth]
            found = await self._found(FileId(made.space_id, made.file_id), path)
            if found is None or not is_directory(found):
                break
            stack.append(_Open(path, await self._source(path), FileId(found.space_id, found.file_id)))
        return stack

    async def _source(self, path: Path) -> files_pb2.File | None:
        return await self._found(FileId(self.copy.source_space_id, self.copy.source_id), path)

    async def _found(self, top: FileId, path: Path) -> files_pb2.File | None:
        request = files_pb2.GetFileRequest(file=ref(top, path), wanted=WANTED)
        with self._called():
            try:
                return (await self._patiently(lambda: self._tools.metadata.get_file(request))).file
            except NoSuchFile:
                return None

    async def _page(self) -> subtrees_pb2.ListSubtreeResponse:
        request = subtrees_pb2.ListSubtreeRequest(
            directory=ref(FileId(self.copy.source_space_id, self.copy.source_id)),
            page_size=_PAGE_SIZE,
            page_token=self._token,
            include_directories=True,
            wanted=WANTED,
        )
        with self._called():
            page = await self._patiently(lambda: self._tools.metadata.list_subtree(request))
        if page.entries and page.entries[0].path == ".":
            del page.entries[0]  # the topmost, which is there already
        return page

    async def _count(self) -> None:
        request = subtrees_pb2.ListSubtreeRequest(
            directory=ref(FileId(self.copy.source_space_id, self.copy.source_id)),
            page_size=_COUNT_PAGE,
            include_directories=True,
        )
        total_files = total_bytes = 0
        for _ in range(_MAX_COUNT_PAGES):
            with self._called():
                page = await self._patiently(lambda: self._tools.metadata.list_subtree(request))
            total_files += len(page.entries)
            total_bytes += sum(each.file.size_bytes for each in page.entries if each.file.type == REGULAR)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                self._progress.total_files, self._progress.total_bytes = max(1, total_files), total_bytes
                return

    @property
    def _workshop(self) -> FileId:
        return FileId(self.copy.space_id, self.copy.workshop_id)

    @staticmethod
    def _inside(directory: FileId) -> tuple[files_pb2.FileRef, str]:
        """A directory as metadata and as a data port find it."""
        path = to_url_path(
            ("cdmi_objectid", file_ids.encode(directory.space_id, directory.uuid)), container=False
        )
        return ref(directory), path

    # -- the end ---------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        await self._tools.records.publish_copy(
            copies_pb2.PublishCopyRequest(
                copy_id=self.copy.copy_id, epoch=self.copy.epoch, space_id=self.copy.space_id
            )
        )

    async def _source_refused(self) -> IsthmusError | None:
        """Why the source of a move could not be removed: the copy stays, so that nothing is lost."""
        try:
            with self._called("source"):
                await self._patiently(self._remove_source)
        except IsthmusError as error:
            log.warning("source_stays", copy_id=self.copy.copy_id, reason=error.reason)
            return error
        return None

    async def _remove_source(self) -> None:
        source = FileId(self.copy.source_space_id, self.copy.source_id)
        with suppress(NoSuchFile):
            await self._tools.metadata.delete_file(
                files_pb2.DeleteFileRequest(request_id=f"{self.copy.request_id}/source", file=ref(source))
            )

    async def _give_up(self, error: IsthmusError | ApiError) -> None:
        failing = copies_pb2.FailCopyRequest(
            copy_id=self.copy.copy_id,
            epoch=self.copy.epoch,
            error_reason=_reason_of(error),
            error_message=str(error)[:500],
            space_id=self.copy.space_id,
            forget=self.is_awaited,
        )
        log.warning("copy_given_up", copy_id=self.copy.copy_id, reason=failing.error_reason)
        await self._patiently(lambda: self._tools.records.fail_copy(failing))

    async def _release(self) -> None:
        giving_back = copies_pb2.ReleaseCopyRequest(copy_id=self.copy.copy_id, epoch=self.copy.epoch)
        with suppress(IsthmusError):
            await self._save()
            await self._tools.records.release_copy(giving_back)

    # -- how it works ----------------------------------------------------------------------------------

    @contextmanager
    def _called(self, step: str = "") -> Iterator[str]:
        """Calls in the block are made for who began the copy, as this step of his request; its id."""
        step_id = f"{self.copy.request_id}/{step}" if step else self.copy.request_id
        with as_caller(*self._identity.current(self._tools.clock.now_ms())), bind(request_id=step_id):
            yield step_id

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Does what can be repeated until it is done, or until what it needs was away for too long."""
        give_up_s = time.monotonic() + self._tools.patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            if time.monotonic() - self._heard_s > LEASE_SAFE_S:
                raise Lost
            try:
                return await call()
            except (IsthmusError, ApiError) as error:
                if _is_lost(error):
                    raise Lost from error
                if not _is_passing(error) or time.monotonic() + pause_s > give_up_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _save_regularly(self) -> None:
        """Says how far it is; returns when nobody hears it any more, or the copy is another's."""
        while time.monotonic() - self._heard_s <= LEASE_SAFE_S:
            await asyncio.sleep(SAVE_INTERVAL_S)
            try:
                await self._save()
            except (Unavailable, DeadlineExceeded):
                continue
            except IsthmusError as error:
                if not _is_lost(error):
                    log.warning("copy_not_saved", copy_id=self.copy.copy_id, reason=error.reason)
                return

    async def note(self) -> None:
        """Says in the record how far it is, if that can be."""
        with suppress(IsthmusError):
            await self._save()

    async def _save(self) -> None:
        progress = copies_pb2.CopyProgress()
        progress.CopyFrom(self._progress)
        position: dict[str, Any] = {"token": self._token, "copied_bytes": progress.copied_bytes}
        if self._last is not None:
            position["last"] = self._last
        progress.position = orjson.dumps(position)
        # What is under way is begun anew by whoever goes on, so it is told but not counted.
        progress.copied_bytes += sum(self._under_way.values())
        began_s = time.monotonic()
        await self._tools.records.save_copy(
            copies_pb2.SaveCopyRequest(copy_id=self.copy.copy_id, epoch=self.copy.epoch, progress=progress)
        )
        self._heard_s = began_s


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # told already, or nobody's any more


def _path_of(text: str) -> Path:
    return tuple(text.split("/"))


def _order(path: Path) -> tuple[bytes, ...]:
    return tuple(name.encode("utf-8", "surrogatepass") for name in path)


def _is_lost(error: IsthmusError | ApiError) -> bool:
    return isinstance(error, Aborted) and error.reason == "COPY_LOST"


def _is_passing(error: IsthmusError | ApiError) -> bool:
    """Whether the same may work later."""
    if isinstance(error, ApiError):
        return error.status >= 500 or error.details == {"errno": "eagain"}
    return error.retryable or isinstance(error, InternalError)


def _reason_of(error: IsthmusError | ApiError) -> str:
    if not isinstance(error, ApiError):
        return error.reason
    if error.id == "posix" and error.details:
        return str(error.details["errno"]).upper()
    return re.sub("([A-Z])", r"_\1", error.id).upper()
