"""Opening a file's content for reading."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.errors import InputOutputError, NoSuchFile
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.contents import Contents, FileKind, FileRef, Located, Location
from services.storage_router.domain.drivers import ReadHandle

#: How often a file is located again when its storage file vanished in between.
MAX_LOOKS = 3


@dataclass(slots=True)
class Extent:
    """A run of bytes of the content: in the storage file, or a hole that reads as zeros."""

    offset: int
    length: int
    hole: bool = False


@dataclass(slots=True)
class OpenContent:
    """Content that can be sent. The bytes stay those of one generation, whatever happens meanwhile.

    This is where blocks that are not here will be asked of other providers: they are the extents that are
    neither local nor holes.
    """

    located: Located
    handle: ReadHandle | None

    @property
    def size_bytes(self) -> int:
        """Logical size."""
        return self.located.location.size_bytes

    def extents(self, first: int, length: int) -> list[Extent]:
        """The runs that make up `length` bytes from `first`, in order.

        InputOutputError when the storage file is shorter than the record says.
        """
        position, end = first, first + length
        if self._is_one_run(first, end):
            found = [Extent(first, length)]
            self._check_length(found)
            return found
        found = []
        for offset, size in self.located.location.blocks if self.handle is not None else ():
            start, stop = max(position, offset), min(end, offset + size)
            if start >= stop:
                continue
            if start > position:
                found.append(Extent(position, start - position, hole=True))
            found.append(Extent(start, stop - start))
            position = stop
        if position < end:
            found.append(Extent(position, end - position, hole=True))
        self._check_length(found)
        return found

    def _is_one_run(self, first: int, end: int) -> bool:
        """Whether the bytes lie in one block, as nearly all do."""
        blocks = self.located.location.blocks
        if self.handle is None or len(blocks) != 1 or first == end:
            return False
        offset, size = blocks[0]
        return offset <= first and end <= offset + size

    def _check_length(self, extents: list[Extent]) -> None:
        if self.handle is None:
            return
        for extent in extents:
            if not extent.hole and extent.offset + extent.length > self.handle.size_bytes:
                location = self.located.location
                raise InputOutputError(
                    "the storage file is shorter than its record says",
                    storage_id=location.storage_id,
                    storage_file_id=location.storage_file_id,
                )

    async def read(self, extent: Extent) -> bytes:
        """The bytes of one extent. InputOutputError when the storage has fewer."""
        if extent.hole or self.handle is None:
            return bytes(extent.length)
        data = await self.handle.read(extent.offset, extent.length)
        if len(data) != extent.length:
            raise InputOutputError("the storage file became shorter while it was read")
        return data

    def close(self) -> None:
        """Idempotent."""
        if self.handle is not None:
            self.handle.close()


class Reading:
    """Finds where content is and opens it there."""

    def __init__(self, contents: Contents, catalog: Catalog) -> None:
        self._contents = contents
        self._catalog = catalog

    async def open(self, file: FileRef) -> OpenContent:
        """Content the caller may read.

        A storage file that is gone was replaced since it was located, so it is looked for again.
        IsADirectory, NoSuchFile, AccessDenied; StorageUnreachable, InputOutputError. A symbolic link that
        is not followed comes without a handle.
        """
        for look in range(MAX_LOOKS):
            located = await self._contents.locate(file, fresh=look > 0)
            try:
                return OpenContent(located, await self._open_storage_file(located))
            except NoSuchFile:
                continue
        raise await self._lost(located.location)

    async def open_located(self, located: Located, *, share_id: str = "") -> OpenContent:
        """As `open`, for what was located just now; looks again, through that share, when that is over."""
        try:
            return OpenContent(located, await self._open_storage_file(located))
        except NoSuchFile:
            file = located.file
            return await self.open(FileRef(file.space_id, file.file_id, share_id=share_id))

    async def _open_storage_file(self, located: Located) -> ReadHandle | None:
        location = located.location
        if located.file.kind is not FileKind.REGULAR or not location.storage_file_id:
            return None
        await self._catalog.learn(storage_id=location.storage_id)
        opened = self._catalog.storage(location.storage_id)
        opened.check_readable()
        return await opened.driver.open(location.storage_file_id)

    async def open_whole(self, located: Located) -> OpenContent:
        """As `open`, for what was located before and as a whole, as a ticket tells. NoSuchFile when gone.

        Beyond the end of the storage file is a hole.
        """
        handle = await self._open_storage_file(located)
        location = located.location
        present = min(handle.size_bytes, location.size_bytes) if handle else 0
        blocks = ((0, present),) if present else ()
        return OpenContent(replace(located, location=replace(location, blocks=blocks)), handle)

    async def _lost(self, location: Location) -> InputOutputError:
        # A storage that is away has no files either: say that, if it is so. A read-only one has no mark.
        opened = self._catalog.storage(location.storage_id)
        if not opened.storage.readonly:
            await opened.driver.check()
        return InputOutputError(
            "the storage file is missing",
            storage_id=location.storage_id,
            storage_file_id=location.storage_file_id,
        )
