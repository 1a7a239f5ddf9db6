"""Metadata's content side in memory: one flat directory for each space, enough to try the data port alone."""

from __future__ import annotations

import uuid
from dataclasses import replace

from runtime.errors import AccessDenied, FileExists, IsADirectory, NoSpace, NoSuchFile
from runtime.identity import Identity
from runtime.request import current_call
from services.storage_router.domain.contents import (
    Begun,
    Committed,
    File,
    FileKind,
    FileRef,
    Located,
    Location,
    Mode,
    StaleUpload,
    Wish,
)
from services.storage_router.domain.names import NewName


class ContentsTwin:
    """`Contents` and `Names` over a dictionary. Paths have one name; ids are looked up as they are."""

    def __init__(self, quota_bytes: int = 1 << 40) -> None:
        self.quota_bytes = quota_bytes
        self.files: dict[str, tuple[File, Location]] = {}
        self.denied: set[str] = set()
        self.aborted: list[str] = []
        self.begun: list[Wish] = []
        self.published: list[Wish] = []
        self.garbage: list[tuple[str, str]] = []
        self.stale_commits = 0
        self.on_locate: list[object] = []
        self.located: list[tuple[FileRef, Identity | None]] = []

    def _find(self, ref: FileRef) -> tuple[File, Location] | None:
        if not ref.path:
            if not ref.file_id or ref.file_id.startswith("space_"):
                root = File(f"space_{ref.space_id}", ref.space_id, kind=FileKind.DIRECTORY)
                return root, Location()
            return self.files.get(ref.file_id)
        for file, location in self.files.values():
            if file.space_id == ref.space_id and file.name == ref.path[-1]:
                return file, location
        return None

    def _get(self, ref: FileRef) -> tuple[File, Location]:
        found = self._find(ref)
        if found is None:
            raise NoSuchFile
        return found

    async def locate(self, file: FileRef, *, fresh: bool = False) -> Located:
        for action in self.on_locate:
            action()  # type: ignore[operator]
        self.located.append((file, current_call.get().identity))
        found, location = self._get(file)
        if found.kind is FileKind.DIRECTORY:
            raise IsADirectory
        if found.file_id in self.denied:
            raise AccessDenied
        return Located(found, location)

    async def get_file(self, file: FileRef, *, with_path: bool = False) -> File:
        found = self._get(file)[0]
        return replace(found, path=(found.name,)) if with_path else found

    async def begin(self, wish: Wish, *, storage_id: str, storage_file_id: str, record: bool) -> Begun:
        self.begun.append(wish)
        return self._begin(wish)

    def _begin(self, wish: Wish) -> Begun:
        found = self._find(wish.file)
        if found is None:
            if not wish.create:
                raise NoSuchFile
            return Begun(
                uuid.uuid4().hex, wish.file.space_id, "parent", wish.file.path[-1],
                available_bytes=self.quota_bytes,
            )  # fmt: skip
        file, location = found
        if file.kind is FileKind.DIRECTORY:
            raise IsADirectory
        if file.file_id in self.denied:
            raise AccessDenied
        if wish.exclusive:
            raise FileExists
        return Begun(
            file.file_id, file.space_id, exists=True, location=location, available_bytes=self.quota_bytes
        )

    async def commit(
        self, wish: Wish, begun: Begun, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        if size_bytes > self.quota_bytes:
            raise NoSpace
        if self.stale_commits:
            self.stale_commits -= 1
            raise StaleUpload
        file, old = self.files.get(begun.file_id, (None, Location()))
        if file is None:
            file = File(begun.file_id, begun.space_id, begun.parent_id, begun.name)
        end = wish.offset + size_bytes
        blocks: tuple[tuple[int, int], ...] = ((0, size_bytes),) if size_bytes else ()
        if wish.mode is Mode.PATCH:
            end = max(end, old.size_bytes) if size_bytes else old.size_bytes
            blocks = _merged((*old.blocks, (wish.offset, size_bytes))) if size_bytes else old.blocks
        elif old.storage_file_id:
            self.garbage.append((old.storage_id, old.storage_file_id))
        location = Location(storage_id, storage_file_id, end, blocks, old.revision + 1)
        file = replace(
            file,
            size_bytes=end,
            mimetype=file.mimetype if wish.mimetype is None else wish.mimetype,
            encoding=file.encoding if wish.encoding is None else wish.encoding,
        )
        self.files[file.file_id] = (file, location)
        return Committed(file.file_id, not begun.exists)

    async def publish(
        self, wish: Wish, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        begun = self._begin(wish)
        self.published.append(wish)
        return await self.commit(
            wish, begun, storage_id=storage_id, storage_file_id=storage_file_id, size_bytes=size_bytes
        )

    async def abort(self, wish: Wish, begun: Begun) -> None:
        self.aborted.append(wish.request_id)

    async def make(self, new: NewName) -> str:
        there = self._find(new.ref)
        if there is not None and not new.update_existing:
            raise FileExists
        kind = {"REG": FileKind.REGULAR, "DIR": FileKind.DIRECTORY, "SYMLNK": FileKind.SYMLINK}[new.kind]
        if there is not None:
            if (there[0].kind is FileKind.DIRECTORY) != (kind is FileKind.DIRECTORY):
                raise FileExists
            if kind is FileKind.DIRECTORY:
                return there[0]
            del self.files[there[0].file_id]
        file = File(
            uuid.uuid4().hex, new.parent.space_id, name=new.name, kind=kind, symlink_target=new.symlink_target
        )
        self.files[file.file_id] = (file, Location())
        return file.file_id


def _merged(blocks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for offset, size in sorted(blocks):
        if merged and offset <= sum(merged[-1]):
            merged[-1] = (merged[-1][0], max(sum(merged[-1]), offset + size) - merged[-1][0])
        else:
            merged.append((offset, size))
    return tuple(merged)
