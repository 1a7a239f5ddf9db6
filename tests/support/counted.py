"""A metadata domain whose directories are counted, and the plain count of what is really there."""

from __future__ import annotations

from services.metadata.domain.dir_sums import DirSums
from services.metadata.domain.records import File, FileType, inode_id, root_id, trash_id
from services.metadata.store.memory import MemoryFileStore
from services.metadata.store.memory_contents import MemoryLocationStore
from tests.support.journal import Journal
from tests.support.metadata import ALICE, OWNER, SERVICE, SPACE, World, ref


class Counted(World):
    """A world that is counted once `begin` was called."""

    journal: Journal

    async def begin(self, *, enabled: bool = True) -> None:
        """With the space supported."""
        await self.open()
        self.journal = Journal(self.stores)
        if enabled:
            await self.switch(True)

    async def switch(self, enabled: bool) -> None:
        """Begins or ends counting."""
        self.journal.note()
        await self.rules.dir_stats.switch(SERVICE, SPACE, enabled=enabled)

    async def settle(self) -> None:
        """Counts until nothing is left to do."""
        self.journal.note()
        for _ in range(10_000):
            if not await self.rules.dir_stats.collect():
                return
        raise AssertionError("it never ends")

    async def sums(self, *path: str) -> DirSums:
        """What is counted below a directory."""
        return await self.rules.dir_stats.sums(OWNER, ref(*path))

    async def link(self, *path: str, to: str) -> None:
        """One more name of a file."""
        target = ref(file_id=to)
        await self.rules.links.create(ALICE, f"r{path}", ref(*path[:-1]), path[-1], target)

    async def check(self) -> None:
        """What is counted is what is there."""
        space = await self.stores.dir_stats.find_space(SPACE)
        assert space is not None
        plain = self.plain_count()
        books = await self.stores.dir_stats.directories(space, plain.keys())
        assert {id: entry.sums for id, entry in books.items()} == plain

    def plain_count(self) -> dict[str, DirSums]:
        """Every directory with the sums of all below it."""
        assert isinstance(self.stores.files, MemoryFileStore)
        by_id = {id: file for id, file in self.stores.files._files.items() if not file.deleted}
        found = {id: DirSums() for id, file in by_id.items() if file.is_directory}
        for file in by_id.values():
            own = DirSums(dirs=1) if file.is_directory else self._own(file, by_id)
            above = _parent(file)
            while own is not None and above in found:
                found[above] = found[above].plus(own)
                above = _parent(by_id[above])
        return found

    def _own(self, file: File, by_id: dict[str, File]) -> DirSums | None:
        inode = by_id.get(inode_id(file.file_id))
        if file.unnamed or inode is None or (file.is_link and file.file_id not in inode.links):
            return None
        if inode.type is FileType.SYMLINK:
            return DirSums(files=1)
        size, storage_id = self._location(inode)
        bearer = inode.links[0] if inode.unnamed else inode.file_id
        if file.file_id != bearer:
            return DirSums(files=1, logical=size)
        return DirSums(1, 0, size, size, {storage_id: size} if size else {})

    def _location(self, inode: File) -> tuple[int, str]:
        assert isinstance(self.stores.locations, MemoryLocationStore)
        kept = self.stores.locations._locations.get(inode.file_id) or inode.location
        return (0, "") if kept is None or kept.retired else (kept.size_bytes, kept.storage_id)


def _parent(file: File) -> str:
    return root_id(SPACE) if file.parent_id == trash_id(SPACE) else file.parent_id
