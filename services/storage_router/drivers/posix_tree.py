"""Entering a folder tree that is not trusted.

Every name is opened relative to the folder above it and never through a symbolic link, so whatever was
planted below the mount point (`x -> /etc`), nothing outside is read or written. The mount point itself is
the operator's word and may be a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence

from runtime.errors import NoSuchFile
from services.storage_router.domain.drivers import OWN_FOLDER, StorageFile, StorageUnreachable, error_of
from services.storage_router.drivers import openat2

_PASS_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FOLDER_MODE = 0o750

_MARKER = "storage"
_MARKER_LIMIT = 256


class Tree:
    """The folders below a mount point. All methods block."""

    def __init__(self, mount_point: str, *, storage_id: str, whole_paths: bool = openat2.AVAILABLE) -> None:
        self.mount_point = mount_point
        self._storage_id = storage_id
        self._whole_paths = whole_paths
        # Where the mount point is, or was, reached through a link each file is looked for from its folder.
        self._is_linkless = whole_paths and os.path.realpath(mount_point) == mount_point

    def open_root(self) -> int:
        """A descriptor of the mount point. StorageUnreachable when it is not there."""
        try:
            return os.open(self.mount_point, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            raise self._unreachable(f"cannot open {self.mount_point}: {error.strerror}") from error

    def prepare(self) -> None:
        """Leaves the mark that says which storage this is."""
        root = self.open_root()
        try:
            found = self._read_mark(root)
            if found == self._storage_id:
                return
            if found is not None:
                raise self._unreachable("the folder belongs to another storage")
            self._write_mark(root)
        except OSError as error:
            raise error_of(error, storage_id=self._storage_id) from error
        finally:
            os.close(root)

    def check(self) -> None:
        """Raises StorageUnreachable unless the mark is there: a bare mount point has none."""
        root = self.open_root()
        try:
            self._check_mark(root)
        finally:
            os.close(root)

    def _check_mark(self, root: int) -> None:
        found = self._read_mark(root)
        if found is None:
            raise self._unreachable(f"{self.mount_point} has no mark of this storage: is it mounted?")
        if found != self._storage_id:
            raise self._unreachable("the folder belongs to another storage")

    def _read_mark(self, root: int) -> str | None:
        try:
            folder = os.open(OWN_FOLDER, _FOLDER_FLAGS, dir_fd=root)
            try:
                mark = os.open(_MARKER, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreachable(f"cannot read its mark: {error.strerror}") from error
        with open(mark, encoding="utf-8", errors="replace") as file:
            return file.read(_MARKER_LIMIT)

    def _write_mark(self, root: int) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(OWN_FOLDER, _FOLDER_MODE, dir_fd=root)
        folder = os.open(OWN_FOLDER, _FOLDER_FLAGS, dir_fd=root)
        try:
            mark = os.open(_MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=folder)
            with open(mark, "w", encoding="utf-8") as file:
                file.write(self._storage_id)
                file.flush()
                os.fsync(mark)
            os.fsync(folder)
        finally:
            os.close(folder)

    def open_folder(self, names: Sequence[str], *, make: bool = False) -> int:
        """A descriptor of the folder with these names, which the caller closes.

        With `make`, missing folders are made and survive a power cut. A folder at the top is only made
        where the mark is, so nothing is written below a mount point whose storage is not mounted.
        """
        if self._whole_paths:
            found = self._open_whole(names, _FOLDER_FLAGS, may_be_missing=make)
            if found is not None:
                return found
        folder = self.open_root()
        last = len(names) - 1
        for depth, name in enumerate(names):
            try:
                below = self._enter(folder, name, _FOLDER_FLAGS if depth == last else _PASS_FLAGS)
                if below is None and make:
                    below = self._make(folder, name, at_top=depth == 0)
            except OSError as error:
                raise error_of(error, storage_id=self._storage_id, folder=name) from error
            finally:
                os.close(folder)
            if below is None:
                raise NoSuchFile(storage_id=self._storage_id, folder=name)
            folder = below
        return folder

    def open_file(self, names: Sequence[str], flags: int) -> int:
        """A descriptor of a file that is there. NoSuchFile; InputOutputError for a link."""
        found = self._open_at_once(names, flags)
        if found is not None:
            return found
        if self._whole_paths:
            found = self._open_whole(names, flags, may_be_missing=False)
            if found is not None:
                return found
        folder = self.open_folder(names[:-1])
        try:
            return os.open(names[-1], flags | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise error_of(error, storage_id=self._storage_id, file=names[-1]) from error
        finally:
            os.close(folder)

    def create_file(self, names: Sequence[str], flags: int, mode: int) -> int | None:
        """A descriptor of a new file in a folder that is there; None when that takes a walk, or cannot be."""
        return self._open_at_once(names, flags | os.O_CREAT | os.O_EXCL, mode)

    def _open_at_once(self, names: Sequence[str], flags: int, mode: int = 0) -> int | None:
        """By its whole path; None when something is wrong with it, which is told by who looks closer.

        `names` were checked: none of them leads upwards.
        """
        if not self._is_linkless:
            return None
        try:
            return openat2.open_absolute(f"{self.mount_point}/{'/'.join(names)}", flags, mode)
        except OSError:
            return None

    def _open_whole(self, names: Sequence[str], flags: int, *, may_be_missing: bool) -> int | None:
        """By one call of the kernel; None when it takes a walk to know more."""
        root = self.open_root()
        try:
            return openat2.open_beneath(root, "/".join(names) or ".", flags)
        except OSError as error:
            # The kernel says EAGAIN when something was renamed while it looked.
            if error.errno == errno.EAGAIN or (error.errno == errno.ENOENT and may_be_missing):
                return None
            raise error_of(error, storage_id=self._storage_id, file=names[-1] if names else "/") from error
        finally:
            os.close(root)

    def _enter(self, folder: int, name: str, flags: int) -> int | None:
        try:
            return os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            return None

    def _make(self, folder: int, name: str, *, at_top: bool) -> int:
        if at_top:
            self._check_mark(folder)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
        sync_folder(folder)
        return os.open(name, _FOLDER_FLAGS, dir_fd=folder)

    def _unreachable(self, detail: str) -> StorageUnreachable:
        return StorageUnreachable(detail, storage_id=self._storage_id)


def sync_folder(folder: int) -> None:
    """Makes the names in a folder survive a power cut; `folder` may be a path-only descriptor."""
    readable = os.open(".", _FOLDER_FLAGS, dir_fd=folder)
    try:
        os.fsync(readable)
    finally:
        os.close(readable)


def walk(folder: int, prefix: str, after: Sequence[str]) -> Iterator[StorageFile]:
    """Regular files below a folder in the order of their names' bytes, behind the names `after`.

    Links are neither followed nor listed. What vanishes meanwhile is left out.
    """
    with os.scandir(folder) as found:
        entries = sorted((os.fsencode(entry.name), entry) for entry in found)
    first = os.fsencode(after[0]) if after else b""
    for raw_name, entry in entries:
        if raw_name < first:
            continue
        on_the_way = after[1:] if after and raw_name == first else ()
        path = f"{prefix}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk_below(folder, entry.name, path, on_the_way)
        elif entry.is_file(follow_symlinks=False) and not (after and raw_name == first):
            with contextlib.suppress(FileNotFoundError):
                shown = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
                yield StorageFile(path, shown.st_size, shown.st_mtime_ns // 1_000_000)


def _walk_below(folder: int, name: str, path: str, after: Sequence[str]) -> Iterator[StorageFile]:
    try:
        below = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        yield from walk(below, path, after)
    finally:
        os.close(below)


#: File systems on which opening a file and reading cached bytes never waits for a network.
_LOCAL_KINDS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "ramfs", "overlay", "bcachefs", "jfs"}
)
#: Those of them that have nothing to wait for at all.
_MEMORY_KINDS = frozenset({"tmpfs", "ramfs"})


def is_local(mount_point: str, mounts: str | None = None) -> bool:
    """Whether a folder lies on a local file system."""
    return _kind(mount_point, mounts) in _LOCAL_KINDS


def is_in_memory(mount_point: str, mounts: str | None = None) -> bool:
    """Whether what lies in a folder lies in memory."""
    return _kind(mount_point, mounts) in _MEMORY_KINDS


def _kind(mount_point: str, mounts: str | None) -> str:
    """The file system of a folder, by the kernel's list of mounts; empty when that cannot be read."""
    if mounts is None:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:
            return ""
    folder = os.path.realpath(mount_point) + "/"
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        where = _unescape(fields[4]).rstrip("/") + "/"
        # Later lines lie on top of earlier ones.
        if folder.startswith(where) and len(where) >= best:
            best, kind = len(where), right.split(" ", 1)[0]
    return kind


def _unescape(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path
