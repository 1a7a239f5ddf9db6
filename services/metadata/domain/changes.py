"""The change log of a space, as others read it."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import InvalidArgument
from runtime.identity import Identity, Kind, SpacePrivilege

from .change_books import Change, ChangeLog
from .errors import ChangesExpired, Forbidden
from .quotas import require_insider
from .tree import Tree

MAX_PAGE_SIZE = 1000


class Changes:
    """Reads change logs."""

    def __init__(self, log: ChangeLog, tree: Tree) -> None:
        self._log = log
        self._tree = tree

    async def list(
        self, identity: Identity, space_id: str, *, after_sequence: int, page_size: int
    ) -> tuple[Sequence[Change], int]:
        """Changes after a sequence number, and the number of the newest. Raises `ChangesExpired`."""
        require_reader(identity, space_id)
        if not 1 <= page_size <= MAX_PAGE_SIZE or after_sequence < 0:
            raise InvalidArgument("page_size or after_sequence out of range")
        await self._tree.require_space(space_id)
        changes = await self._log.list(space_id, after_sequence=after_sequence, limit=page_size)
        # After the page: what expires meanwhile leaves a gap in front of it.
        ends = await self._log.ends(space_id)
        if after_sequence + 1 < ends.first:
            raise ChangesExpired(space_id=space_id, first_sequence=ends.first)
        return changes, ends.last


def require_reader(identity: Identity, space_id: str) -> None:
    """Lets pass services, operators, and users with the privilege. Raises `Forbidden`."""
    if identity.kind is not Kind.USER:
        require_insider(identity)
        return
    rights = identity.rights_in(space_id)
    if rights is None or not rights.has(SpacePrivilege.VIEW_CHANGES_STREAM):
        raise Forbidden(space_id=space_id)
