"""Giving copies up, and taking away what was made of them.

Whoever is cut short here is followed by `CopyUndoing.undo_some`.
"""

from __future__ import annotations

from collections.abc import Awaitable

from runtime.clock import Clock

from .copy_records import OPEN, Copy, CopyState, CopyStore, NoSuchCopy
from .errors import LostRace, RevisionConflict
from .records import swept_from, tmp_id
from .retries import attempts
from .tree import Tree

#: How long the reason of a failure can be asked for.
KEEP_FAILED_MS = 24 * 3600 * 1000


class CopyUndoing:
    """The bad end of copies."""

    def __init__(self, store: CopyStore, tree: Tree, clock: Clock) -> None:
        self._store = store
        self._tree = tree
        self._clock = clock

    def given_up(self, copy: Copy, *, reason: str, message: str, forgotten: bool = False) -> Copy:
        """The next revision of the record, with which the undoing begins once it is kept.

        `forgotten`: nobody will ask for the reason.
        """
        return self._now(
            copy,
            state=CopyState.UNDOING,
            error_reason=reason,
            error_message=message,
            forgotten=forgotten,
            lease_until_ms=0,
        )

    async def give_up(self, copy: Copy, *, reason: str, message: str, forgotten: bool = False) -> Copy:
        """Gives it up and undoes it; the record that tells so. Raises `RevisionConflict`."""
        given_up = self.given_up(copy, reason=reason, message=message, forgotten=forgotten)
        await self._store.replace(given_up)
        await self.undo(given_up)
        return given_up

    async def stop(self, copy_id: str) -> None:
        """Gives up what has no place yet, or forgets that it failed. Raises `NoSuchCopy`, `LostRace`."""
        async for _ in attempts():
            copy = await self._store.find(copy_id)
            if copy is None or copy.state not in (*OPEN, CopyState.FAILED):
                raise NoSuchCopy(copy_id=copy_id)
            if copy.state is CopyState.PUBLISHED:
                raise NoSuchCopy("it is at its place already", copy_id=copy_id)
            if copy.state is CopyState.PUBLISHING:
                continue
            if copy.state is CopyState.FAILED:
                await self._store.remove(copy)
                return
            try:
                await self.give_up(copy, reason="CANCELLED", message="cancelled", forgotten=True)
            except RevisionConflict:
                continue
            return
        raise LostRace(copy_id=copy_id)

    async def undo_some(self) -> int:
        """Goes on with what was given up and not taken away yet; answers how many."""
        given_up = await self._store.list_lapsed(
            (CopyState.UNDOING,), before_ms=self._clock.now_ms(), limit=100
        )
        for copy in given_up:
            await self.undo(copy)
        return len(given_up)

    async def undo(self, copy: Copy) -> None:
        """Takes away what was made of a copy that is given up."""
        if await self._is_published(copy):
            # It got its place in the moment before it was given up.
            await self._quietly(
                self._store.replace(self._now(copy, state=CopyState.PUBLISHED, reserves=False))
            )
            return
        await self.sweep_workshop(copy)
        if copy.forgotten:
            await self._store.remove(copy)
            return
        failed = self._now(
            copy, state=CopyState.FAILED, identity=b"", expires_ms=self._clock.now_ms() + KEEP_FAILED_MS
        )
        await self._quietly(self._store.replace(failed))

    async def sweep_workshop(self, copy: Copy) -> None:
        """Takes away the directory in which the copy was made, with what is left in it."""
        async for _ in attempts():
            workshop = await self._tree.find(copy.space_id, copy.workshop_id, fresh=True)
            if workshop is None or workshop.deleted or workshop.parent_id != tmp_id(copy.space_id):
                return
            try:
                await self._tree.replace(swept_from(workshop, now_ms=self._clock.now_ms()))
            except RevisionConflict:
                continue
            return
        raise LostRace(copy_id=copy.copy_id)

    async def _is_published(self, copy: Copy) -> bool:
        root = await self._tree.find(copy.space_id, copy.root_id, fresh=True)
        return root is not None and not root.deleted and root.parent_id != copy.workshop_id

    def _now(self, copy: Copy, **changes: object) -> Copy:
        return copy.changed(changed_ms=self._clock.now_ms(), **changes)

    async def _quietly(self, change: Awaitable[None]) -> None:
        """Another one came first, who did the same."""
        try:
            await change
        except RevisionConflict:
            return
