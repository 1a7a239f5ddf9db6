"""A file as the gateway shows it, whoever answered for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from services.gateway.domain.acls import Entry

#: Kinds of files; the numbers are those of the metadata service.
REGULAR: Final = 1
DIRECTORY: Final = 2
SYMLINK: Final = 3
QUEUE: Final = 4

#: As clients know them, to whom a queue is an empty file (docs/decisions/0036).
TYPE_NAMES: Final = {REGULAR: "REG", DIRECTORY: "DIR", SYMLINK: "SYMLNK", QUEUE: "REG"}

#: Names with this start belong to the system; what users see has none of them on its way.
HIDDEN_PREFIX: Final = ".__onedata__"

DEFAULT_MIMETYPE: Final = "application/octet-stream"

_DISPLAY_ID_LOW = 100_000
_DISPLAY_ID_HIGH = 2_000_000


class FileRecord(Protocol):
    """What is known of a file. The metadata service's message has these fields; so has `VirtualDirectory`."""

    @property
    def file_id(self) -> str: ...
    @property
    def space_id(self) -> str: ...
    @property
    def parent_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> int: ...
    @property
    def mode(self) -> int: ...
    @property
    def owner_id(self) -> str: ...
    @property
    def provider_id(self) -> str: ...
    @property
    def creation_time_ms(self) -> int: ...
    @property
    def atime_ms(self) -> int: ...
    @property
    def mtime_ms(self) -> int: ...
    @property
    def ctime_ms(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def symlink_target(self) -> str: ...
    @property
    def share_ids(self) -> Sequence[str]: ...
    @property
    def hard_link_count(self) -> int: ...
    @property
    def has_custom_metadata(self) -> bool: ...
    @property
    def mimetype(self) -> str: ...
    @property
    def value_transfer_encoding(self) -> str: ...
    @property
    def completion_status(self) -> str: ...
    @property
    def path(self) -> Sequence[str]: ...
    @property
    def local_bytes(self) -> int: ...
    @property
    def last_request_id(self) -> str: ...
    @property
    def has_sum(self) -> bool: ...
    @property
    def value_hash(self) -> str: ...
    @property
    def value_digest(self) -> str: ...
    @property
    def content_revision(self) -> int: ...
    @property
    def gids(self) -> Sequence[int]: ...
    @property
    def has_acl(self) -> bool: ...
    @property
    def acl(self) -> Sequence[Entry]: ...
    @property
    def xattrs(self) -> Mapping[str, bytes]: ...


@dataclass(frozen=True, slots=True)
class VirtualDirectory:
    """A directory that no record stands for: the one that lists a user's spaces."""

    file_id: str
    space_id: str
    name: str
    owner_id: str
    provider_id: str
    parent_id: str = ""
    type: int = DIRECTORY
    mode: int = 0o1755
    creation_time_ms: int = 0
    atime_ms: int = 0
    mtime_ms: int = 0
    ctime_ms: int = 0
    size_bytes: int = 0
    symlink_target: str = ""
    share_ids: tuple[str, ...] = ()
    hard_link_count: int = 1
    has_custom_metadata: bool = False
    mimetype: str = ""
    value_transfer_encoding: str = ""
    completion_status: str = ""
    path: tuple[str, ...] = ()
    local_bytes: int = 0
    last_request_id: str = ""
    has_sum: bool = False
    value_hash: str = ""
    value_digest: str = ""
    content_revision: int = 0
    gids: tuple[int, ...] = ()
    has_acl: bool = False
    acl: tuple[Entry, ...] = ()
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


class UnfinishedFile(VirtualDirectory):
    """A file or directory that is being copied, and is not at its place yet."""


@lru_cache(maxsize=4096)
def display_id(id: str) -> int:
    """The number shown for a user or space that has no mapping to one of the storage's own."""
    span = _DISPLAY_ID_HIGH - _DISPLAY_ID_LOW
    return _DISPLAY_ID_LOW + int.from_bytes(id.encode()) % span


def inode(uuid: str) -> str:
    """The inode a name stands for; a hard link carries it in its uuid."""
    if uuid.startswith("link_"):
        return uuid.partition("_file_")[2] or uuid
    return uuid


def is_space_root(file: FileRecord) -> bool:
    """Whether this is the directory of its space."""
    return is_root_of(file.space_id, file.file_id)


def is_root_of(space_id: str, uuid: str) -> bool:
    """Whether this is the uuid of the directory of the space."""
    return uuid.startswith("space_") and uuid == root_of(space_id)


def root_of(space_id: str) -> str:
    """The uuid of the directory of the space."""
    return f"space_{space_id}"
