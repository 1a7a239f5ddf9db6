"""What the rest of the service needs from a storage, whatever kind it is.

A driver keeps *storage files*: strings of bytes under an id like `/space/0/1/2/0123abcd`. Ids come from
`choice`, but a driver trusts none of them: `check_storage_file_id` refuses what could lead elsewhere.

Errors are those of `runtime.errors`: NoSuchFile, FileExists, AccessDenied, NoSpace, ReadOnlyStorage,
InputOutputError, InvalidName, and StorageUnreachable when the storage as a whole is away. What a driver can
do beyond the common part is data (`Capabilities`), so nobody asks which driver it is.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from runtime.errors import (
    AccessDenied,
    FileExists,
    FileTooLarge,
    InputOutputError,
    InvalidName,
    IsthmusError,
    NameTooLong,
    NoSpace,
    NoSuchFile,
    ReadOnlyStorage,
    Unavailable,
)

#: Most bytes of one name in a storage file id.
MAX_NAME_BYTES = 255
#: Bytes that are copied at a time.
COPY_BYTES = 1 << 20
#: Folder at the top of every storage that is never a space: marks and probes are there.
OWN_FOLDER = ".isthmus"
#: Most names in a storage file id.
MAX_NAMES = 64


class StorageUnreachable(Unavailable):
    """The storage cannot be used at the moment."""

    reason = "STORAGE_UNREACHABLE"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver can do.

    `random_write`: bytes can be overwritten in place. `rename`: another name without copying.
    `sendfile`: handles have a descriptor the kernel can send from and receive into. `stat`: size and
    modification time are kept with the file.
    """

    random_write: bool = False
    rename: bool = False
    sendfile: bool = False
    stat: bool = False


@dataclass(frozen=True, slots=True)
class StorageFile:
    """A file as a listing or `stat` shows it."""

    storage_file_id: str
    size_bytes: int
    mtime_ms: int
    #: Told by `stat` alone.
    mode: int = field(default=0, compare=False)
    atime_ms: int = field(default=0, compare=False)
    ctime_ms: int = field(default=0, compare=False)
    uid: int | None = field(default=None, compare=False)
    gid: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SpaceLeft:
    """As the storage reports; 0 total when unknown."""

    total_bytes: int = 0
    free_bytes: int = 0


class ReadHandle(Protocol):
    """A storage file open for reading. It keeps showing the bytes it was opened on, even once deleted.

    `has_descriptor`: `fileno` works; so with capability `sendfile`.
    """

    has_descriptor: ClassVar[bool]

    @property
    def size_bytes(self) -> int:
        """Size when it was opened."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset`; fewer than `length` only at the end of the file. InputOutputError."""
        ...

    def fileno(self) -> int:
        """The descriptor. Only with capability `sendfile`."""
        ...

    def close(self) -> None:
        """Idempotent, never raises."""
        ...


class WriteHandle(Protocol):
    """A storage file open for writing."""

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        """All of `data` at `offset`; a gap before it reads as zeros. NoSpace, InputOutputError.

        Without capability `random_write` offsets must follow one another from 0.
        """
        ...

    async def copy_from(self, source: ReadHandle, offset: int, length: int) -> None:
        """Takes so many bytes of another storage file, to the same offset.

        Callers ask for pieces of bounded size: one call is not cut short, whatever becomes of its caller.
        Inside the kernel or the storage where both can, else through bounded memory. NoSpace;
        InputOutputError, also when the source is shorter.
        """
        ...

    async def truncate(self, size_bytes: int) -> None:
        """Cuts, or grows with zeros. Only with capability `random_write`."""
        ...

    async def sync(self) -> None:
        """Returns when the bytes and the file's name survive a power cut."""
        ...

    def fileno(self) -> int:
        """The descriptor. Only with capability `sendfile`."""
        ...

    async def close(self) -> None:
        """Finishes writing; what was written is readable afterwards. Idempotent."""
        ...


class Driver(Protocol):
    """One storage."""

    capabilities: ClassVar[Capabilities]

    async def prepare(self) -> None:
        """Marks the storage as ours, once, when it is configured. Idempotent."""
        ...

    async def check(self) -> None:
        """Raises StorageUnreachable unless the storage is there and is the one that was prepared."""
        ...

    async def open(self, storage_file_id: str) -> ReadHandle:
        """Opens for reading. NoSuchFile."""
        ...

    async def create(self, storage_file_id: str) -> WriteHandle:
        """A new, empty storage file and the folders it needs. FileExists when the id is in use."""
        ...

    async def open_for_write(self, storage_file_id: str, *, create: bool = False) -> WriteHandle:
        """Opens what is there without cutting it; makes it if asked to. NoSuchFile.

        Only with capability `random_write`.
        """
        ...

    async def put(self, storage_file_id: str, data: bytes | bytearray, *, sync: bool) -> None:
        """A whole new small file at once: as create, write, sync and close. FileExists.

        On failure nothing is left.
        """
        ...

    async def stat(self, storage_file_id: str) -> StorageFile:
        """Size, permission bits and times. NoSuchFile."""
        ...

    async def delete(self, storage_file_id: str) -> None:
        """Removes a storage file. What is not there is a success."""
        ...

    async def rename(self, storage_file_id: str, new_storage_file_id: str) -> None:
        """Another id for the same bytes, atomically; FileExists rather than replacing.

        NoSuchFile. Only with capability `rename`.
        """
        ...

    async def list_files(self, folder: str, *, after: str = "", limit: int = 1000) -> Sequence[StorageFile]:
        """Files below a folder (`/space`) in the order of their names' bytes, at most `limit`.

        Goes on behind `after`, the last id of the page before, whether that still exists or not. Fewer
        than `limit` means the end. A folder that is not there has no files.
        """
        ...

    async def space_left(self) -> SpaceLeft:
        """How big and how empty the storage is."""
        ...

    async def close(self) -> None:
        """Frees what the driver holds."""
        ...


def check_storage_file_id(storage_file_id: str) -> list[str]:
    """The names of an id, from the top. InvalidName for whatever could leave the storage."""
    if not storage_file_id.startswith("/") or "\0" in storage_file_id:
        raise InvalidName(storage_file_id=storage_file_id)
    names = storage_file_id[1:].split("/")
    if len(names) > MAX_NAMES:
        raise InvalidName(storage_file_id=storage_file_id)
    for name in names:
        if name in ("", ".", ".."):
            raise InvalidName(storage_file_id=storage_file_id)
        if len(name) > MAX_NAME_BYTES // 4 and len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
            raise NameTooLong(storage_file_id=storage_file_id)
    return names


async def copy_through_memory(source: ReadHandle, target: WriteHandle, offset: int, length: int) -> None:
    """What `copy_from` does where neither kernel nor storage can. Raises as it does."""
    end = offset + length
    while offset < end:
        piece = await source.read(offset, min(COPY_BYTES, end - offset))
        if not piece:
            raise InputOutputError("the storage file became shorter while it was copied")
        await target.write(offset, piece)
        offset += len(piece)


_KINDS: dict[int, type[IsthmusError]] = {
    errno.ENOENT: NoSuchFile,
    # The storage refuses us what metadata allows the caller.
    errno.EACCES: AccessDenied,
    errno.EEXIST: FileExists,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EROFS: ReadOnlyStorage,
    errno.EFBIG: FileTooLarge,
    errno.ESTALE: StorageUnreachable,
    errno.ENOTCONN: StorageUnreachable,
    errno.ENODEV: StorageUnreachable,
    errno.EHOSTDOWN: StorageUnreachable,
    errno.ETIMEDOUT: StorageUnreachable,
}


def error_of(error: OSError, **facts: object) -> IsthmusError:
    """The error of our tree for what the system said; all that has no class of its own is EIO."""
    kind = _KINDS.get(error.errno or 0, InputOutputError)
    name = errno.errorcode.get(error.errno or 0, "EIO")
    return kind("", errno=name, **facts)


def is_of_storage(error: IsthmusError) -> bool:
    """Whether it is the storage that denies us access, and no rule of ours the caller."""
    return isinstance(error, AccessDenied) and "errno" in error.facts
