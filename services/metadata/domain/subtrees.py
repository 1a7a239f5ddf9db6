"""Everything below a directory in pages: for recursive listings, and for downloads of directories."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from runtime.errors import InvalidArgument, NameTooLong
from runtime.identity import Identity

from . import names
from .columns import FIELDS, IDENTITY, Columns
from .extras import NO_EXTRA, Extra, Extras, Wanted
from .listing import MAX_PAGE_SIZE
from .locations import Location
from .paths import FileRef, Found, Paths
from .records import File
from .replicas import Replicas
from .stores import FileStore
from .subtree_pages import ColumnPage, EntryPage, Item, Page
from .times import Touches
from .tokens import PageTokens
from .tree import Tree
from .walks import START, Place, Walk, decode_place, encode_place, place_at, place_of

#: The path of the starting point itself.
SELF = "."
#: As the longest path of a request.
MAX_TEXT_BYTES = names.MAX_PATH_NAMES * (names.MAX_NAME_BYTES + 1)


@dataclass(frozen=True, slots=True)
class SubtreeQuery:
    """What of a subtree is wanted, and from where on. `token` overrides what stands before it."""

    start_after: str = ""
    prefix: str = ""
    include_directories: bool = False
    token: str = ""
    with_locations: bool = False
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class SubtreeEntry:
    """One file of a subtree. `path`: names below the starting point, joined by `/`."""

    path: str
    file: File
    location: Location | None = None
    extra: Extra = NO_EXTRA


@dataclass(frozen=True, slots=True)
class SubtreePage:
    """A page; no `next_token` at the end."""

    entries: Sequence[SubtreeEntry]
    inaccessible: Sequence[str]
    next_token: str


@dataclass(frozen=True, slots=True)
class SubtreeColumns:
    """The same in columns, as `listing.Page` has them. `parent_ids`: the directory each file is in."""

    paths: Sequence[str]
    parent_ids: Sequence[str]
    columns: Columns
    inaccessible: Sequence[str]
    next_token: str


class Subtrees:
    """Lists subtrees. Work and size of a page are bounded, whatever the tree looks like."""

    def __init__(
        self,
        store: FileStore,
        tree: Tree,
        paths: Paths,
        replicas: Replicas,
        extras: Extras,
        tokens: PageTokens,
        touches: Touches,
    ) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._replicas = replicas
        self._extras = extras
        self._tokens = tokens
        self._touches = touches

    async def list(
        self, identity: Identity, ref: FileRef, query: SubtreeQuery, page_size: int
    ) -> SubtreePage:
        """One page. Raises `InvalidArgument`, `InvalidName` for a foreign token, and as `Paths.resolve`.

        What is `wanted` beside the records needs its rights at the directory; a file that refuses them tells
        nothing of itself.
        """
        base, query, place = await self._begin(identity, ref, query, page_size)
        page = EntryPage(
            identity,
            self._tree,
            self._paths,
            query.prefix,
            page_size,
            with_directories=query.include_directories,
            only_readable=query.with_locations,
        )
        end = await self._walked(identity, base, query, place, page)
        told = [item for item in page.items if not item.closed]
        extras: Sequence[Extra] = [NO_EXTRA] * len(told)
        if query.wanted and told:
            founds = [item.found for item in told]
            extras = await self._extras.of_children(identity, base, founds, query.wanted)
        items: Sequence[Item] = page.items
        if len(extras) < len(told):
            # There is more to tell than fits: the next page goes on behind the last file told.
            last = told[len(extras) - 1]
            items = items[: items.index(last) + 1]
            end = place_at(base, last.found)
        told = told[: len(extras)]
        locations = await self._locations(told) if query.with_locations else [None] * len(told)
        entries = [
            SubtreeEntry(item.path, self._shown(item.found), location, extra)
            for item, location, extra in zip(told, locations, extras, strict=True)
        ]
        closed = [item.path for item in items if item.closed]
        return SubtreePage(entries, closed, self._next(base, query, end))

    async def list_columns(
        self,
        identity: Identity,
        ref: FileRef,
        query: SubtreeQuery,
        page_size: int,
        fields: Collection[str],
    ) -> SubtreeColumns:
        """The same files by some fields, of `columns.FIELDS`: what depends on no rights but of directories.

        Raises the same, and `InvalidArgument` for a query that wants more.
        """
        unknown = set(fields) - FIELDS
        if unknown or query.wanted or query.with_locations:
            raise InvalidArgument("not told in columns", field=min(unknown, default=""))
        fields = {*IDENTITY, *fields}
        base, query, place = await self._begin(identity, ref, query, page_size)
        page = ColumnPage(query.prefix, page_size, fields, with_directories=query.include_directories)
        end = await self._walked(identity, base, query, place, page, fields)
        self._touches.apply(page.columns)
        await self._tree.follow_links(base.file.space_id, page.columns, self._touches.applied)
        next_token = self._next(base, query, end)
        return SubtreeColumns(page.paths, page.parent_ids, page.columns, page.closed, next_token)

    async def _begin(
        self, identity: Identity, ref: FileRef, query: SubtreeQuery, page_size: int
    ) -> tuple[Found, SubtreeQuery, Place | None]:
        """Where to begin, behind which place of it, and what is asked for; no place: at the very start."""
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=page_size)
        if max(len(query.start_after), len(query.prefix)) > MAX_TEXT_BYTES:
            raise NameTooLong("the path is too long")
        base = await self._paths.resolve(identity, ref)
        if not query.token:
            return base, query, place_of(query.start_after) if query.start_after else None
        state = json.loads(self._tokens.read_text(base.file.file_id, query.token))
        resumed = SubtreeQuery(
            prefix=state["prefix"],
            include_directories=state["directories"],
            with_locations=query.with_locations,
            wanted=query.wanted,
        )
        place = decode_place(state["place"])
        if "exact" not in state:
            # Of an older instance, which looked whether there is a directory to enter at the place.
            place = (*place, START)
        return base, resumed, place

    async def _walked(
        self,
        identity: Identity,
        base: Found,
        query: SubtreeQuery,
        place: Place | None,
        page: Page,
        fields: Collection[str] | None = None,
    ) -> Place | None:
        """Fills a page; where the next one begins, if there is one."""
        if not base.file.is_directory:
            if place is None and SELF.startswith(query.prefix):
                page.take_start(SELF, base)
            return None
        walk = Walk(
            identity,
            self._store,
            self._tree,
            self._paths,
            prefix=query.prefix,
            wanted=page.size,
            fields=fields,
        )
        if not await walk.start(base, place or ()):
            page.close(SELF, base)
            return None
        if place is None and query.include_directories and not query.prefix:
            page.take_start(SELF, base)
        while not page.is_full and (step := await walk.next(page.room)) is not None:
            walk.move(await page.take(step))
        return None if walk.is_over else walk.place

    def _next(self, base: Found, query: SubtreeQuery, place: Place | None) -> str:
        """The token of the next page, if there is one."""
        if place is None:
            return ""
        state = {
            "prefix": query.prefix,
            "directories": query.include_directories,
            "place": encode_place(place),
            "exact": True,
        }
        return self._tokens.make_text(base.file.file_id, json.dumps(state, ensure_ascii=False))

    def _shown(self, found: Found) -> File:
        return found.shown(self._touches.applied(found.file))

    async def _locations(self, items: Sequence[Item]) -> Sequence[Location | None]:
        return await asyncio.gather(*(self._replicas.current(item.found.file) for item in items))
