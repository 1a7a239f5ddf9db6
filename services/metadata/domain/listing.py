"""Pages of a directory: by the bytes of the names, from a token, or from a name and an offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from runtime.errors import InvalidArgument, InvalidName
from runtime.identity import Identity

from . import names, permissions
from .extras import Extra, Extras, Wanted
from .paths import FileRef, Found, Paths
from .records import File, FileType, shown_as
from .stores import FileStore, Position
from .times import Touches
from .tokens import PageTokens
from .tree import Tree

MAX_PAGE_SIZE = 10_000
MAX_OFFSET = 500
#: A page of long names and link targets ends early, before it is too much for one message.
MAX_PAGE_BYTES = 3 * 1024 * 1024
#: What a file takes in a page beside its texts, at most.
FILE_BYTES = 320


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins. `token` overrides the rest; `offset` counts entries from `name`."""

    token: str = ""
    name: str = ""
    offset: int = 0
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Files of one page, and the token for the next, which is also there on the last page.

    `extras`: what was wanted of each of them; empty when nothing was.
    """

    files: Sequence[File]
    is_last: bool
    next_token: str
    extras: Sequence[Extra] = ()


class Listing:
    """Lists directories.

    A page holds what is there while it is read; pages joined by tokens miss nothing and repeat nothing of
    what is there the whole time, whatever comes and goes meanwhile.
    """

    def __init__(
        self,
        store: FileStore,
        tree: Tree,
        paths: Paths,
        extras: Extras,
        tokens: PageTokens,
        touches: Touches,
    ) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._extras = extras
        self._tokens = tokens
        self._touches = touches

    async def list(
        self,
        identity: Identity,
        ref: FileRef,
        start: PageStart,
        page_size: int,
        wanted: Wanted | None = None,
    ) -> Page:
        """One page. Needs the right to list and, since attributes are told, to traverse.

        What is `wanted` beside the records needs rights of its own.
        """
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=page_size)
        if abs(start.offset) > MAX_OFFSET:
            raise InvalidArgument("offset out of range", offset=start.offset)
        found = await self._paths.resolve(identity, ref)
        file = found.file
        if not file.is_directory:
            extra = [await self._extras.of_file(identity, found, wanted)] if wanted else ()
            token = self._tokens.make(file.file_id, Position(found.entry.name, found.entry.named_by))
            return Page((found.shown(),), True, token, extra)
        permissions.require(identity, found.chain, permissions.LIST | permissions.TRAVERSE, found.reach)
        self._touches.read(file)
        if found.reach.names is not None:
            files = await self._page_of_names(found, start, page_size)
        else:
            files = await self._page_of_all(file.file_id, start, page_size)
        page = [self._touches.applied(child) for child in files[: _fitting(files, page_size)]]
        inodes = await self._tree.inodes(page)
        extras: Sequence[Extra] = ()
        if wanted:
            children = list(map(partial(_child, found), page, inodes))
            extras = await self._extras.of_children(identity, found, children, wanted)
            page = page[: len(extras)]
        shown = page if inodes is page else [_shown(*each) for each in zip(page, inodes, strict=False)]
        return Page(shown, len(page) == len(files), self._next(file.file_id, start, page), extras)

    async def _page_of_all(self, directory_id: str, start: PageStart, page_size: int) -> Sequence[File]:
        """The page and one more, if there is one more."""
        if start.token:
            after = self._tokens.read(directory_id, start.token)
            return await self._store.list_children(
                directory_id, start=_some(after), inclusive=False, limit=page_size + 1
            )
        if start.offset < 0 and not start.name:
            raise InvalidName("a negative offset needs a name to count from")
        begin, inclusive, skip = Position(start.name), True, max(0, start.offset)
        if not start.inclusive and start.name:
            # After every file of that name, whichever provider gave it.
            begin, inclusive = Position(start.name, "\U0010ffff"), False
        if start.offset < 0:
            before = await self._store.list_before(directory_id, end=begin, limit=-start.offset)
            if before:
                begin, inclusive = Position(before[-1].name, before[-1].named_by), True
        files = await self._store.list_children(
            directory_id, start=_some(begin), inclusive=inclusive, limit=skip + page_size + 1
        )
        return files[skip:]

    async def _page_of_names(self, found: Found, start: PageStart, page_size: int) -> Sequence[File]:
        """As above for a token that sees only some names: few, so all of them are read."""
        directory_id = found.file.file_id
        files = list(await self._store.list_names(directory_id, found.reach.names or ()))
        files = [file for file in files if not names.is_hidden(file.name)]
        if start.token:
            after = self._tokens.read(directory_id, start.token)
            return [file for file in files if (file.name, file.named_by) > (after.name, after.named_by)]
        if start.offset < 0 and not start.name:
            raise InvalidName("a negative offset needs a name to count from")
        first = sum(
            file.name < start.name or (file.name == start.name and not start.inclusive) for file in files
        )
        return files[max(0, first + start.offset) :]

    def _next(self, directory_id: str, start: PageStart, page: Sequence[File]) -> str:
        if page:
            return self._tokens.make(directory_id, Position(page[-1].name, page[-1].named_by))
        if start.token:
            return start.token
        return self._tokens.make(directory_id, Position(start.name))


def _child(directory: Found, record: File, inode: File) -> Found:
    link = None if inode is record else record
    return Found((*directory.chain, inode), directory.reach, link)


def _shown(record: File, inode: File) -> File:
    return record if inode is record else shown_as(inode, record)


def _fitting(files: Sequence[File], page_size: int) -> int:
    """How many files a page can hold, at least one."""
    size_bytes = 0
    for count, file in enumerate(files[:page_size]):
        # A character of a name has 4 bytes at most; the size of a link is that of its target.
        size_bytes += FILE_BYTES + 4 * len(file.name) + len(file.mimetype)
        size_bytes += file.size_bytes if file.type is FileType.SYMLINK else 0
        if size_bytes > MAX_PAGE_BYTES and count:
            return count
    return min(len(files), page_size)


def _some(position: Position) -> Position | None:
    return position if position.name else None
