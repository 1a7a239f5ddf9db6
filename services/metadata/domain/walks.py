"""Walking through all that lies below a directory, in order, from any place on.

A walk visits parents before their children and names by their bytes. Its place is the position of what was
visited last in each directory it is in, so it can go on there later, in another process, also when some of
these names are gone by then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from runtime.identity import Identity

from . import caveats, names, permissions
from .columns import IDENTITY, Columns, columns_of, first_rows, height, some_rows
from .paths import Found, Paths
from .records import File, FileType
from .stores import FileStore, Position
from .tree import Tree

#: A place of a walk: one position in each directory on the way down. It goes on behind the last one.
Place = tuple[Position, ...]
#: The position in a directory of which nothing was visited.
START = Position("", "")

#: Reads one walk may make, so that a page of a tree full of empty directories ends, too.
MAX_READS = 1000
#: Children read at a time, and one more that tells whether others follow.
_CHUNK = 1000
#: Directories read at a time, by how many are likely to be met before the page is full: at most, at least.
_DIRECTORIES, _FEW_DIRECTORIES = 100, 10
#: The column of a walk that reads whole records, and what else it has.
RECORD = "record"
_BESIDE_RECORDS = (*IDENTITY, "type", "symlink_target", "mimetype")
#: Sorts behind every provider: the position after all files of one name.
_ANY_PROVIDER = "\U0010ffff"


def place_of(path: str) -> Place:
    """The place behind a path, whichever providers gave its names, and before what is below it."""
    return (*(Position(name, _ANY_PROVIDER) for name in path.split("/") if name), START)


def place_at(base: Found, found: Found) -> Place:
    """The place of a walk from `base` that has just visited a file."""
    if len(found.chain) == len(base.chain):
        return (START,)
    way = (*found.chain[len(base.chain) : -1], found.entry)
    place = tuple(Position(file.name, file.named_by) for file in way)
    return (*place, START) if found.file.is_directory else place


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next in a walk, all of one directory: some files that are none, or a single directory.

    `way`: names below the start down to where they are, which is `parent`. `rows`: what was read of them.
    `found`: the directory that comes next; `closed`: it may not be listed.
    """

    way: tuple[str, ...]
    parent: Found
    rows: Columns
    found: Found | None = None
    closed: bool = False


@dataclass(slots=True)
class _Frame:
    """A directory being walked through. `after`: where the child visited last is. `complete`: all was read.

    `rows`: of children read last, of which those from `at` on are still to come. `directories`: places of
    directories among them, the next one last. `records`: those of directories, as far as they were read;
    None for one that is gone. `ahead`: children of directories that come next, and whether they are all.
    """

    found: Found
    path: tuple[str, ...]
    after: Position = START
    rows: Columns = field(default_factory=lambda: {"file_id": []})
    at: int = 0
    directories: list[int] = field(default_factory=list)
    records: dict[str, File | None] = field(default_factory=dict)
    complete: bool = False
    ahead: dict[str, tuple[Columns, bool]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing that was read is still to come."""
        return self.at >= height(self.rows)

    def put(self, rows: Columns, files: Sequence[File] = ()) -> None:
        """Has more to come: rows, and the records that are known of them."""
        self.rows, self.at = rows, 0
        self.directories = [at for at, type in enumerate(rows["type"]) if type is FileType.DIRECTORY]
        self.directories.reverse()
        self.records = {file.file_id: file for file in files if file.is_directory}

    def move(self, count: int) -> None:
        """Leaves rows behind."""
        self.at += count
        self.after = Position(self.rows["name"][self.at - 1], self.rows["named_by"][self.at - 1])
        if self.directories and self.directories[-1] < self.at:
            self.directories.pop()


class Walk:
    """One walk for one caller; it ends early after MAX_READS reads.

    `fields`: what to read of each file; None: its whole record, in a column `RECORD`. Of directories records
    are read in any case, since each of them is asked for its rights. As many directories are read together
    as are likely to fit, by how many children the last ones had.
    """

    def __init__(
        self,
        identity: Identity,
        store: FileStore,
        tree: Tree,
        paths: Paths,
        *,
        prefix: str = "",
        wanted: int,
        fields: Collection[str] | None,
    ) -> None:
        self._identity = identity
        self._store = store
        self._tree = tree
        self._paths = paths
        self._prefix = prefix.split("/")
        self._chunk = min(_CHUNK, wanted) + 1
        self._fields = None if fields is None else {*IDENTITY, "type", *fields}
        self._frames: list[_Frame] = []
        self._entered: Found | None = None
        self._reads_left = MAX_READS
        self._room = wanted
        self._average = _CHUNK

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return all(frame.complete and frame.is_empty for frame in self._frames)

    @property
    def place(self) -> Place:
        """Where it is; everything up to here was visited."""
        return tuple(frame.after for frame in self._frames)

    async def start(self, base: Found, place: Place) -> bool:
        """Begins behind a place. False when the starting point itself may not be listed."""
        if not self._may_list(base):
            return False
        self._frames = [_Frame(base, ())]
        for depth, position in enumerate(place, 1):
            self._frames[-1].after = position
            if depth < len(place) and not await self._enter(self._frames[-1]):
                break
        return True

    async def _enter(self, frame: _Frame) -> bool:
        """Goes on in the child visited last, if it is still a directory that the walk leads into."""
        child = await self._child_at(frame, frame.after)
        if child is None or not child.is_directory or not self._leads_on(frame, child.name):
            return False
        found = await self._child_found(frame, child)
        if not self._may_list(found):
            return False
        self._frames.append(_Frame(found, (*frame.path, child.name)))
        return True

    async def next(self, room: int) -> Step | None:
        """What comes next, until `move` leaves it behind; None at the end, or after MAX_READS reads.

        `room`: how many files are wanted still; no more than is likely to be needed is read ahead.
        """
        self._room = room
        while self._frames:
            frame = self._frames[-1]
            if not frame.is_empty:
                step = await self._step(frame)
                if step is not None:
                    return step
            elif frame.complete:
                self._frames.pop()
            elif self._reads_left > 0:
                await self._fill(frame)
            else:
                return None
        return None

    def move(self, count: int) -> None:
        """Leaves so many files of the last step behind; a directory is entered, unless it is closed."""
        frame = self._frames[-1]
        frame.move(count)
        if self._entered is not None:
            self._frames.append(_Frame(self._entered, (*frame.path, self._entered.file.name)))

    async def _step(self, frame: _Frame) -> Step | None:
        """What a directory has next; None when that is gone meanwhile."""
        self._entered = None
        end = frame.directories[-1] if frame.directories else height(frame.rows)
        if end > frame.at:
            return Step(frame.path, frame.found, some_rows(frame.rows, frame.at, end))
        record = await self._record(frame)
        if record is None:
            frame.move(1)
            return None
        found = await self._child_found(frame, record)
        rows, closed = some_rows(frame.rows, frame.at, frame.at + 1), not self._may_list(found)
        self._entered = None if closed else found
        return Step(frame.path, frame.found, rows, found, closed)

    async def _record(self, frame: _Frame) -> File | None:
        """Of the directory that comes next."""
        file_ids = frame.rows["file_id"]
        if file_ids[frame.at] not in frame.records:
            count = max(_FEW_DIRECTORIES, self._room // (self._average + 1))
            ahead = frame.directories[-min(count, _DIRECTORIES) :]
            known = {frame.rows["name"][at] for at in ahead}
            files = await self._store.list_names(frame.found.file.file_id, known)
            frame.records = dict.fromkeys(file_ids[at] for at in ahead)
            frame.records.update((file.file_id, file) for file in files if file.is_directory)
        return frame.records[file_ids[frame.at]]

    async def _fill(self, frame: _Frame) -> None:
        """Reads some more children of a directory: those that the prefix and the token let see."""
        self._reads_left -= 1
        parent_id, seen = frame.found.file.file_id, frame.found.reach.names
        begins, is_whole = self._wanted_in(frame)
        if is_whole or seen is not None:
            files = await self._store.list_names(parent_id, {begins} if is_whole else seen or ())
            files = [file for file in files if self._fits(frame, file)]
            frame.put(self._rows_of(files), files)
            frame.complete = True
            return
        above = self._frames[-2] if len(self._frames) > 1 else None
        if above is not None and frame.after == START and not begins:
            together = await self._read_together(above, parent_id)
            if together is not None:
                rows, frame.complete = together
                frame.put(rows)
                return
        await self._fill_alone(frame, begins)
        if above is not None:
            self._average = height(frame.rows) if frame.complete else _CHUNK

    async def _read_together(self, above: _Frame, directory_id: str) -> tuple[Columns, bool] | None:
        """The first children of a directory, and whether they are all, read together with those of the next.

        None when it is to be read alone.
        """
        if directory_id not in above.ahead:
            count = min(self._room, self._chunk // 2) // (self._average + 1)
            after = self._directories_after(above, min(count, self._reads_left, _DIRECTORIES))
            if not after or self._fields is None:
                return None
            ids = [directory_id, *after]
            found = await self._store.list_columns_of(ids, self._fields, limit=self._chunk)
            self._average = height(found) // len(ids)
            above.ahead = _by_parent(found, ids, is_cut=height(found) >= self._chunk)
        return above.ahead.pop(directory_id, None)

    def _directories_after(self, above: _Frame, count: int) -> list[str]:
        """So many of the directories that come next at most, of those that are known and may be listed."""
        if above.found.reach is not caveats.INSIDE or count <= 0:
            return []
        file_ids = (above.rows["file_id"][at] for at in reversed(above.directories[-count:]))
        records = (above.records.get(file_id) for file_id in file_ids)
        return [
            record.file_id
            for record in records
            if record and self._may_list(Found((*above.found.chain, record), caveats.INSIDE))
        ]

    async def _fill_alone(self, frame: _Frame, begins: str) -> None:
        """Reads on in a directory, names with this beginning."""
        parent_id = frame.found.file.file_id
        start, inclusive = (None if frame.after == START else frame.after), False
        if begins and frame.after.name < begins:
            start, inclusive = Position(begins), True
        files: Sequence[File] = ()
        if self._fields is None:
            files = await self._store.list_children(
                parent_id, start=start, inclusive=inclusive, limit=self._chunk
            )
            rows = self._rows_of(files)
        else:
            rows = await self._store.list_columns(
                parent_id, self._fields, start=start, inclusive=inclusive, limit=self._chunk
            )
        count = fitting = height(rows)
        if begins:
            fitting = sum(1 for _ in takewhile(lambda name: name.startswith(begins), rows["name"]))
        frame.put(first_rows(rows, fitting), files)
        frame.complete = count < self._chunk or fitting < count

    def _rows_of(self, files: Sequence[File]) -> Columns:
        if self._fields is not None:
            return columns_of(files, self._fields)
        return {RECORD: list(files), **columns_of(files, _BESIDE_RECORDS)}

    async def _child_found(self, frame: _Frame, child: File) -> Found:
        """As found by the way of the frame. Below what a token allows there is nothing to find out."""
        if frame.found.reach is caveats.INSIDE:
            return Found((*frame.found.chain, child), caveats.INSIDE)
        return await self._paths.found(self._identity, [*frame.found.chain, child])

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
        comes = (child.name, child.named_by) > (frame.after.name, frame.after.named_by)
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


def _by_parent(found: Columns, ids: Sequence[str], *, is_cut: bool) -> dict[str, tuple[Columns, bool]]:
    """What was found of each directory. `is_cut`: the last one has more, those behind it were not read."""
    parent_ids = found.pop("parent_id")
    told: dict[str, tuple[Columns, bool]] = {}
    for parent_id in sorted(ids):
        if is_cut and parent_id > parent_ids[-1]:
            break
        start = bisect_left(parent_ids, parent_id)
        end = bisect_right(parent_ids, parent_id, start)
        told[parent_id] = some_rows(found, start, end), not is_cut or parent_id < parent_ids[-1]
    return told


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
