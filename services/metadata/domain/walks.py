"""Walking through all that lies below a directory, in order, from any place on.

A walk visits parents before their children and names by their bytes. Its place is the position of what was
visited last in each directory on the way down to it, so it can go on there later, in another process, also
when some of these names are gone by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.identity import Identity

from . import names, permissions
from .paths import Found, Paths
from .records import File
from .stores import FileStore, Position
from .tree import Tree

#: A place of a walk: one position for each directory on the way down.
Place = tuple[Position, ...]

#: Reads one walk may make, so that a page of a tree full of empty directories ends, too.
MAX_READS = 1000
#: Children read at a time.
_CHUNK = 1000
#: Sorts behind every provider: the position after all files of one name.
_ANY_PROVIDER = "\U0010ffff"


def place_of(path: str) -> Place:
    """The place behind a path, whichever providers gave its names."""
    return tuple(Position(name, _ANY_PROVIDER) for name in path.split("/") if name)


def place_at(base: Found, found: Found) -> Place:
    """The place of a walk from `base` that has just visited a file."""
    way = (*found.chain[len(base.chain) : -1], found.entry)
    return tuple(Position(file.name, file.named_by) for file in way)


@dataclass(frozen=True, slots=True)
class Visit:
    """One file of a walk. `path`: names below the start. `closed`: a directory that may not be listed."""

    path: tuple[str, ...]
    found: Found
    closed: bool = False


@dataclass(slots=True)
class _Frame:
    """A directory being walked through. `after`: the child visited last. `complete`: all of it was read."""

    found: Found
    path: tuple[str, ...]
    after: Position | None = None
    children: deque[File] = field(default_factory=deque)
    complete: bool = False


class Walk:
    """One walk for one caller; it ends early after MAX_READS reads."""

    def __init__(
        self, identity: Identity, store: FileStore, tree: Tree, paths: Paths, *, prefix: str = "", wanted: int
    ) -> None:
        self._identity = identity
        self._store = store
        self._tree = tree
        self._paths = paths
        self._prefix = prefix.split("/")
        self._chunk = min(_CHUNK, wanted + 1)
        self._frames: list[_Frame] = []
        self._reads_left = MAX_READS

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return all(frame.complete and not frame.children for frame in self._frames)

    @property
    def place(self) -> Place:
        """Where it is; everything up to here was visited."""
        return tuple(frame.after for frame in self._frames if frame.after is not None)

    async def start(self, base: Found, place: Place) -> bool:
        """Begins behind a place. False when the starting point itself may not be listed."""
        if not self._may_list(base):
            return False
        self._frames = [_Frame(base, ())]
        for position in place:
            frame = self._frames[-1]
            frame.after = position
            child = await self._child_at(frame, position)
            if child is None or not child.is_directory or not self._leads_on(frame, child.name):
                break
            found = await self._paths.found(self._identity, [*frame.found.chain, child])
            if not self._may_list(found):
                break
            self._frames.append(_Frame(found, (*frame.path, child.name)))
        return True

    async def next(self) -> Visit | None:
        """The next file; None at the end, or after MAX_READS reads."""
        while self._frames:
            frame = self._frames[-1]
            if not frame.children and frame.complete:
                self._frames.pop()
            elif frame.children:
                return await self._visit(frame, frame.children.popleft())
            elif self._reads_left > 0:
                await self._fill(frame)
            else:
                return None
        return None

    async def _visit(self, frame: _Frame, child: File) -> Visit:
        frame.after = Position(child.name, child.named_by)
        path = (*frame.path, child.name)
        found = await self._paths.found(self._identity, [*frame.found.chain, child])
        if not child.is_directory:
            return Visit(path, found)
        if not self._may_list(found):
            return Visit(path, found, closed=True)
        self._frames.append(_Frame(found, path))
        return Visit(path, found)

    async def _fill(self, frame: _Frame) -> None:
        """Reads some more children of a directory: those that the prefix and the token let see."""
        self._reads_left -= 1
        parent_id, seen = frame.found.file.file_id, frame.found.reach.names
        begins, is_whole = self._wanted_in(frame)
        if is_whole or seen is not None:
            children = await self._store.list_names(parent_id, {begins} if is_whole else seen or ())
            fitting = [child for child in children if self._fits(frame, child)]
            frame.complete = True
        else:
            start, inclusive = frame.after, False
            if begins and (start is None or start.name < begins):
                start, inclusive = Position(begins), True
            children = await self._store.list_children(
                parent_id, start=start, inclusive=inclusive, limit=self._chunk
            )
            fitting = [child for child in children if child.name.startswith(begins)]
            frame.complete = len(children) < self._chunk or len(fitting) < len(children)
        frame.children.extend(fitting)

    def _wanted_in(self, frame: _Frame) -> tuple[str, bool]:
        """What names in a directory begin with by the prefix, and whether that is the whole name."""
        depth = len(frame.path)
        if depth >= len(self._prefix):
            return "", False
        return self._prefix[depth], depth < len(self._prefix) - 1

    def _leads_on(self, frame: _Frame, name: str) -> bool:
        """Whether the prefix lets a name in a directory be."""
        begins, is_whole = self._wanted_in(frame)
        return name == begins if is_whole else name.startswith(begins)

    def _fits(self, frame: _Frame, child: File) -> bool:
        """Whether one of a few children read by name is still to come and may be seen."""
        after = frame.after
        comes = after is None or (child.name, child.named_by) > (after.name, after.named_by)
        return comes and self._leads_on(frame, child.name) and _may_see(frame, child.name)

    async def _child_at(self, frame: _Frame, position: Position) -> File | None:
        """The child at a position of a place, if it is still there and may be seen."""
        if not _may_see(frame, position.name):
            return None
        if position.named_by == _ANY_PROVIDER:
            return await self._tree.find_child(frame.found.file, position.name)
        found = await self._store.find_named(frame.found.file.file_id, position.name)
        return next((file for file in found if file.named_by == position.named_by), None)

    def _may_list(self, found: Found) -> bool:
        bits = permissions.LIST | permissions.TRAVERSE
        return permissions.allows(self._identity, found.chain, bits, found.reach)


def _may_see(frame: _Frame, name: str) -> bool:
    seen = frame.found.reach.names
    return not names.is_hidden(name) and (seen is None or name in seen)


def encode_place(place: Place) -> str:
    """A place as one text: names hold no `/` and no NUL."""
    return "/".join(f"{position.name}\0{position.named_by}" for position in place)


def decode_place(text: str) -> Place:
    """What `encode_place` made."""
    parts: Sequence[str] = text.split("/") if text else ()
    return tuple(Position(name, named_by) for name, _, named_by in (part.partition("\0") for part in parts))
