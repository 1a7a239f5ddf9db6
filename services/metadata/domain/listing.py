"""Pages of a directory: by the bytes of the names, from a token, or from a name and an offset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from runtime.errors import InvalidArgument, InvalidName
from runtime.identity import Identity

from . import names, permissions
from .columns import FIELDS, IDENTITY, Columns, columns_of, first_rows, height, rows_fitting
from .extras import Extra, Extras, Wanted
from .listing_versions import ListingVersions
from .paths import FileRef, Found, Paths
from .records import File, shown_as
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
    """Files of one page in columns, and the token for the next, which is also there on the last page.

    `columns`: the fields asked for, beside those of `columns.IDENTITY`. `parent_id`: the directory of all of
    them. `extras`: what was wanted of each of them; empty when nothing was. `version`: that of the directory,
    at which it lists so for everybody who may list it; empty when that is not known. `is_unchanged`: it is
    the version the caller knows, and nothing else is told.
    """

    parent_id: str
    columns: Columns
    is_last: bool
    next_token: str
    extras: Sequence[Extra] = ()
    version: str = ""
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where in the store a page begins: `skip` entries after the position are not part of it."""

    position: Position | None
    inclusive: bool
    skip: int = 0


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
        versions: ListingVersions,
    ) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._extras = extras
        self._tokens = tokens
        self._touches = touches
        self._versions = versions

    async def list(
        self,
        identity: Identity,
        ref: FileRef,
        start: PageStart,
        page_size: int,
        fields: Collection[str] = (),
        wanted: Wanted | None = None,
        *,
        known_version: str = "",
    ) -> Page:
        """One page. Needs the right to list and, since attributes are told, to traverse.

        `fields`: of `columns.FIELDS`. What is `wanted` beside them needs rights of its own. `known_version`:
        at which the caller was told the same page before.
        """
        _check(start, page_size, fields)
        fields = {*IDENTITY, *fields}
        found = await self._paths.resolve(identity, ref)
        file = found.file
        if not file.is_directory:
            extra = [await self._extras.of_file(identity, found, wanted)] if wanted else ()
            token = self._tokens.make(file.file_id, Position(found.entry.name, found.entry.named_by))
            return Page(found.entry.parent_id, columns_of([found.shown()], fields), True, token, extra)
        permissions.require(identity, found.chain, permissions.LIST | permissions.TRAVERSE, found.reach)
        self._touches.read(file)
        if wanted or found.reach.names is not None:
            columns, is_last, extras = await self._page_of_files(
                identity, found, start, page_size, fields, wanted
            )
            return Page(file.file_id, columns, is_last, self._next(file.file_id, start, columns), extras)
        version = self._versions.current(file.space_id, file.file_id)
        if version and version == known_version:
            return Page(file.file_id, {}, False, "", version=version, is_unchanged=True)
        columns, is_last, has_links = await self._page_of_columns(found, start, page_size, fields)
        if has_links or version != self._versions.current(file.space_id, file.file_id):
            version = ""  # files with several names change elsewhere, too
        next_token = self._next(file.file_id, start, columns)
        return Page(file.file_id, columns, is_last, next_token, version=version)

    async def _page_of_columns(
        self, directory: Found, start: PageStart, page_size: int, fields: Collection[str]
    ) -> tuple[Columns, bool, bool]:
        """A page without a record for each file, when nothing depends on more than what is told of it.

        Also whether it is the last one, and whether hard links are among the files.
        """
        directory_id = directory.file.file_id
        begin = await self._begin(directory_id, start)
        columns = await self._store.list_columns(
            directory_id,
            fields,
            start=begin.position,
            inclusive=begin.inclusive,
            limit=begin.skip + page_size + 1,
        )
        if begin.skip:
            columns = {field: column[begin.skip :] for field, column in columns.items()}
        page = first_rows(columns, page_size)
        page = first_rows(page, rows_fitting(page, row_bytes=FILE_BYTES, limit_bytes=MAX_PAGE_BYTES))
        is_last = height(page) == height(columns)
        self._touches.apply(page)
        space_id = directory.file.space_id
        return page, is_last, await self._tree.follow_links(space_id, page, self._touches.applied)

    async def _page_of_files(
        self,
        identity: Identity,
        found: Found,
        start: PageStart,
        page_size: int,
        fields: Collection[str],
        wanted: Wanted | None,
    ) -> tuple[Columns, bool, Sequence[Extra]]:
        """The same by records: each file is asked for its rights, or few are seen at all."""
        if found.reach.names is not None:
            files = await self._some_names(found, start, page_size)
        else:
            files = await self._all_names(found.file.file_id, start, page_size)
        page = files[: _fitting(files, page_size)]
        inodes = await self._tree.inodes(page)
        extras: Sequence[Extra] = ()
        if wanted:
            children = list(map(partial(_child, found), page, inodes))
            extras = await self._extras.of_children(identity, found, children, wanted)
            page = page[: len(extras)]
        shown = [self._shown(*each) for each in zip(page, inodes, strict=False)]
        return columns_of(shown, fields), len(page) == len(files), extras

    def _shown(self, record: File, inode: File) -> File:
        file = self._touches.applied(inode)
        return file if inode is record else shown_as(file, record)

    async def _begin(self, directory_id: str, start: PageStart) -> _Begin:
        if start.token:
            return _Begin(_some(self._tokens.read(directory_id, start.token)), inclusive=False)
        if start.offset < 0 and not start.name:
            raise InvalidName("a negative offset needs a name to count from")
        begin, inclusive = Position(start.name), True
        if not start.inclusive and start.name:
            # After every file of that name, whichever provider gave it.
            begin, inclusive = Position(start.name, "\U0010ffff"), False
        if start.offset < 0:
            before = await self._store.list_before(directory_id, end=begin, limit=-start.offset)
            if before:
                begin, inclusive = Position(before[-1].name, before[-1].named_by), True
        return _Begin(_some(begin), inclusive, max(0, start.offset))

    async def _all_names(self, directory_id: str, start: PageStart, page_size: int) -> Sequence[File]:
        """The page and one more, if there is one more."""
        begin = await self._begin(directory_id, start)
        files = await self._store.list_children(
            directory_id,
            start=begin.position,
            inclusive=begin.inclusive,
            limit=begin.skip + page_size + 1,
        )
        return files[begin.skip :]

    async def _some_names(self, found: Found, start: PageStart, page_size: int) -> Sequence[File]:
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

    def _next(self, directory_id: str, start: PageStart, page: Columns) -> str:
        if height(page):
            return self._tokens.make(directory_id, Position(page["name"][-1], page["named_by"][-1]))
        if start.token:
            return start.token
        return self._tokens.make(directory_id, Position(start.name))


def _check(start: PageStart, page_size: int, fields: Collection[str]) -> None:
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidArgument("page_size out of range", page_size=page_size)
    if abs(start.offset) > MAX_OFFSET:
        raise InvalidArgument("offset out of range", offset=start.offset)
    unknown = set(fields) - FIELDS
    if unknown:
        raise InvalidArgument("no such field", field=min(unknown))


def _child(directory: Found, record: File, inode: File) -> Found:
    link = None if inode is record else record
    return Found((*directory.chain, inode), directory.reach, link)


def _fitting(files: Sequence[File], page_size: int) -> int:
    """How many files a page can hold, at least one."""
    texts = columns_of(files[:page_size], ("file_id", "name", "symlink_target", "mimetype"))
    return rows_fitting(texts, row_bytes=FILE_BYTES, limit_bytes=MAX_PAGE_BYTES)


def _some(position: Position) -> Position | None:
    return position if position.name else None
