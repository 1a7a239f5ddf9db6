"""Pages of a subtree while they fill up: with a record for each file, or in columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from runtime.identity import Identity

from . import caveats, permissions
from .columns import Columns, bytes_at_most, columns_of, first_rows, height, rows_fitting
from .listing import FILE_BYTES, MAX_PAGE_BYTES
from .paths import Found, Paths
from .records import File, FileType
from .tree import Tree
from .walks import RECORD, Step


class Page(ABC):
    """What both have: a bound on files and closed directories, and another on the bytes they take."""

    def __init__(self, prefix: str, size: int, *, with_directories: bool) -> None:
        self.size = size
        self._depth = len(prefix.split("/"))
        self._with_directories = with_directories
        self._count = 0
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return self._count >= self.size or self._bytes >= MAX_PAGE_BYTES

    @property
    def room(self) -> int:
        """How many more it may hold."""
        return self.size - self._count

    async def take(self, step: Step) -> int:
        """Takes what is wanted of a step, and answers how many of its files may be left behind.

        A closed directory counts as closed, and not as a directory, too.
        """
        if step.found is not None and step.closed:
            self.close("/".join((*step.way, step.rows["name"][0])), step.found)
            return 1
        # What is shallower is on the way down to where the prefix ends.
        is_wanted = self._with_directories or step.found is None
        if not is_wanted or len(step.way) < self._depth - 1:
            return height(step.rows)
        rows = first_rows(step.rows, self.room)
        above = "".join(f"{name}/" for name in step.way)
        rows = {**rows, "path": [above + name for name in rows["name"]] if above else rows["name"]}
        left = MAX_PAGE_BYTES - self._bytes
        rows = first_rows(rows, rows_fitting(rows, row_bytes=FILE_BYTES, limit_bytes=left))
        self._bytes += bytes_at_most(rows, row_bytes=FILE_BYTES)
        self._count += await self._keep(step, rows)
        return height(rows)

    def take_start(self, path: str, base: Found) -> None:
        """Takes the starting point itself."""
        self._keep_start(path, base)
        self._count += 1

    def close(self, path: str, found: Found) -> None:
        """Takes a directory that may not be listed."""
        self._keep_closed(path, found)
        self._count += 1
        self._bytes += 4 * len(path)

    @abstractmethod
    async def _keep(self, step: Step, rows: Columns) -> int:
        """Keeps the first of a step, which have paths, too. Answers how many of them are told."""

    @abstractmethod
    def _keep_start(self, path: str, base: Found) -> None: ...

    @abstractmethod
    def _keep_closed(self, path: str, found: Found) -> None: ...


class ColumnPage(Page):
    """A page of some fields of each file, nobody of whom is looked at alone."""

    def __init__(self, prefix: str, size: int, fields: Collection[str], *, with_directories: bool) -> None:
        super().__init__(prefix, size, with_directories=with_directories)
        self.columns: Columns = {field: [] for field in fields}
        self.paths: list[str] = []
        self.parent_ids: list[str] = []
        self.closed: list[str] = []

    async def _keep(self, step: Step, rows: Columns) -> int:
        self._extend(rows, step.parent.file.file_id, rows["path"])
        return height(rows)

    def _keep_start(self, path: str, base: Found) -> None:
        self._extend(columns_of([base.entry], self.columns), base.entry.parent_id, [path])

    def _keep_closed(self, path: str, found: Found) -> None:
        self.closed.append(path)

    def _extend(self, rows: Columns, parent_id: str, paths: Sequence[str]) -> None:
        for field, column in self.columns.items():
            column.extend(rows[field])
        self.paths.extend(paths)
        self.parent_ids.extend([parent_id] * len(paths))


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be told of, or a directory that is closed."""

    path: str
    found: Found
    closed: bool = False


class EntryPage(Page):
    """A page of files with all that their rights depend on. `only_readable`: leave out others."""

    def __init__(
        self,
        identity: Identity,
        tree: Tree,
        paths: Paths,
        prefix: str,
        size: int,
        *,
        with_directories: bool,
        only_readable: bool,
    ) -> None:
        super().__init__(prefix, size, with_directories=with_directories)
        self.items: list[Item] = []
        self._identity = identity
        self._tree = tree
        self._paths = paths
        self._only_readable = only_readable

    async def _keep(self, step: Step, rows: Columns) -> int:
        if step.found is not None:
            self.items.append(Item(rows["path"][0], step.found))
            return 1
        records: Sequence[File] = rows[RECORD]
        inodes = await self._tree.inodes(records)
        kept = 0
        for path, record, inode in zip(rows["path"], records, inodes, strict=True):
            found = await self._found(step.parent, record, inode)
            if not self._only_readable or self._is_readable(found):
                self.items.append(Item(path, found))
                kept += 1
        return kept

    def _keep_start(self, path: str, base: Found) -> None:
        if not self._only_readable or self._is_readable(base):
            self.items.append(Item(path, base))

    def _keep_closed(self, path: str, found: Found) -> None:
        self.items.append(Item(path, found, closed=True))

    async def _found(self, parent: Found, record: File, inode: File) -> Found:
        reach = parent.reach
        if reach is not caveats.INSIDE:
            reach = await self._paths.reach(self._identity, [*parent.chain, record])
        return Found((*parent.chain, inode), reach, None if inode is record else record)

    def _is_readable(self, found: Found) -> bool:
        regular = found.file.type is FileType.REGULAR
        return not regular or permissions.allows(
            self._identity, found.chain, permissions.READ_DATA, found.reach
        )
