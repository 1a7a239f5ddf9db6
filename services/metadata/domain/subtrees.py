"""Everything below a directory in pages: for recursive listings, and for downloads of directories."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import InvalidArgument, NameTooLong
from runtime.identity import Identity

from . import names, permissions
from .extras import NO_EXTRA, Extra, Extras, Wanted
from .listing import FILE_BYTES, MAX_PAGE_BYTES, MAX_PAGE_SIZE
from .locations import Location
from .paths import FileRef, Found, Paths
from .records import File, FileType
from .replicas import Replicas
from .stores import FileStore
from .times import Touches
from .tokens import PageTokens
from .tree import Tree
from .walks import Place, Visit, Walk, decode_place, encode_place, place_at, place_of

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
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=page_size)
        if max(len(query.start_after), len(query.prefix)) > MAX_TEXT_BYTES:
            raise NameTooLong("the path is too long")
        base = await self._paths.resolve(identity, ref)
        begins = not (query.token or query.start_after)
        query, place = self._start(base.file.file_id, query)
        page = _Page(identity, query, page_size)
        if not base.file.is_directory:
            if begins and SELF.startswith(query.prefix):
                page.take(SELF, base)
            return await self._finish(identity, base, page, None)
        walk = Walk(identity, self._store, self._tree, self._paths, prefix=query.prefix, wanted=page_size)
        if not await walk.start(base, place):
            page.close(SELF, base)
            return await self._finish(identity, base, page, None)
        if begins and query.include_directories and not query.prefix:
            page.take(SELF, base)
        while not page.is_full and (visit := await walk.next()) is not None:
            page.visit(visit)
        return await self._finish(identity, base, page, None if walk.is_over else walk.place)

    def _start(self, directory_id: str, query: SubtreeQuery) -> tuple[SubtreeQuery, Place]:
        if not query.token:
            return query, place_of(query.start_after)
        state = json.loads(self._tokens.read_text(directory_id, query.token))
        resumed = SubtreeQuery(
            prefix=state["prefix"],
            include_directories=state["directories"],
            with_locations=query.with_locations,
            wanted=query.wanted,
        )
        return resumed, decode_place(state["place"])

    def _next(self, base: Found, query: SubtreeQuery, place: Place) -> str:
        state = {
            "prefix": query.prefix,
            "directories": query.include_directories,
            "place": encode_place(place),
        }
        return self._tokens.make_text(base.file.file_id, json.dumps(state, ensure_ascii=False))

    async def _finish(self, identity: Identity, base: Found, page: _Page, place: Place | None) -> SubtreePage:
        """Joins what is told of the files to a page; `place`: where the next one begins, if there is one."""
        query = page.query
        told = [item for item in page.items if not item.closed]
        extras: Sequence[Extra] = [NO_EXTRA] * len(told)
        if query.wanted and told:
            founds = [item.found for item in told]
            extras = await self._extras.of_children(identity, base, founds, query.wanted)
        if len(extras) < len(told):
            # There is more to tell than fits: the next page goes on behind the last file told.
            last = told[len(extras) - 1]
            page.items = page.items[: page.items.index(last) + 1]
            place = place_at(base, last.found)
        told = told[: len(extras)]
        locations = await self._locations(told) if query.with_locations else [None] * len(told)
        entries = [
            SubtreeEntry(item.path, self._shown(item.found), location, extra)
            for item, location, extra in zip(told, locations, extras, strict=True)
        ]
        closed = [item.path for item in page.items if item.closed]
        return SubtreePage(entries, closed, "" if place is None else self._next(base, query, place))

    def _shown(self, found: Found) -> File:
        return found.shown(self._touches.applied(found.file))

    async def _locations(self, items: Sequence[_Item]) -> Sequence[Location | None]:
        return await asyncio.gather(*(self._replicas.current(item.found.file) for item in items))


@dataclass(frozen=True, slots=True)
class _Item:
    """A file to be told of, or a directory that is closed."""

    path: str
    found: Found
    closed: bool = False


class _Page:
    """A page that fills up."""

    def __init__(self, identity: Identity, query: SubtreeQuery, page_size: int) -> None:
        self.query = query
        self.items: list[_Item] = []
        self._identity = identity
        self._size = page_size
        self._bytes = 0
        self._depth = len(query.prefix.split("/"))

    @property
    def is_full(self) -> bool:
        return len(self.items) >= self._size or self._bytes >= MAX_PAGE_BYTES

    def visit(self, visit: Visit) -> None:
        """Takes what is wanted of it: a closed directory counts as closed, and not as a directory, too."""
        path = "/".join(visit.path)
        if visit.closed:
            self.close(path, visit.found)
            return
        is_wanted = self.query.include_directories or not visit.found.file.is_directory
        # What is shallower is on the way down to where the prefix ends.
        if is_wanted and len(visit.path) >= self._depth:
            self.take(path, visit.found)

    def close(self, path: str, found: Found) -> None:
        """Takes a directory that may not be listed."""
        self.items.append(_Item(path, found, closed=True))
        self._bytes += 4 * len(path)

    def take(self, path: str, found: Found) -> None:
        """Takes a file."""
        file = found.file
        if self.query.with_locations and not _is_readable(self._identity, found):
            return
        self.items.append(_Item(path, found))
        self._bytes += FILE_BYTES + 4 * (len(path) + len(found.entry.name)) + len(file.mimetype)
        self._bytes += file.size_bytes if file.type is FileType.SYMLINK else 0


def _is_readable(identity: Identity, found: Found) -> bool:
    regular = found.file.type is FileType.REGULAR
    return not regular or permissions.allows(identity, found.chain, permissions.READ_DATA, found.reach)
