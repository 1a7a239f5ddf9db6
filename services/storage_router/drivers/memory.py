"""A storage in memory, for trying things without a disk. No descriptors, as object storages have none."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from runtime.errors import FileExists, InvalidArgument, NoSpace, NoSuchFile
from services.storage_router.domain.drivers import (
    Capabilities,
    ReadHandle,
    SpaceLeft,
    StorageFile,
    check_storage_file_id,
    copy_through_memory,
)

_MODE = 0o640


class _Content:
    def __init__(self) -> None:
        self.data = bytearray()
        self.mtime_ms = time.time_ns() // 1_000_000


class MemoryReadHandle:
    """The bytes as they were when opened, unless patched meanwhile."""

    has_descriptor: ClassVar[bool] = False

    def __init__(self, content: _Content) -> None:
        self._content = content
        self._size_bytes = len(content.data)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def read(self, offset: int, length: int) -> bytes:
        return bytes(self._content.data[offset : min(offset + length, self._size_bytes)])

    def fileno(self) -> int:
        raise InvalidArgument("a storage in memory has no descriptors")

    def close(self) -> None:
        """Nothing to free."""


class MemoryWriteHandle:
    """Writes at once; a crash loses everything anyway."""

    def __init__(self, content: _Content, driver: MemoryDriver) -> None:
        self._content = content
        self._driver = driver

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        end = offset + len(data)
        self._driver.check_room(end - len(self._content.data))
        self._grow(end)
        self._content.data[offset:end] = data
        self._content.mtime_ms = time.time_ns() // 1_000_000

    async def copy_from(self, source: ReadHandle, offset: int, length: int) -> None:
        await copy_through_memory(source, self, offset, length)

    async def truncate(self, size_bytes: int) -> None:
        self._grow(size_bytes)
        del self._content.data[size_bytes:]

    def _grow(self, size_bytes: int) -> None:
        self._content.data.extend(bytes(max(0, size_bytes - len(self._content.data))))

    async def sync(self) -> None:
        """Nothing to flush."""

    def fileno(self) -> int:
        raise InvalidArgument("a storage in memory has no descriptors")

    async def close(self) -> None:
        """Nothing to free."""


class MemoryDriver:
    """A dictionary of byte arrays holding at most `total_bytes`."""

    capabilities: ClassVar[Capabilities] = Capabilities(random_write=True, rename=True, stat=True)

    def __init__(self, total_bytes: int = 1 << 30) -> None:
        self._total_bytes = total_bytes
        self._contents: dict[str, _Content] = {}

    def check_room(self, more_bytes: int) -> None:
        """NoSpace when `more_bytes` do not fit."""
        if more_bytes > self._free_bytes():
            raise NoSpace()

    def _free_bytes(self) -> int:
        return self._total_bytes - sum(len(content.data) for content in self._contents.values())

    async def prepare(self) -> None:
        """Memory is ours anyway."""

    async def check(self) -> None:
        """Always there."""

    def _find(self, storage_file_id: str) -> _Content:
        check_storage_file_id(storage_file_id)
        content = self._contents.get(storage_file_id)
        if content is None:
            raise NoSuchFile(storage_file_id=storage_file_id)
        return content

    async def open(self, storage_file_id: str) -> MemoryReadHandle:
        return MemoryReadHandle(self._find(storage_file_id))

    async def create(self, storage_file_id: str) -> MemoryWriteHandle:
        check_storage_file_id(storage_file_id)
        if storage_file_id in self._contents:
            raise FileExists(storage_file_id=storage_file_id)
        content = self._contents[storage_file_id] = _Content()
        return MemoryWriteHandle(content, self)

    async def open_for_write(self, storage_file_id: str, *, create: bool = False) -> MemoryWriteHandle:
        if create and storage_file_id not in self._contents:
            return await self.create(storage_file_id)
        return MemoryWriteHandle(self._find(storage_file_id), self)

    async def put(self, storage_file_id: str, data: bytes | bytearray, *, sync: bool) -> None:
        handle = await self.create(storage_file_id)
        try:
            await handle.write(0, memoryview(data))
        except BaseException:
            await self.delete(storage_file_id)
            raise

    async def stat(self, storage_file_id: str) -> StorageFile:
        content = self._find(storage_file_id)
        time_ms = content.mtime_ms
        size_bytes = len(content.data)
        return StorageFile(
            storage_file_id, size_bytes, time_ms, mode=_MODE, atime_ms=time_ms, ctime_ms=time_ms
        )

    async def delete(self, storage_file_id: str) -> None:
        check_storage_file_id(storage_file_id)
        self._contents.pop(storage_file_id, None)

    async def rename(self, storage_file_id: str, new_storage_file_id: str) -> None:
        check_storage_file_id(new_storage_file_id)
        content = self._find(storage_file_id)
        if new_storage_file_id in self._contents:
            raise FileExists(storage_file_id=new_storage_file_id)
        self._contents[new_storage_file_id] = content
        del self._contents[storage_file_id]

    async def list_files(self, folder: str, *, after: str = "", limit: int = 1000) -> Sequence[StorageFile]:
        check_storage_file_id(folder)
        found = sorted(
            (_key(name), name)
            for name in self._contents
            if name.startswith(folder + "/") and (not after or _key(name) > _key(after))
        )
        return [await self.stat(name) for _, name in found[:limit]]

    async def space_left(self) -> SpaceLeft:
        return SpaceLeft(self._total_bytes, self._free_bytes())

    async def close(self) -> None:
        """Nothing is held."""


def _key(storage_file_id: str) -> list[bytes]:
    return [name.encode("utf-8", "surrogateescape") for name in storage_file_id.split("/")]
