"""Open files of the POSIX driver."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ClassVar, ParamSpec

from services.storage_router.domain.drivers import COPY_BYTES, ReadHandle, copy_through_memory, error_of
from services.storage_router.drivers.threads import in_thread

P = ParamSpec("P")

#: What says that this pair of file systems cannot copy by itself.
_CANNOT_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ETXTBSY})
#: Reads up to this size are tried from the page cache without a thread.
_INLINE_READ_BYTES = 256 * 1024


def write_all(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """All of `data` at `offset`. Blocks; raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """Bytes from `offset`, fewer only at the end of the file. Blocks; raises OSError."""
    first = os.pread(descriptor, length, offset)
    if len(first) == length or not first:
        return first
    parts, have = [first], len(first)
    while have < length:
        part = os.pread(descriptor, length - have, offset + have)
        if not part:
            break
        parts.append(part)
        have += len(part)
    return b"".join(parts)


class PosixReadHandle:
    """A file open for reading."""

    has_descriptor: ClassVar[bool] = True

    def __init__(
        self, descriptor: int, size_bytes: int, *, pool: Executor, local: bool, in_memory: bool = False
    ) -> None:
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._pool = pool
        self._local = local
        self._in_memory = in_memory

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self._size_bytes - offset))
        if not length:
            return b""
        try:
            if self._local and length <= _INLINE_READ_BYTES:
                cached = self._read_cached(offset, length)
                if cached is not None:
                    return cached
            return await in_thread(self._pool, read_exactly, self._descriptor, offset, length)
        except OSError as error:
            raise error_of(error) from error

    def _read_cached(self, offset: int, length: int) -> bytes | None:
        """The bytes if they are in memory, else None: a disk is not worth stopping the loop for."""
        if self._in_memory:
            return read_exactly(self._descriptor, offset, length)
        buffer = bytearray(length)
        try:
            count = os.preadv(self._descriptor, [buffer], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            # Some file systems do not know the flag; those in memory need none.
            return read_exactly(self._descriptor, offset, length)
        return bytes(buffer) if count == length else None

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class PosixWriteHandle:
    """A file open for writing, and its folder, which has to be synced with it."""

    def __init__(self, descriptor: int, folder: int, *, pool: Executor) -> None:
        self._descriptor = descriptor
        self._folder = folder
        self._pool = pool

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        await self._in_thread(write_all, self._descriptor, data, offset)

    async def copy_from(self, source: ReadHandle, offset: int, length: int) -> None:
        if not source.has_descriptor:
            await copy_through_memory(source, self, offset, length)
            return
        await self._in_thread(_copy_range, source.fileno(), self._descriptor, offset, length)

    async def truncate(self, size_bytes: int) -> None:
        await self._in_thread(os.ftruncate, self._descriptor, size_bytes)

    async def sync(self) -> None:
        await self._in_thread(_sync, self._descriptor, self._folder)

    def fileno(self) -> int:
        return self._descriptor

    async def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            # Some network file systems tell a failed write only here.
            await in_thread(self._pool, os.close, descriptor)
        except OSError as error:
            raise error_of(error) from error
        finally:
            os.close(self._folder)

    async def _in_thread(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await in_thread(self._pool, call, *args, **kwargs)
        except OSError as error:
            raise error_of(error) from error


def _copy_range(source: int, target: int, offset: int, length: int) -> None:
    """Inside the kernel, which may share the blocks. Blocks; raises OSError."""
    end = offset + length
    while offset < end:
        try:
            count = os.copy_file_range(source, target, end - offset, offset, offset)
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
            count = _copy_piece(source, target, offset, end - offset)
        if not count:
            raise OSError(errno.EIO, "the storage file became shorter while it was copied")
        offset += count


def _copy_piece(source: int, target: int, offset: int, length: int) -> int:
    piece = os.pread(source, min(length, COPY_BYTES), offset)
    write_all(target, piece, offset)
    return len(piece)


def _sync(descriptor: int, folder: int) -> None:
    os.fdatasync(descriptor)
    os.fsync(folder)
