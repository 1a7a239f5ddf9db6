"""Files in a folder: a local disk, or whatever is mounted there.

On a local file system short calls run at once; on a network one every call runs in a thread, since a
server that does not answer would stop the whole process. What waits for the device always does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import ClassVar, ParamSpec, TypeVar

from runtime.errors import InputOutputError, InvalidArgument, IsthmusError, NoSuchFile
from services.storage_router.domain.drivers import (
    Capabilities,
    ReadHandle,
    SpaceLeft,
    StorageFile,
    WriteHandle,
    check_storage_file_id,
    error_of,
)
from services.storage_router.drivers.posix_handles import PosixReadHandle, PosixWriteHandle, write_all
from services.storage_router.drivers.posix_tree import Tree, is_in_memory, is_local, walk
from services.storage_router.drivers.threads import in_thread

P = ParamSpec("P")
T = TypeVar("T")

# A FIFO that somebody planted must not make an open wait.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE_FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_FILE_MODE = 0o640


def check_mount_point(mount_point: str) -> str:
    """The mount point in its plain form. InvalidArgument unless it is an absolute path below `/`."""
    plain = os.path.normpath(mount_point)
    if not mount_point.startswith("/") or "\0" in mount_point or plain in ("/", "//"):
        raise InvalidArgument("mount_point must be an absolute path below /", mount_point=mount_point)
    return plain


class PosixDriver:
    """A folder as a storage. `pool` runs what may block."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        random_write=True, rename=True, sendfile=True, stat=True
    )

    def __init__(self, mount_point: str, *, storage_id: str, pool: Executor) -> None:
        self._tree = Tree(check_mount_point(mount_point), storage_id=storage_id)
        self._storage_id = storage_id
        self._pool = pool
        self._look()

    def _look(self) -> None:
        self._local = is_local(self._tree.mount_point)
        self._in_memory = self._local and is_in_memory(self._tree.mount_point)

    async def prepare(self) -> None:
        await self._in_thread(self._tree.prepare)
        self._look()

    async def check(self) -> None:
        await self._in_thread(self._tree.check)

    async def open(self, storage_file_id: str) -> ReadHandle:
        return await self._shortly(self._open, storage_file_id)

    async def create(self, storage_file_id: str) -> WriteHandle:
        return await self._shortly(self._open_for_write, storage_file_id, os.O_CREAT | os.O_EXCL)

    async def open_for_write(self, storage_file_id: str, *, create: bool = False) -> WriteHandle:
        return await self._shortly(self._open_for_write, storage_file_id, os.O_CREAT if create else 0)

    async def put(self, storage_file_id: str, data: bytes | bytearray, *, sync: bool) -> None:
        if sync and not self._in_memory:
            await self._in_thread(self._put, storage_file_id, data, True)
        else:
            # There is no device below a file system in memory that one could wait for.
            await self._shortly(self._put, storage_file_id, data, False)

    async def stat(self, storage_file_id: str) -> StorageFile:
        return await self._shortly(self._stat, storage_file_id)

    async def delete(self, storage_file_id: str) -> None:
        # Freeing the blocks of a big file takes its time on any file system.
        await self._in_thread(self._delete, storage_file_id)

    async def rename(self, storage_file_id: str, new_storage_file_id: str) -> None:
        await self._in_thread(self._rename, storage_file_id, new_storage_file_id)

    async def list_files(self, folder: str, *, after: str = "", limit: int = 1000) -> Sequence[StorageFile]:
        return await self._in_thread(self._list, folder, after, limit)

    async def space_left(self) -> SpaceLeft:
        return await self._shortly(self._space_left)

    async def close(self) -> None:
        """Nothing is held between calls."""

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(self._pool, call, *args, **kwargs)

    async def _shortly(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._local:
            return call(*args, **kwargs)
        return await in_thread(self._pool, call, *args, **kwargs)

    def _open(self, storage_file_id: str) -> PosixReadHandle:
        descriptor = self._tree.open_file(check_storage_file_id(storage_file_id), _READ_FLAGS)
        try:
            shown = os.fstat(descriptor)
            self._check_regular(shown, storage_file_id)
        except BaseException:
            os.close(descriptor)
            raise
        return PosixReadHandle(
            descriptor, shown.st_size, pool=self._pool, local=self._local, in_memory=self._in_memory
        )

    def _check_regular(self, shown: os.stat_result, storage_file_id: str) -> None:
        if not stat.S_ISREG(shown.st_mode):
            raise InputOutputError("not a regular file", storage_file_id=storage_file_id)

    def _open_for_write(self, storage_file_id: str, flags: int) -> PosixWriteHandle:
        *folders, name = check_storage_file_id(storage_file_id)
        folder = self._tree.open_folder(folders, make=bool(flags & os.O_CREAT))
        descriptor = -1
        try:
            descriptor = os.open(name, _WRITE_FLAGS | flags, _FILE_MODE, dir_fd=folder)
            self._check_regular(os.fstat(descriptor), storage_file_id)
        except BaseException as error:
            if descriptor >= 0:
                os.close(descriptor)
            os.close(folder)
            if isinstance(error, OSError):
                raise error_of(error, storage_file_id=storage_file_id) from error
            raise
        return PosixWriteHandle(descriptor, folder, pool=self._pool)

    def _put(self, storage_file_id: str, data: bytes | bytearray, sync: bool) -> None:
        *folders, name = names = check_storage_file_id(storage_file_id)
        if not sync and self._put_at_once(names, storage_file_id, data):
            return
        folder = self._tree.open_folder(folders, make=True)
        try:
            descriptor = os.open(name, _WRITE_FLAGS | os.O_CREAT | os.O_EXCL, _FILE_MODE, dir_fd=folder)
            try:
                write_all(descriptor, data, 0)
                if sync:
                    os.fdatasync(descriptor)
                    os.fsync(folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise error_of(error, storage_file_id=storage_file_id) from error
        finally:
            os.close(folder)

    def _put_at_once(self, names: list[str], storage_file_id: str, data: bytes | bytearray) -> bool:
        """Where the folder is there and need not be synced, which is nearly always, three calls do."""
        descriptor = self._tree.create_file(names, _WRITE_FLAGS, _FILE_MODE)
        if descriptor is None:
            return False
        try:
            write_all(descriptor, data, 0)
        except BaseException as error:
            with contextlib.suppress(IsthmusError):
                self._delete(storage_file_id)
            if isinstance(error, OSError):
                raise error_of(error, storage_file_id=storage_file_id) from error
            raise
        finally:
            os.close(descriptor)
        return True

    def _stat(self, storage_file_id: str) -> StorageFile:
        descriptor = self._tree.open_file(check_storage_file_id(storage_file_id), os.O_PATH | os.O_NOFOLLOW)
        try:
            shown = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        self._check_regular(shown, storage_file_id)
        return StorageFile(
            storage_file_id,
            shown.st_size,
            shown.st_mtime_ns // 1_000_000,
            mode=stat.S_IMODE(shown.st_mode),
            atime_ms=shown.st_atime_ns // 1_000_000,
            ctime_ms=shown.st_ctime_ns // 1_000_000,
            uid=shown.st_uid,
            gid=shown.st_gid,
        )

    def _delete(self, storage_file_id: str) -> None:
        *folders, name = check_storage_file_id(storage_file_id)
        try:
            folder = self._tree.open_folder(folders)
        except NoSuchFile:
            # The folder is missing because nothing was ever written there, unless the storage is away.
            self._tree.check()
            return
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise error_of(error, storage_file_id=storage_file_id) from error
        finally:
            os.close(folder)

    def _rename(self, storage_file_id: str, new_storage_file_id: str) -> None:
        *folders, name = check_storage_file_id(storage_file_id)
        *new_folders, new_name = check_storage_file_id(new_storage_file_id)
        folder = self._tree.open_folder(folders)
        try:
            target = self._tree.open_folder(new_folders, make=True)
            try:
                # A link fails where the name is taken; a rename would replace what is there.
                os.link(name, new_name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
                os.fsync(target)
                os.unlink(name, dir_fd=folder)
            finally:
                os.close(target)
        except OSError as error:
            raise error_of(error, storage_file_id=storage_file_id) from error
        finally:
            os.close(folder)

    def _list(self, folder: str, after: str, limit: int) -> list[StorageFile]:
        names = check_storage_file_id(folder)
        behind = check_storage_file_id(after)[len(names) :] if after else []
        try:
            opened = self._tree.open_folder(names)
        except NoSuchFile:
            return []
        try:
            with contextlib.closing(walk(opened, folder, behind)) as found:  # type: ignore[type-var]
                return list(itertools.islice(found, limit))
        except OSError as error:
            raise error_of(error, folder=folder) from error
        finally:
            os.close(opened)

    def _space_left(self) -> SpaceLeft:
        root = self._tree.open_root()
        try:
            shown = os.fstatvfs(root)
        except OSError as error:
            raise error_of(error, storage_id=self._storage_id) from error
        finally:
            os.close(root)
        return SpaceLeft(shown.f_blocks * shown.f_frsize, shown.f_bavail * shown.f_frsize)
