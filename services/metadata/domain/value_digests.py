"""Digests of contents, noted for who asks next. A content that changes makes them worthless by itself."""

from __future__ import annotations

from dataclasses import replace

from runtime.identity import Identity

from .errors import LostRace, RevisionConflict
from .quotas import require_insider
from .records import ValueDigest, inode_id
from .retries import attempts
from .tree import Tree


class ValueDigests:
    """Notes what others have found out."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    async def save(self, identity: Identity, space_id: str, file_id: str, made: ValueDigest) -> None:
        """Notes the digest, unless content or algorithm are others by now. Idempotent.

        Nothing that users see as a change of the file changes: neither times nor who changed it last.
        """
        require_insider(identity)
        async for _ in attempts():
            file = await self._tree.find(space_id, inode_id(file_id), fresh=True)
            if file is None or file.deleted or file.value_digest == made:
                return
            noted = replace(file, value_digest=made)
            if not noted.digest:
                return
            try:
                await self._tree.replace(noted.changed())
            except RevisionConflict:
                continue
            return
        raise LostRace(file_id=file_id)
