"""What a copy is made of: a file, or a tree in the order of its paths.

Parents come before their children, so that one path says how far it is. What was made before the last
word in the record is made again and found made: every step is a request of its own, named after the file it
copies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.metadata.v1 import files_pb2, subtrees_pb2

from runtime.errors import Aborted, AccessDenied, NoSuchFile
from runtime.http import file_ids
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId
from services.gateway import metrics
from services.gateway.api.cdmi.copy_leases import CopyLease, Path
from services.gateway.api.cdmi.duplicates import WANTED, Place, is_directory
from services.gateway.api.cdmi.updates import Update
from services.gateway.api.namespace import ref
from services.gateway.domain.cdmi.addresses import to_url_path
from services.gateway.domain.files import QUEUE, REGULAR, SYMLINK

_PAGE_SIZE = 500
#: Files of one directory that are copied at a time.
_MAX_PARALLEL = 4
#: Files that are counted beforehand; of a larger tree nobody is told how much of it is done.
_COUNT_PAGE, _MAX_COUNT_PAGES = 10_000, 100


@dataclass(frozen=True, slots=True)
class _Open:
    """A directory that is being filled. `source`: None when that is gone since."""

    path: Path
    source: files_pb2.File | None
    made: FileId


class CopyMaking:
    """Makes what a lease is for."""

    def __init__(self, lease: CopyLease) -> None:
        self._lease = lease
        self._update = Update.FromString(lease.copy.update) if lease.copy.update else None

    async def make(self) -> None:
        """Makes it in its workshop. Raises Lost, and why it has to be given up."""
        source = await self._source(())
        if source is None:
            raise NoSuchFile(file_id=self._lease.copy.source_id)
        if is_directory(source):
            await self._make_tree(source)
            return
        self._lease.progress.total_bytes, self._lease.progress.total_files = source.size_bytes, 1
        with self._lease.called():
            place = Place.inside(*self._inside(self._workshop), self._lease.copy.name)
            await self._lease.patiently(lambda: self._copy_file(source, place, self._update))

    async def _make_tree(self, root: files_pb2.File) -> None:
        if not self._lease.progress.total_files:
            await self._count()
        stack = await self._resumed(root)
        while True:
            page = await self._page()
            if page.inaccessible_paths:
                raise AccessDenied("a directory may not be listed", path=page.inaccessible_paths[0])
            await self._take(page.entries, stack)
            if not page.next_page_token:
                break
            self._lease.token = page.next_page_token
        while stack:
            await self._close(stack.pop())
        if await self._source(()) is None:
            # What was missing of late was no change of the tree, but its end.
            raise NoSuchFile(file_id=self._lease.copy.source_id)

    async def _take(self, entries: Sequence[subtrees_pb2.SubtreeEntry], stack: list[_Open]) -> None:
        """Copies what a page tells of, in its order; files that follow each other together."""
        together: list[files_pb2.File] = []
        for entry in entries:
            path = _path_of(entry.path)
            if self._lease.last is not None and _order(path) <= _order(self._lease.last):
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
                self._lease.last = path
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
        self._lease.last = (*directory.path, files[-1].name)
        files.clear()

    async def _copy_child(self, file: files_pb2.File, directory: _Open) -> None:
        place = Place.inside(*self._inside(directory.made), file.name)
        with self._lease.called(file.file_id) as request_id:
            try:
                if file.type == SYMLINK:
                    await self._lease.patiently(
                        lambda: self._lease.tools.duplicates.link(file, place, request_id)
                    )
                elif file.type == QUEUE:
                    await self._lease.patiently(
                        lambda: self._lease.tools.duplicates.queue(file, place, request_id)
                    )
                elif file.type == REGULAR:
                    await self._lease.patiently(lambda: self._copy_file(file, place, None))
            except NoSuchFile:
                # What is gone by now is as if it had gone before it was listed.
                if await self._is_there(file):
                    raise

    async def _is_there(self, file: files_pb2.File) -> bool:
        return await self._found(FileId(file.space_id, file.file_id), ()) is not None

    async def _copy_file(self, file: files_pb2.File, place: Place, update: Update | None) -> None:
        """A regular file. Raises NoSuchFile also as a data port tells it."""

        def told(copied_bytes: int) -> None:
            self._lease.under_way[file.file_id] = copied_bytes

        try:
            await self._lease.tools.duplicates.file(file, place, update, told)
        except ApiError as error:
            if error.details == {"errno": "enoent"}:
                raise NoSuchFile(file_id=file.file_id) from error
            raise
        finally:
            self._lease.under_way.pop(file.file_id, None)
        self._lease.progress.copied_bytes += file.size_bytes
        self._lease.progress.copied_files += 1
        metrics.COPIED_BYTES.inc(file.size_bytes)

    async def _open(self, file: files_pb2.File, path: Path, parent: _Open) -> _Open:
        place = Place.inside(*self._inside(parent.made), file.name)
        with self._lease.called(file.file_id) as request_id:
            made = await self._lease.patiently(
                lambda: self._lease.tools.duplicates.directory(file, place, request_id)
            )
        self._lease.progress.copied_files += 1
        return _Open(path, file, FileId(made.space_id, made.file_id))

    async def _close(self, directory: _Open) -> None:
        source = directory.source
        if source is None:
            return
        update = None if directory.path else self._update
        with self._lease.called(f"{source.file_id}/filled"):
            await self._lease.patiently(
                lambda: self._lease.tools.duplicates.finish(source, ref(directory.made), update)
            )

    async def _resumed(self, root: files_pb2.File) -> list[_Open]:
        """The directories that are being filled: the topmost and, of a copy that goes on, those on the way to
        what was copied last."""
        copy = self._lease.copy
        place = Place.inside(*self._inside(self._workshop), copy.name)
        with self._lease.called():
            made = await self._lease.patiently(
                lambda: self._lease.tools.duplicates.directory(root, place, copy.request_id)
            )
        stack = [_Open((), root, FileId(made.space_id, made.file_id))]
        for depth in range(1, len(self._lease.last or ()) + 1):
            path = (self._lease.last or ())[:depth]
            found = await self._found(FileId(made.space_id, made.file_id), path)
            if found is None or not is_directory(found):
                break
            stack.append(_Open(path, await self._source(path), FileId(found.space_id, found.file_id)))
        return stack

    async def _source(self, path: Path) -> files_pb2.File | None:
        return await self._found(FileId(self._lease.copy.source_space_id, self._lease.copy.source_id), path)

    async def _found(self, top: FileId, path: Path) -> files_pb2.File | None:
        request = files_pb2.GetFileRequest(file=ref(top, path), wanted=WANTED)
        with self._lease.called():
            try:
                return (
                    await self._lease.patiently(lambda: self._lease.tools.metadata.get_file(request))
                ).file
            except NoSuchFile:
                return None

    async def _page(self) -> subtrees_pb2.ListSubtreeResponse:
        request = subtrees_pb2.ListSubtreeRequest(
            directory=ref(FileId(self._lease.copy.source_space_id, self._lease.copy.source_id)),
            page_size=_PAGE_SIZE,
            page_token=self._lease.token,
            include_directories=True,
            wanted=WANTED,
        )
        with self._lease.called():
            page = await self._lease.patiently(lambda: self._lease.tools.metadata.list_subtree(request))
        if page.entries and page.entries[0].path == ".":
            del page.entries[0]  # the topmost, which is there already
        return page

    async def _count(self) -> None:
        request = subtrees_pb2.ListSubtreeRequest(
            directory=ref(FileId(self._lease.copy.source_space_id, self._lease.copy.source_id)),
            page_size=_COUNT_PAGE,
            include_directories=True,
        )
        total_files = total_bytes = 0
        for _ in range(_MAX_COUNT_PAGES):
            with self._lease.called():
                page = await self._lease.patiently(lambda: self._lease.tools.metadata.list_subtree(request))
            total_files += len(page.entries)
            total_bytes += sum(each.file.size_bytes for each in page.entries if each.file.type == REGULAR)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                self._lease.progress.total_files, self._lease.progress.total_bytes = (
                    max(1, total_files),
                    total_bytes,
                )
                return

    @property
    def _workshop(self) -> FileId:
        return FileId(self._lease.copy.space_id, self._lease.copy.workshop_id)

    @staticmethod
    def _inside(directory: FileId) -> tuple[files_pb2.FileRef, str]:
        """A directory as metadata and as a data port find it."""
        path = to_url_path(
            ("cdmi_objectid", file_ids.encode(directory.space_id, directory.uuid)), container=False
        )
        return ref(directory), path


def _path_of(text: str) -> Path:
    return tuple(text.split("/"))


def _order(path: Path) -> tuple[bytes, ...]:
    return tuple(name.encode("utf-8", "surrogatepass") for name in path)
