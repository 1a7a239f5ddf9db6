"""What this provider holds of a file, for those who may know of the file at all."""

from __future__ import annotations

from runtime.identity import Identity

from . import permissions
from .locations import Location
from .paths import FileRef, Paths
from .records import File
from .uploads import Uploads


class Distribution:
    """Tells of replicas. Whoever may read the attributes of a file may know where it lies."""

    def __init__(self, paths: Paths, uploads: Uploads) -> None:
        self._paths = paths
        self._uploads = uploads

    async def replica(self, identity: Identity, ref: FileRef) -> tuple[File, Location | None]:
        """The file, and of a regular one the replica here, if it ever had content."""
        found = await self._paths.resolve(identity, ref)
        permissions.require(identity, found.chain, permissions.READ_ATTRIBUTES, found.reach)
        return await self._uploads.current(found)
