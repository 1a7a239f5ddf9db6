"""The change log as users follow it: which document of which file changed, with what it holds now.

To users a file is four documents: its metadata, its times, its location here, and its custom metadata. The
first two lie in one record of ours, which notes at which revision each changed last. Only the newest
revision of a document is told of: an entry of the log whose document changed again is passed over, since that
change is in the log as well.

Documents are numbered twice as dense as the log, so that both that one entry may stand for have a number of
their own: `2 * sequence`, and one more for the times.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from runtime.errors import InvalidArgument, NoSuchFile
from runtime.identity import Identity

from .change_books import Change, ChangeLog
from .changes import require_reader
from .locations import Location
from .records import File, inode_id, shown_as
from .replicas import Replicas
from .stores import CustomMetadata, CustomMetadataStore
from .tree import Tree

MAX_PAGE_SIZE = 200
#: Custom metadata of one page; a page with more ends early.
MAX_PAGE_BYTES = 4 * 1024 * 1024
#: Of one file: everything it can have.
MAX_FILE_BYTES = 16 * 1024 * 1024
#: Spaces whose newest numbers are asked for at once.
MAX_SPACES = 1000


class Document(enum.Enum):
    """What of a file changed."""

    FILE_META = 1
    FILE_LOCATION = 2
    TIMES = 3
    CUSTOM_METADATA = 4


@dataclass(frozen=True, slots=True)
class Follow:
    """What to tell: changes of these documents; beside the file its location, its custom metadata.

    `xattrs`: names of what is told of the custom metadata, None for all of it.
    """

    documents: frozenset[Document]
    with_location: bool = False
    with_custom_metadata: bool = False
    xattrs: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ChangedDocument:
    """One change. `path`: names below the directory of the space; None when the file is gone."""

    number: int
    document: Document
    file: File
    path: tuple[str, ...] | None
    location: Location | None
    custom_metadata: CustomMetadata | None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Changes, up to where the log was looked through, and whether it goes on there."""

    changes: Sequence[ChangedDocument]
    position: int
    more: bool


class ChangeFeed:
    """Reads change logs document by document."""

    def __init__(
        self, log: ChangeLog, tree: Tree, replicas: Replicas, custom_metadata: CustomMetadataStore
    ) -> None:
        self._log = log
        self._tree = tree
        self._replicas = replicas
        self._custom_metadata = custom_metadata

    async def read(
        self, identity: Identity, space_id: str, follow: Follow, *, after: int, page_size: int
    ) -> FeedPage:
        """Changes after a number, oldest first. What the history no longer has is passed over."""
        require_reader(identity, space_id)
        if not 1 <= page_size <= MAX_PAGE_SIZE or after < 0:
            raise InvalidArgument("page_size or after out of range")
        await self._tree.require_space(space_id)
        # The entry with an even number may have told of its metadata, and not of its times yet.
        entries = await self._log.list(space_id, after_sequence=(after + 1) // 2 - 1, limit=page_size)
        if not entries:
            return FeedPage((), await self._end(space_id, after), False)
        wanted = [entry for entry in entries if _documents(entry) & follow.documents]
        files = await self._files(space_id, wanted)
        told, metadata = await self._custom(wanted, follow)
        changes = [
            change
            for entry in told
            if (file := files.get(entry.file_id)) is not None
            for change in await self._changes(entry, file, follow, metadata)
            if change.number > after
        ]
        if len(told) < len(wanted):
            return FeedPage(changes, 2 * told[-1].sequence + 1, True)
        return FeedPage(changes, 2 * entries[-1].sequence + 1, len(entries) == page_size)

    async def heads(self, space_ids: Collection[str]) -> dict[str, int]:
        """Number of the newest change of each space that has any."""
        if len(space_ids) > MAX_SPACES:
            raise InvalidArgument("too many spaces at once")
        heads = await self._log.heads(space_ids)
        return {space_id: 2 * sequence + 1 for space_id, sequence in heads.items()}

    async def _end(self, space_id: str, after: int) -> int:
        """Where the log ends, when nothing is in it after a number: a gap in it has numbers, too."""
        head = (await self.heads([space_id])).get(space_id, 0)
        if await self._log.list(space_id, after_sequence=(after + 1) // 2 - 1, limit=1):
            return after
        return max(after, head)

    async def _files(self, space_id: str, entries: Sequence[Change]) -> dict[str, File]:
        ids = list(dict.fromkeys(entry.file_id for entry in entries))
        found = await asyncio.gather(*(self._tree.find(space_id, file_id) for file_id in ids))
        return {file.file_id: file for file in found if file is not None}

    async def _custom(
        self, entries: Sequence[Change], follow: Follow
    ) -> tuple[Sequence[Change], dict[str, CustomMetadata]]:
        """As many of the entries as can be told of together, and the custom metadata of their files."""
        changed = any(entry.collection == "custom_metadata" for entry in entries)
        if not entries or not (follow.with_custom_metadata or changed):
            return entries, {}
        # Without names just the revisions matter.
        names = follow.xattrs if follow.with_custom_metadata else frozenset[str]()
        while True:
            ids = {inode_id(entry.file_id) for entry in entries}
            limit_bytes = MAX_PAGE_BYTES if len(ids) > 1 else MAX_FILE_BYTES
            found = await self._custom_metadata.find_many(ids, names, limit_bytes=limit_bytes)
            if found is not None:
                return entries, dict(found)
            if len(ids) == 1:
                return entries, {}
            entries = entries[: max(1, len(entries) // 2)]

    async def _changes(
        self, entry: Change, file: File, follow: Follow, metadata: dict[str, CustomMetadata]
    ) -> list[ChangedDocument]:
        # A hard link shows the location and the metadata of its file.
        inode = inode_id(file.file_id)
        custom = metadata.get(inode)
        location = None
        if follow.with_location or entry.collection == "locations":
            location = await self._replicas.find(file.space_id, inode)
        documents = [
            document
            for document in Document
            if document in follow.documents & _documents(entry)
            and _revision(document, file, location, custom) == entry.revision
        ]
        if not documents:
            return []
        path, shown = await self._path(file), await self._shown(file)
        return [
            ChangedDocument(
                2 * entry.sequence + (document is Document.TIMES), document, shown, path, location, custom
            )
            for document in documents
        ]

    async def _shown(self, file: File) -> File:
        """The file; a hard link as the file it is a name of, changed when the link did."""
        if not file.is_link or file.deleted:
            return file
        try:
            inode = await self._tree.inode(file)
        except NoSuchFile:
            return file
        return replace(
            shown_as(inode, file), meta_revision=file.meta_revision, times_revision=file.times_revision
        )

    async def _path(self, file: File) -> tuple[str, ...] | None:
        try:
            chain = await self._tree.chain(file.space_id, file.file_id)
        except NoSuchFile:
            return None
        return tuple(each.name for each in chain[1:])


_BY_COLLECTION = {
    "files": frozenset({Document.FILE_META, Document.TIMES}),
    "locations": frozenset({Document.FILE_LOCATION}),
    "custom_metadata": frozenset({Document.CUSTOM_METADATA}),
}


def _documents(entry: Change) -> frozenset[Document]:
    return _BY_COLLECTION.get(entry.collection, frozenset())


def _revision(
    document: Document, file: File, location: Location | None, custom: CustomMetadata | None
) -> int | None:
    """At which revision of its record the document changed last."""
    match document:
        case Document.FILE_META:
            return file.meta_revision
        case Document.TIMES:
            return file.times_revision
        case Document.FILE_LOCATION:
            return None if location is None else location.revision
    return None if custom is None else custom.revision
