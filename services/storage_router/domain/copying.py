"""Copying content from one file to another without a detour over the network.

The copy is an upload like any other: allowed, written under a fresh name, published whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from runtime.errors import IsADirectory, NoSuchFile
from services.storage_router.domain.contents import Committed, FileKind, FileRef, Wish
from services.storage_router.domain.drivers import WriteHandle
from services.storage_router.domain.reading import OpenContent, Reading
from services.storage_router.domain.uploads import Upload, Uploads

#: Bytes that are copied between two words on how far it is.
PIECE_BYTES = 64 << 20

#: Is told how many bytes were copied since the last time.
Told = Callable[[int], None]


def _nobody(copied_bytes: int) -> None:
    """Nobody wants to know."""


class Copying:
    """Copies as the caller of the request under way, who needs to be allowed to read and to write."""

    def __init__(self, reading: Reading, uploads: Uploads, *, small_bytes: int) -> None:
        self._reading = reading
        self._uploads = uploads
        self._small_bytes = small_bytes

    async def copy(self, source: FileRef, wish: Wish, told: Told = _nobody) -> Committed:
        """Publishes the content of `source` as `wish` says. Holes stay holes.

        `told` hears of what was copied, holes included.

        IsADirectory, NoSuchFile; errors of `Reading.open` and of `Uploads`.
        """
        content = await self._reading.open(source)
        try:
            kind = content.located.file.kind
            if kind is FileKind.DIRECTORY:
                raise IsADirectory
            if kind is not FileKind.REGULAR:
                raise NoSuchFile
            wish = replace(wish, size_bytes=content.size_bytes)
            upload = await self._uploads.begin(wish, large=content.size_bytes > self._small_bytes)
            return await self._publish(content, upload, told)
        finally:
            content.close()

    async def _publish(self, content: OpenContent, upload: Upload, told: Told) -> Committed:
        try:
            if content.size_bytes:
                handle = await upload.open()
                try:
                    await _fill(content, handle, told)
                    await upload.sync(handle)
                finally:
                    await handle.close()
        except BaseException:
            await self._uploads.give_up(upload)
            raise
        return await self._uploads.commit(upload, content.size_bytes)


async def _fill(content: OpenContent, handle: WriteHandle, told: Told) -> None:
    extents = content.extents(0, content.size_bytes)
    for extent in extents:
        if extent.hole or content.handle is None:
            told(extent.length)
            continue
        end = extent.offset + extent.length
        for offset in range(extent.offset, end, PIECE_BYTES):
            piece = min(PIECE_BYTES, end - offset)
            await handle.copy_from(content.handle, offset, piece)
            told(piece)
    if extents[-1].hole:
        # The last byte makes the storage file as long as the content.
        await handle.write(content.size_bytes - 1, b"\0")
