"""What the rules need kept, and what each store promises.

All of them: a change is journaled by a majority before the call returns; a store that can't be reached raises
`Unavailable`, and then the change may or may not have happened. One call is one round trip and atomic for one
record; what promises more says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import IsthmusError

from .access_books import AccessHistoryStore
from .change_books import ChangeLog
from .columns import Columns
from .copy_records import CopyStore
from .dir_books import DirStatsStore
from .download_books import DownloadStore
from .locations import Location
from .queue_books import QueueStore
from .records import File
from .share_books import ShareNoteStore
from .usage_books import OwnerUsageStore, UsageHistoryStore


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a directory's listing: names by their bytes, one name by the providers that gave it."""

    name: str
    named_by: str = ""


@dataclass(frozen=True, slots=True)
class TreeChange:
    """A record to be added, or put in the place of its previous revision, together with others.

    `replaced`: a record that makes room for the name. `new_ancestry`: as in `FileStore.move`. `directories`:
    those whose content this changes.
    """

    file: File
    is_new: bool = False
    replaced: File | None = None
    new_ancestry: bool = False
    directories: tuple[File, ...] = ()

    @property
    def files(self) -> tuple[File, ...]:
        """Every record that changes."""
        return (self.file,) if self.replaced is None else (self.file, self.replaced)

    @property
    def known(self) -> tuple[File, ...]:
        """Those of them that were there before."""
        return self.files[1:] if self.is_new else self.files

    @property
    def ids(self) -> set[str]:
        """Their ids."""
        return {file.file_id for file in self.files}


class FileStore(Protocol):
    """Files, directories and links. No two files alive in one directory have the same `(name, named_by)`."""

    async def find(self, file_id: str) -> File | None:
        """The record, tombstones included."""
        ...

    async def find_named(self, parent_id: str, name: str) -> Sequence[File]:
        """Every file alive with this name in the directory: one for each provider that gave it, at most."""
        ...

    async def insert(self, file: File) -> None:
        """Adds a record. Raises `IdTaken` or `NameTaken`."""
        ...

    async def insert_link(self, link: File, file: File, *, replaced: File | None = None) -> None:
        """Adds a hard link and, in the same transaction, replaces the file it is a name of.

        `replaced`: a record that makes room for the name in that transaction, too. Raises `IdTaken`,
        `NameTaken`, `RevisionConflict`.
        """
        ...

    async def insert_many(self, files: Sequence[File]) -> Sequence[IsthmusError | None]:
        """As `insert` for each on its own: what it raises, in their order, None for those added."""
        ...

    async def replace(self, file: File) -> None:
        """Puts the record in the place of its previous revision.

        Raises `RevisionConflict` when that is not what is stored, `NameTaken`.
        """
        ...

    async def replace_many(self, files: Sequence[File]) -> None:
        """As `replace` for each on its own; who meets a conflict is left as it is."""
        ...

    async def move(self, file: File, *, replaced: File | None, new_ancestry: bool) -> None:
        """As `replace`, in one transaction with `replaced`, a record that makes room for the name.

        With `new_ancestry` the transaction also makes sure that the new parent is alive and not below the
        file, whatever else moves at the same time. Raises `RevisionConflict`, `NameTaken`,
        `RenameIntoItself`, `NoSuchFile`, and `DirectoryNotEmpty` when `replaced` is a directory that is not.
        """
        ...

    async def change_together(self, changes: Sequence[TreeChange]) -> None:
        """All of the changes or none, in one transaction.

        Raises `OneRefused` for what `insert` or `move` would have raised for one of them, `RevisionConflict`
        when another transaction was faster.
        """
        ...

    async def list_children(
        self, parent_id: str, *, start: Position | None, inclusive: bool, limit: int
    ) -> Sequence[File]:
        """Files alive in a directory from `start` on, in order; system names are left out."""
        ...

    async def list_columns(
        self, parent_id: str, fields: Collection[str], *, start: Position | None, inclusive: bool, limit: int
    ) -> Columns:
        """The same files, told by some of `columns.FIELDS`. One round trip."""
        ...

    async def list_columns_of(
        self, parent_ids: Collection[str], fields: Collection[str], *, limit: int
    ) -> Columns:
        """The same of several directories and with `parent_id`: by the bytes of that, then in order."""
        ...

    async def list_before(self, parent_id: str, *, end: Position, limit: int) -> Sequence[File]:
        """The last files before `end`, nearest first; system names are left out."""
        ...

    async def list_names(self, parent_id: str, names: Collection[str]) -> Sequence[File]:
        """Those of these names that are there, in order."""
        ...

    async def has_children(self, parent_id: str) -> bool:
        """Whether anything alive is in the directory."""
        ...

    async def find_deleted(self, delete_op: str) -> File | None:
        """What this request deleted, if it is not purged yet."""
        ...

    async def list_trashed(self, *, before_ms: int, limit: int) -> Sequence[File]:
        """Deleted directories whose removal was due before that time, the most overdue first."""
        ...

    async def list_cleanups(self, *, before_ms: int, limit: int) -> Sequence[File]:
        """Tombstones with `cleanup_ms` before that time, oldest first."""
        ...

    async def purge(self, *, before_ms: int, limit: int) -> Sequence[str]:
        """Removes tombstones with `purge_ms` before that time; answers their ids."""
        ...


class LocationStore(Protocol):
    """The locations of this provider.

    A file that was made with its content holds its first location in its own record; it counts as one of
    these, at revision 1, until there is a later one.
    """

    async def find(self, file_id: str) -> Location | None:
        """The location, retired ones included."""
        ...

    async def insert(self, location: Location) -> None:
        """Adds it. Raises `IdTaken`."""
        ...

    async def replace(self, location: Location) -> None:
        """Puts it in the place of its previous revision. Raises `RevisionConflict`."""
        ...

    async def remove(self, file_id: str, *, revision: int) -> None:
        """Removes it if it is at this revision, else nothing happens."""
        ...

    async def settle(self, settled: Sequence[tuple[str, int]]) -> None:
        """Takes the dirty mark from these (file id, revision) that are still at that revision."""
        ...

    async def list_dirty(self, *, before_ms: int, limit: int) -> Sequence[Location]:
        """Those dirty since before that time, oldest first."""
        ...

    async def list_garbage(
        self, storage_ids: Collection[str], *, before_ms: int, limit: int
    ) -> Sequence[Location]:
        """Those with garbage on these storages since before that time, oldest first."""
        ...

    async def find_references(
        self, storage_id: str, storage_file_ids: Collection[str], *, with_garbage: bool = True
    ) -> set[str]:
        """Those of the storage files that are current or, `with_garbage`, garbage of some location."""
        ...

    async def held_bytes(self, space_id: str) -> int:
        """Bytes of content and garbage of a space."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Quota of a space at this provider. `version` grows with every change of `used_bytes`.

    `leased_bytes` are taken as well: some instance uses them up and tells later how many it used.
    """

    space_id: str
    quota_bytes: int
    used_bytes: int
    version: int = 0
    leased_bytes: int = 0

    @property
    def available_bytes(self) -> int:
        return max(0, self.quota_bytes - self.used_bytes - self.leased_bytes)


class QuotaStore(Protocol):
    """Quotas of spaces. Used and leased bytes together never grow beyond a quota."""

    async def ensure(self, space_id: str, quota_bytes: int, *, revision: int = 0) -> Usage:
        """Sets the quota, keeps what is used. Idempotent.

        A revision is kept with it, and a lower one sets nothing later; 0 sets the quota and no revision.
        """
        ...

    async def find(self, space_id: str) -> Usage | None:
        """Quota and usage."""
        ...

    async def lease(
        self, space_id: str, holder: str, *, spent_bytes: int, needed_bytes: int, spare_bytes: int
    ) -> tuple[Usage, int]:
        """Settles and renews the lease of a holder: one lease a space and holder.

        Counts `spent_bytes` as used (as free, when negative; never below zero), then makes the lease what is
        needed and as much of the spare as is free, or nothing when not even the need is: the usage, and the
        bytes leased. Raises `SpaceNotSupported`.
        """
        ...

    async def lapse(self, *, unheard_s: float) -> Sequence[str]:
        """Counts leases that were not renewed for so long as used, whole; answers their spaces."""
        ...

    async def mend(self, usage: Usage, used_bytes: int) -> bool:
        """Sets what is used, if nothing changed since `usage` was read; answers whether it did."""
        ...

    async def list_spaces(self, *, after: str, limit: int) -> Sequence[str]:
        """Ids of the spaces kept here, in order, after that one."""
        ...


@dataclass(frozen=True, slots=True)
class Intent:
    """A storage file that no location refers to: of an upload under way, or given up (`abandoned`)."""

    request_id: str
    space_id: str
    file_id: str
    storage_id: str
    storage_file_id: str
    replaces: bool
    time_ms: int
    abandoned: bool = False
    #: The process that receives the bytes; empty when it did not say.
    holder: str = ""


class IntentStore(Protocol):
    """Uploads under way, and storage files left by uploads given up."""

    async def put(self, intent: Intent) -> None:
        """Adds it or replaces the one of the same request."""
        ...

    async def find(self, request_id: str) -> Intent | None:
        """The record of an upload."""
        ...

    async def remove(self, request_ids: Collection[str]) -> None:
        """Removes what is there of these."""
        ...

    async def list_abandoned(
        self, storage_ids: Collection[str], *, before_ms: int, limit: int
    ) -> Sequence[Intent]:
        """Given up before that time, oldest first."""
        ...

    async def remove_abandoned(self, storage_files: Collection[tuple[str, str]]) -> None:
        """Forgets storage files (storage id, storage file id) of uploads given up."""
        ...

    async def find_references(
        self, storage_id: str, storage_file_ids: Collection[str], *, living: Collection[str] = ()
    ) -> set[str]:
        """Those of the storage files that an intent names.

        An upload under way counts only if its holder is unknown or among `living`, unless that is empty.
        """
        ...

    async def expire(self, *, before_ms: int, limit: int) -> int:
        """Forgets uploads that began before that time and never ended; answers how many."""
        ...


@dataclass(frozen=True, slots=True)
class CustomMetadata:
    """Custom metadata of a file by name. Revision 0 is not stored yet.

    Values are JSON texts, also the JSON document under `onedata_json`; the RDF document under `onedata_rdf`
    has its own bytes.
    """

    file_id: str
    space_id: str
    xattrs: dict[str, bytes]
    revision: int = 0

    @property
    def size_bytes(self) -> int:
        """Of the values."""
        return sum(map(len, self.xattrs.values()))


class CustomMetadataStore(Protocol):
    """Extended attributes, JSON and RDF."""

    async def find(self, file_id: str) -> CustomMetadata | None:
        """What is set on the file."""
        ...

    async def find_many(
        self, file_ids: Collection[str], names: Collection[str] | None, *, limit_bytes: int
    ) -> Mapping[str, CustomMetadata] | None:
        """What is set on these files, by file id; of it only these names, unless None.

        None when the values have more than `limit_bytes` together.
        """
        ...

    async def replace(self, metadata: CustomMetadata | None, file: File) -> None:
        """Puts both in the place of their previous revisions, in one transaction. None leaves the attributes.

        A file at revision 1 is added. Raises `RevisionConflict`; for a new file `IdTaken` and `NameTaken`.
        """
        ...

    async def remove(self, file_id: str) -> None:
        """Removes what is set, if anything."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """All that is kept."""

    files: FileStore
    locations: LocationStore
    quotas: QuotaStore
    intents: IntentStore
    custom_metadata: CustomMetadataStore
    share_notes: ShareNoteStore
    usage_history: UsageHistoryStore
    owner_usage: OwnerUsageStore
    access_history: AccessHistoryStore
    dir_stats: DirStatsStore
    changes: ChangeLog
    downloads: DownloadStore
    queues: QueueStore
    copies: CopyStore
