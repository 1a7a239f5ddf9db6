"""What metadata says about content, in the words this service needs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import Aborted
from runtime.leased_memory import Grant, Lessor


class StaleUpload(Aborted):
    """The content was replaced while the upload was under way."""

    reason = "STALE_UPLOAD"


class FileKind(enum.Enum):
    """What a file is."""

    REGULAR = 1
    DIRECTORY = 2
    SYMLINK = 3


class Mode(enum.Enum):
    """What an upload does to what is there: becomes the content, or goes into it at an offset."""

    REPLACE = 1
    PATCH = 2


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file by its id, or by names below one; no id is the root directory of the space.

    With `share_id` it is the file as everybody sees it through that share.
    """

    space_id: str
    file_id: str = ""
    path: tuple[str, ...] = ()
    follow_last_symlink: bool = False
    share_id: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """As much of a file as answering for its content takes. Empty texts mean the default."""

    file_id: str
    space_id: str
    parent_id: str = ""
    name: str = ""
    kind: FileKind = FileKind.REGULAR
    mode: int = 0
    size_bytes: int = 0
    mtime_ms: int = 0
    symlink_target: str = ""
    mimetype: str = ""
    encoding: str = ""
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Where the content of a file is. No `storage_file_id`: nothing was ever written.

    `blocks` are `(offset, size)`, sorted and apart; what none covers reads as zeros.
    """

    storage_id: str = ""
    storage_file_id: str = ""
    size_bytes: int = 0
    blocks: tuple[tuple[int, int], ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Located:
    """A file the caller may read, and where its content is."""

    file: File
    location: Location


@dataclass(frozen=True, slots=True)
class Wish:
    """An upload somebody asks for.

    `size_bytes` is None while unknown; the body may have at most `max_bytes`. `permissions` are for a new
    file and, with `set_existing_mode`, for the old one. Texts that are None leave what is stored.
    """

    request_id: str
    file: FileRef
    mode: Mode = Mode.REPLACE
    create: bool = False
    exclusive: bool = False
    create_parents: bool = False
    permissions: int | None = None
    set_existing_mode: bool = False
    size_bytes: int | None = None
    max_bytes: int | None = None
    offset: int = 0
    mimetype: str | None = None
    encoding: str | None = None
    completion_status: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What metadata allowed. `parent_id` and `name` are for the commit of a new file.

    `recorded`: a record of the upload was made.
    `inode_id`: whose content is written, another file than `file_id` when that is a hard link.
    """

    file_id: str
    space_id: str
    parent_id: str = ""
    name: str = ""
    exists: bool = False
    location: Location | None = None
    available_bytes: int = 0
    recorded: bool = False
    inode_id: str = ""


@dataclass(frozen=True, slots=True)
class Committed:
    """The published file by its id, and whether this upload made it."""

    file_id: str
    created: bool


class Contents(Protocol):
    """Metadata, where content is located and published. Callers are the users of the data port."""

    async def locate(self, file: FileRef, *, fresh: bool = False) -> Located:
        """May the caller read it, and where is it? IsADirectory, NoSuchFile, AccessDenied.

        `fresh`: what was told before has turned out wrong.
        """
        ...

    async def get_file(self, file: FileRef, *, with_path: bool = False) -> File:
        """Attributes alone."""
        ...

    async def begin(self, wish: Wish, *, storage_id: str, storage_file_id: str, record: bool) -> Begun:
        """May the caller write here? `record` notes the upload, so that a crash's rests are found."""
        ...

    async def commit(
        self, wish: Wish, begun: Begun, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        """Publishes. Idempotent by the wish's request_id. NoSpace, StaleUpload."""
        ...

    async def publish(
        self, wish: Wish, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        """`begin` and `commit` at once, for whole content that is written already. Raises what both raise."""
        ...

    async def abort(self, wish: Wish, begun: Begun) -> None:
        """Gives an upload up. Idempotent."""
        ...


class LeasedContents(Contents, Lessor, Protocol):
    """Metadata, where it tells what may be remembered (docs/decisions/0019)."""

    async def locate_leased(self, file: FileRef, lease_id: str) -> tuple[Located, Grant | None]:
        """As `locate`; with a grant when the answer may be remembered under the lease."""
        ...
