"""What the fronts of the data port share: opening content, ranges before rights."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import AccessDenied, IsthmusError
from runtime.http.ranges import parse_range
from services.storage_router.api.data_port.downloads import Downloads
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.parts import PartUploading
from services.storage_router.api.data_port.uploading import Uploading
from services.storage_router.domain.archives import Directories
from services.storage_router.domain.contents import Contents, FileRef
from services.storage_router.domain.copying import Copying
from services.storage_router.domain.reading import OpenContent, Reading


@dataclass(frozen=True, slots=True)
class Service:
    """What fronts answer with."""

    contents: Contents
    reading: Reading
    downloads: Downloads
    directories: Directories
    uploading: Uploading
    part_uploading: PartUploading
    copying: Copying
    provider_id: str
    domain: str

    async def open(self, exchange: Exchange, ref: FileRef) -> OpenContent:
        """Content the caller may read, as `Reading.open`. RangeNotSatisfiable comes before AccessDenied."""
        try:
            return await self.reading.open(ref)
        except AccessDenied:
            asked = exchange.header(b"range")
            if asked is not None and not exchange.is_head:
                await self._check_range(ref, asked)
            raise

    async def _check_range(self, ref: FileRef, asked: bytes) -> None:
        try:
            file = await self.contents.get_file(ref)
        except IsthmusError:
            return
        parse_range(asked, file.size_bytes)
