"""What is stored of a file, and the special ids of a space."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any

from .locations import Location

#: Names with this start belong to the system: never listed, never made by users.
HIDDEN_PREFIX = ".__onedata__"
TMP_NAME = f"{HIDDEN_PREFIX}tmp"
#: The trash has no link in the tree, but its name can't be taken in the directory of a space.
TRASH_NAME = ".trash"
#: Hard links are told by their uuids, which name the file they belong to.
LINK_PREFIX = "link_"
_LINK_OF = "_file_"

DEFAULT_FILE_MODE = 0o664
DEFAULT_DIRECTORY_MODE = 0o775
SYMLINK_MODE = 0o777
MAX_MODE = 0o1777


class FileType(enum.Enum):
    """What a file is."""

    REGULAR = "REG"
    DIRECTORY = "DIR"
    SYMLINK = "SYMLNK"
    QUEUE = "QUEUE"


def root_id(space_id: str) -> str:
    """uuid of the directory of a space."""
    return f"space_{space_id}"


def trash_id(space_id: str) -> str:
    """uuid of the trash of a space; it is only ever a parent, no record has it."""
    return f"trash_{space_id}"


def tmp_id(space_id: str) -> str:
    """uuid of the directory for temporary files of a space; listings leave it out."""
    return f"tmp_{space_id}"


def swept_id(space_id: str) -> str:
    """Parent of directories that are being removed; no record has it."""
    return f"swept_{space_id}"


def unnamed_id(space_id: str) -> str:
    """Parent of files whose own name is gone while hard links to them remain; no record has it."""
    return f"unnamed_{space_id}"


def inode_id(file_id: str) -> str:
    """uuid of the file that a uuid is a name of: of another one when it is a hard link's."""
    if file_id.startswith(LINK_PREFIX):
        return file_id.partition(_LINK_OF)[2]
    return file_id


def virtual_owner(space_id: str) -> str:
    """Owner of the directory of a space; nobody can log in as it."""
    return f"VIRTUAL_SPACE_OWNER_{space_id}"


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One entry of an ACL: allows or denies the bits of `mask` to whom `identifier` names.

    `identifier`: a user id, a group id when `is_group`, or OWNER@, GROUP@, EVERYONE@, ANONYMOUS@.
    """

    allow: bool
    identifier: str
    mask: int
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class Trashed:
    """Where a directory was before it went to the trash, who sent it there, and when its removal begins."""

    time_ms: int
    parent_id: str
    name: str
    by: str = ""
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class ValueDigest:
    """Digest of a content, in base16, and which content of the file it is of."""

    algorithm: str
    digest: str
    location_revision: int


#: Fields whose changes readers of the change log are told of, and where their revision is noted.
_NOTED = {
    **dict.fromkeys(("atime_ms", "mtime_ms", "ctime_ms"), "times_revision"),
    **dict.fromkeys(
        (
            "parent_id", "name", "named_by", "type", "mode", "owner_id", "share_ids", "acl", "deleted",
            "symlink_target", "trashed", "links", "unnamed",
        ),
        "meta_revision",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A file, directory or symbolic link: one record, so what must change together does.

    Times are milliseconds since the epoch. `revision` grows by one with every change and is what a replace
    is conditional on. `op_id` is the request that made the last change. `size_bytes` and `local_bytes` mirror
    the location numbered `location_revision`. `location` is the first location of a file that was made with
    its content: it stays in this record until the content changes for the first time. A deleted file stays as
    a tombstone: `cleanup_ms` says since when there is something to clean up after it, `purge_ms` when the
    record itself may go. `delete_op` is
    the request that deleted it or sent it to the trash.

    `links`: uuids of the hard links of a regular file; `unnamed`: they are all that is left of its names. Of
    the record of a link only name and directory count; `shown_as` joins it to its file.
    """

    file_id: str
    space_id: str
    parent_id: str
    name: str
    type: FileType
    mode: int
    owner_id: str
    provider_id: str
    named_by: str
    creation_time_ms: int
    atime_ms: int
    mtime_ms: int
    ctime_ms: int
    size_bytes: int = 0
    local_bytes: int = 0
    location_revision: int = 0
    location: Location | None = None
    symlink_target: str = ""
    mimetype: str = ""
    value_transfer_encoding: str = ""
    completion_status: str = ""
    has_custom_metadata: bool = False
    share_ids: tuple[str, ...] = ()
    acl: tuple[AclEntry, ...] | None = None
    revision: int = 1
    op_id: str = ""
    deleted: bool = False
    cleanup_ms: int | None = None
    purge_ms: int | None = None
    delete_op: str = ""
    trashed: Trashed | None = None
    links: tuple[str, ...] = ()
    unnamed: bool = False
    #: The algorithm by which users want the digest of the content, and the last digest that was made.
    value_hash: str = ""
    value_digest: ValueDigest | None = None
    #: At which revision what users know as the file's metadata, and its times, changed last.
    meta_revision: int = 1
    times_revision: int = 1
    #: The numeric group on the storage, of a file that was registered with one; empty for all others.
    gids: tuple[int, ...] = ()

    @property
    def has_acl(self) -> bool:
        """Whether an ACL decides in the place of the mode."""
        return bool(self.acl)

    @property
    def is_special(self) -> bool:
        """Whether this is one of the directories every space has, which nobody can change or remove."""
        return self.is_root or self.file_id == tmp_id(self.space_id)

    @property
    def is_directory(self) -> bool:
        return self.type is FileType.DIRECTORY

    @property
    def is_root(self) -> bool:
        """Whether this is the directory of a space."""
        return not self.parent_id

    @property
    def is_link(self) -> bool:
        """Whether this is a further name of a regular file."""
        return self.file_id.startswith(LINK_PREFIX)

    @property
    def digest(self) -> str:
        """The digest that users want of the content as it is now; empty while it is not known."""
        made = self.value_digest
        if made is None or (made.algorithm, made.location_revision) != (
            self.value_hash,
            self.location_revision,
        ):
            return ""
        return made.digest

    @property
    def hard_link_count(self) -> int:
        """How many names it has."""
        return len(self.links) + (not self.unnamed)

    def changed(self, **changes: Any) -> File:
        """The next revision, with these fields changed."""
        revision = self.revision + 1
        for name, value in changes.items():
            noted = _NOTED.get(name)
            if noted is not None and getattr(self, name) != value:
                changes = {**changes, noted: revision}
        return replace(self, revision=revision, **changes)

    def tombstone(self, *, now_ms: int, op_id: str, cleanup_ms: int) -> File:
        """The next revision, deleted."""
        return self.changed(
            deleted=True, op_id=op_id, delete_op=op_id, ctime_ms=now_ms, cleanup_ms=cleanup_ms
        )


def nameless(file: File, *, now_ms: int, op_id: str, cleanup_ms: int) -> File:
    """The next revision of a record whose name is taken away: kept for its other names, or a tombstone."""
    if not file.links:
        return file.tombstone(now_ms=now_ms, op_id=op_id, cleanup_ms=cleanup_ms)
    return file.changed(
        unnamed=True,
        parent_id=unnamed_id(file.space_id),
        name=file.file_id,
        ctime_ms=now_ms,
        op_id=op_id,
        delete_op=op_id,
    )


def without_link(file: File, link_id: str, *, now_ms: int) -> File:
    """The next revision of a file one of whose hard links is gone; with the last name goes the file."""
    links = tuple(each for each in file.links if each != link_id)
    if file.unnamed and not links:
        return replace(file.tombstone(now_ms=now_ms, op_id="", cleanup_ms=now_ms), links=())
    return file.changed(links=links, ctime_ms=now_ms)


def shown_as(file: File, link: File) -> File:
    """A file by the name that one of its hard links gives it."""
    return replace(
        file, file_id=link.file_id, parent_id=link.parent_id, name=link.name, named_by=link.named_by
    )


def trashed_from(directory: File, *, by: str, now_ms: int, due_ms: int, op_id: str) -> File:
    """The next revision of a directory, in the trash with all below it: out of sight by one update."""
    return directory.changed(
        parent_id=trash_id(directory.space_id),
        name=f"{directory.name}@@{directory.file_id}",
        trashed=Trashed(now_ms, directory.parent_id, directory.name, by, due_ms),
        ctime_ms=now_ms,
        op_id=op_id,
        delete_op=op_id,
    )


def swept_from(directory: File, *, now_ms: int) -> File:
    """The next revision of a directory that is being removed: nothing brings it back."""
    trashed = directory.trashed or Trashed(now_ms, directory.parent_id, directory.name, "", now_ms)
    return directory.changed(
        parent_id=swept_id(directory.space_id),
        name=directory.file_id,
        trashed=replace(trashed, due_ms=now_ms),
        ctime_ms=now_ms,
    )


def new_root(space_id: str, provider_id: str, now_ms: int) -> File:
    """The directory of a space. The same at every provider but for the times."""
    # Roots have one parent, none, and names are unique below it; nobody is shown this one.
    return _new_special(
        space_id, provider_id, now_ms, root_id(space_id), "", space_id, DEFAULT_DIRECTORY_MODE
    )


def new_tmp(space_id: str, provider_id: str, now_ms: int) -> File:
    """The directory for temporary files of a space, which all members may use."""
    return _new_special(space_id, provider_id, now_ms, tmp_id(space_id), root_id(space_id), TMP_NAME, 0o777)


def _new_special(
    space_id: str, provider_id: str, now_ms: int, file_id: str, parent_id: str, name: str, mode: int
) -> File:
    return File(
        file_id=file_id,
        space_id=space_id,
        parent_id=parent_id,
        name=name,
        type=FileType.DIRECTORY,
        mode=mode,
        owner_id=virtual_owner(space_id),
        provider_id=provider_id,
        named_by=provider_id,
        creation_time_ms=now_ms,
        atime_ms=now_ms,
        mtime_ms=now_ms,
        ctime_ms=now_ms,
    )
