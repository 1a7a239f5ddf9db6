"""A directory with all in it as one tar archive, in the POSIX (pax) format.

The archive is never there as a whole: it is made member by member while it is sent, in the order in which the
directory is walked, so the same directory always makes the same bytes.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.storage_router.domain.contents import FileKind, FileRef, Located

#: Two empty blocks end an archive.
END = bytes(2 * tarfile.BLOCKSIZE)

_TYPES = {
    FileKind.REGULAR: tarfile.REGTYPE,
    FileKind.DIRECTORY: tarfile.DIRTYPE,
    FileKind.SYMLINK: tarfile.SYMTYPE,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything sent up to `offset` had this digest."""

    offset: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Download:
    """What a code is good for. `identity`: signed, of who made the code; its time may be over."""

    code: str
    directory: FileRef
    name: str
    identity: bytes
    started_ms: int
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the directory. `path`: names below it, joined by `/`; `.` for itself."""

    path: str
    located: Located


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some of them, and the token for those that follow; empty at the end."""

    entries: Sequence[Entry]
    next_token: str


class Directories(Protocol):
    """Metadata, where directories are walked and codes are kept."""

    async def offer(self, directory: FileRef) -> str:
        """A code for a directory the caller may list. AccessDenied, NoSuchFile."""
        ...

    async def start(self, code: str, *, request_id: str, resume: bool) -> Download:
        """Begins or resumes a download. ApiError `badValueIdNotFound` for a code that is not good."""
        ...

    async def note(self, code: str, mark: Mark) -> None:
        """Remembers how far a download has come."""
        ...

    async def page(self, directory: FileRef, token: str) -> EntryPage:
        """What the caller may read of a directory, itself first."""
        ...


class Progress:
    """How far an archive has come: its length, and a digest of which states of which files it holds."""

    def __init__(self) -> None:
        self.offset = 0
        self._digest = hashlib.sha256()

    def add(self, header: bytes, located: Located, size_bytes: int) -> None:
        """A member was sent, or passed over."""
        location = located.location
        self._digest.update(header)
        self._digest.update(f"\0{location.storage_file_id}\0{location.revision}\0".encode())
        self.offset += len(header) + padded(size_bytes)

    def copy(self) -> Progress:
        """As it is now."""
        other = Progress()
        other.offset, other._digest = self.offset, self._digest.copy()
        return other

    @property
    def mark(self) -> Mark:
        """Where it is."""
        return Mark(self.offset, self._digest.digest())


@dataclass(slots=True)
class Survey:
    """A whole archive looked through without reading any file.

    `token` and `begin`: where, at or before the offset asked for, a page of entries begins. `is_same`: as far
    as anybody can tell, what was sent already is what would be sent again.
    """

    total_bytes: int = 0
    token: str = ""
    begin: Progress = field(default_factory=Progress)
    is_same: bool = True


async def survey(directories: Directories, download: Download, offset: int) -> Survey:
    """Looks for the place where a download goes on. What `Directories.page` raises."""
    found = Survey()
    progress = Progress()
    marks = {mark.offset: mark.digest for mark in download.marks}
    seen_to = max((mark.offset for mark in download.marks if mark.offset <= offset), default=0)
    async for token, page in pages(directories, download.directory):
        if progress.offset <= offset:
            found.token, found.begin = token, progress.copy()
        for entry in page.entries:
            size_bytes = size_of(entry.located)
            unmarked = seen_to <= progress.offset < offset
            if unmarked and entry.located.file.mtime_ms >= download.started_ms:
                found.is_same = False
            progress.add(header(download.name, entry), entry.located, size_bytes)
            if marks.pop(progress.offset, progress.mark.digest) != progress.mark.digest:
                found.is_same = False
    found.is_same = found.is_same and not marks
    found.total_bytes = progress.offset + len(END)
    return found


async def pages(
    directories: Directories, directory: FileRef, token: str = ""
) -> AsyncIterator[tuple[str, EntryPage]]:
    """All pages from a token on, each with the token it began with."""
    while True:
        page = await directories.page(directory, token)
        yield token, page
        token = page.next_token
        if not token:
            return


def header(root: str, entry: Entry, size_bytes: int | None = None) -> bytes:
    """What stands before the content of a member. `size_bytes`: of the content, if it is known better."""
    file = entry.located.file
    root = root.replace("/", "_").replace("\0", "_")
    root = root if root not in ("", ".", "..") else "_"
    info = tarfile.TarInfo(root if entry.path == "." else f"{root}/{entry.path}")
    info.type = _TYPES[file.kind]
    info.mode = file.mode
    info.mtime = file.mtime_ms // 1000
    info.size = size_of(entry.located) if size_bytes is None else size_bytes
    info.linkname = file.symlink_target
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def size_of(located: Located) -> int:
    """Length of the content of a member."""
    return located.location.size_bytes if located.file.kind is FileKind.REGULAR else 0


def padded(size_bytes: int) -> int:
    """Length of content with the zeros that fill up its last block."""
    return -(-size_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
