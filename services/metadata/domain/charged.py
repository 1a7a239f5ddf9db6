"""Adding files with content to the tree, so that their bytes are counted if, and only if, they are there."""

from __future__ import annotations

from runtime.errors import IsthmusError
from runtime.identity import Identity

from .errors import DirectoryGone, NameTaken, RevisionConflict
from .files import Add, Files
from .paths import Found
from .quotas import Quotas
from .records import File


class ChargedInserts:
    """Charges the quota first, then adds the file."""

    def __init__(self, files: Files, quotas: Quotas) -> None:
        self._files = files
        self._quotas = quotas

    async def insert(self, identity: Identity, parent: Found, file: File, add: Add | None = None) -> File:
        """As `Files.insert`; what is stored already was charged by an earlier try. Raises `NoSpace`, too."""
        await self._quotas.charge(file.space_id, file.local_bytes)
        try:
            stored = await self._files.insert(identity, parent, file, add)
        except IsthmusError as error:
            if _is_not_stored(error):
                await self._quotas.release(file.space_id, file.local_bytes)
            raise
        if stored is not file:
            await self._quotas.release(file.space_id, file.local_bytes)
        return stored


def _is_not_stored(error: IsthmusError) -> bool:
    """What is stored, or may be, stays counted."""
    if isinstance(error, NameTaken | RevisionConflict):
        return True
    return not error.retryable and not isinstance(error, DirectoryGone)
