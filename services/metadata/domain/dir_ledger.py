"""Keeps the books of directories: every name is counted in one directory, and in all above that one.

The books are a tree of their own, which follows the real one: an entry says where it is counted, so it can be
taken out there whatever happened to the file since. Changes are taken from the records as they are now; a
record that is newer than the change that led here is met again later, and nothing is left to do then.

Before anything is counted in a directory, the directory is put where it really is, from the top down. So the
books never hold a circle, however directories were moved about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .dir_sums import ONE_DIRECTORY, CountedDirectory, CountedFile, DirSums
from .locations import Location
from .records import File, FileType, inode_id, root_id, trash_id

#: Longest way up; a longer one means broken books, and a recount mends them.
MAX_DEPTH = 10_000


class Records(Protocol):
    """The real records, as they are now."""

    async def file(self, file_id: str) -> File | None:
        """The record, tombstones included."""
        ...

    async def location(self, file: File) -> Location | None:
        """Where its content is."""
        ...


class Books(Protocol):
    """The books as they are stored."""

    async def directories(self, ids: Sequence[str]) -> Mapping[str, CountedDirectory]: ...

    async def files(self, ids: Sequence[str]) -> Mapping[str, CountedFile]: ...


@dataclass(slots=True)
class Ledger:
    """What a page of changes makes of the books of one space; None stands for an entry that goes."""

    space_id: str
    records: Records
    books: Books
    #: Whether new directories have children that nobody has counted.
    listing: bool
    directories: dict[str, CountedDirectory | None] = field(default_factory=dict)
    files: dict[str, CountedFile | None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    changed_files: set[str] = field(default_factory=set)
    _placed: set[str] = field(default_factory=set)

    async def settle(self, file_id: str) -> None:
        """Brings the books of one file or directory up to date."""
        record = await self.records.file(file_id)
        counted = await self._directory(file_id)
        if counted is not None or (record is not None and record.is_directory):
            await self._settle_directory(file_id)
            return
        base = inode_id(file_id)
        inode = record if base == file_id else await self.records.file(base)
        await self._settle_names(file_id, base, inode)

    async def listed(self, directory_id: str, listed_to: str | None) -> None:
        """Notes how far the children of a directory were looked at."""
        directory = await self._directory(directory_id)
        if directory is not None:
            self._put(replace(directory, listed_to=listed_to))

    async def _settle_directory(self, directory_id: str) -> None:
        record = await self.records.file(directory_id)
        if record is not None and not record.deleted:
            await self._place(directory_id, 0)
            return
        counted = await self._directory(directory_id)
        if counted is not None:
            await self._add(counted.parent_id, counted.sums.plus(ONE_DIRECTORY), -1)
            self.directories[directory_id] = None
            self.changed.add(directory_id)

    async def _settle_names(self, file_id: str, base: str, inode: File | None) -> None:
        """All names of a file: a change of it changes what each of them counts."""
        alive = inode is not None and not inode.deleted
        names = {file_id, base, *(inode.links if inode is not None else ())}
        # The bytes count where the file has its own name, else by the first of its links.
        bearer = base
        if inode is not None and inode.unnamed:
            bearer = inode.links[0] if inode.links else ""
        for name in sorted(names):
            entry = await self._entry(name, inode) if alive and inode is not None else None
            new = None
            if entry is not None and inode is not None:
                sums = await self._sums(inode, bears=name == bearer)
                new = CountedFile(name, self._where(entry), sums)
            await self._recount(name, new)

    async def _entry(self, name: str, inode: File) -> File | None:
        """The record that holds a name, while the file has it."""
        if name == inode.file_id:
            return None if inode.unnamed else inode
        record = await self.records.file(name)
        return record if record is not None and not record.deleted and name in inode.links else None

    async def _recount(self, name: str, new: CountedFile | None) -> None:
        old = await self._file(name)
        if old == new:
            return
        if old is not None:
            await self._add(old.parent_id, old.sums, -1)
        if new is not None:
            if not await self._place(new.parent_id, 0):
                new = None
            else:
                await self._add(new.parent_id, new.sums)
        if old is not None or new is not None:
            self.files[name] = new
            self.changed_files.add(name)

    async def _sums(self, inode: File, *, bears: bool) -> DirSums:
        if inode.type is not FileType.REGULAR:
            return DirSums(files=1)
        location = await self.records.location(inode)
        size = max(inode.size_bytes, 0) if location is None else location.size_bytes
        physical = {}
        if bears and location is not None and location.local_bytes:
            physical[location.storage_id] = location.local_bytes
        return DirSums(files=1, logical=size, virtual=size if bears else 0, physical=physical)

    async def _place(self, directory_id: str, depth: int) -> bool:
        """Puts a directory where it really is, after those above it; False when it is gone."""
        if directory_id in self._placed:
            return await self._directory(directory_id) is not None
        record = await self.records.file(directory_id)
        if record is None or record.deleted or depth > MAX_DEPTH:
            return await self._directory(directory_id) is not None
        parent_id = "" if record.is_root else self._where(record)
        if parent_id and not await self._place(parent_id, depth + 1):
            return await self._directory(directory_id) is not None
        await self._put_below(directory_id, parent_id)
        self._placed.add(directory_id)
        return True

    async def _put_below(self, directory_id: str, parent_id: str) -> None:
        counted = await self._directory(directory_id)
        if counted is None:
            counted = CountedDirectory(directory_id, parent_id, listed_to="" if self.listing else None)
            await self._add(parent_id, ONE_DIRECTORY)
        elif counted.parent_id == parent_id:
            return
        else:
            moved = counted.sums.plus(ONE_DIRECTORY)
            await self._add(counted.parent_id, moved, -1)
            await self._add(parent_id, moved)
            counted = replace(counted, parent_id=parent_id)
        self._put(counted)

    def _where(self, record: File) -> str:
        """In which directory a record counts: what is in the trash, in that of the space."""
        if record.parent_id == trash_id(self.space_id):
            return root_id(self.space_id)
        return record.parent_id

    async def _add(self, directory_id: str, sums: DirSums, sign: int = 1) -> None:
        """Counts in a directory and in all above it."""
        for _ in range(MAX_DEPTH):
            directory = await self._directory(directory_id) if directory_id else None
            if directory is None:
                return
            self._put(replace(directory, sums=directory.sums.plus(sums, sign)))
            directory_id = directory.parent_id

    def _put(self, directory: CountedDirectory) -> None:
        self.directories[directory.directory_id] = directory
        self.changed.add(directory.directory_id)

    async def _directory(self, directory_id: str) -> CountedDirectory | None:
        if directory_id not in self.directories:
            found = await self.books.directories([directory_id])
            self.directories[directory_id] = found.get(directory_id)
        return self.directories[directory_id]

    async def _file(self, file_id: str) -> CountedFile | None:
        if file_id not in self.files:
            self.files[file_id] = (await self.books.files([file_id])).get(file_id)
        return self.files[file_id]
