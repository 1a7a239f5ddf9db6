"""Copies that take long: who works at them, and how they end.

What is copied is made in a workshop, a directory out of sight that belongs to the user; once whole it becomes
the destination by one rename. So a copy is never seen in part, and giving it up is removing one directory.
Every step leads from one state that may last to the next, so a process can be killed at any line: the lease
lapses, and another one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runtime.clock import Clock
from runtime.errors import FileExists, InvalidArgument
from runtime.identity import Identity, Kind

from . import names, permissions
from .copy_plans import CopyPlans, CopyRequest, copy_id_of, require_add
from .copy_records import (
    UNPUBLISHED,
    WORKED_AT,
    Copy,
    CopyLost,
    CopyProgress,
    CopyState,
    CopyStore,
    NoSuchCopy,
)
from .copy_undoing import CopyUndoing
from .errors import IdTaken, LostRace, NameTaken, RevisionConflict
from .files import Files
from .paths import FileRef, Found, Paths
from .quotas import require_insider
from .records import File, FileType, tmp_id
from .renames import Renames
from .retries import attempts
from .tree import Tree

#: How long a lease lasts; holders renew it every few seconds.
LEASE_MS = 30_000
#: A copy that so many holders took, one after the other, without getting on, is given up.
MAX_BARREN_LEASES = 10
MAX_POSITION_BYTES = 1 << 20
#: How long what became of a copy can be asked for.
KEEP_DONE_MS = 600_000
MAX_PAGE_SIZE = 1000
_WORKSHOP_MODE = 0o700
_SERVICE = Identity(kind=Kind.SERVICE, subject_id="metadata")


class Copies:
    """The life of copies."""

    def __init__(
        self,
        store: CopyStore,
        tree: Tree,
        paths: Paths,
        files: Files,
        renames: Renames,
        clock: Clock,
        provider_id: str,
    ) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._renames = renames
        self._clock = clock
        self._provider_id = provider_id
        self._plans = CopyPlans(store, paths, files, clock)
        self._undoing = CopyUndoing(store, tree, clock)

    async def start(
        self, identity: Identity, signed_identity: bytes, request: CopyRequest
    ) -> tuple[Copy, bool]:
        """Begins a copy, or finds the one an earlier try of the request began; whether the holder has it.

        Raises `FileExists`, `RenameIntoItself`, `TooManyCopies`, refusals, and as `Paths.resolve`.
        """
        if not request.request_id:
            raise InvalidArgument("missing value", key="request_id")
        known = await self._store.find(copy_id_of(identity, request.request_id))
        if known is None:
            copy = await self._plans.plan(identity, signed_identity, request)
            known = await self._inserted(copy)
        is_free = known.lease_until_ms <= self._clock.now_ms() or known.holder == request.holder
        if known.state not in WORKED_AT or not is_free or not request.holder:
            return known, False
        try:
            leased = await self._leased(known, request.holder)
        except RevisionConflict:
            return known, False
        return leased, leased.state in WORKED_AT

    async def claim(self, identity: Identity, holder: str) -> Copy | None:
        """Leases the copy that waits longest for somebody to work at it."""
        require_insider(identity)
        waiting = await self._store.list_lapsed(WORKED_AT, before_ms=self._clock.now_ms(), limit=10)
        for copy in waiting:
            try:
                if copy.is_handmade and copy.state in UNPUBLISHED:
                    await self._abandon(copy)
                    continue
                leased = await self._leased(copy, holder)
            except RevisionConflict:
                continue
            if leased.state in WORKED_AT:
                return leased
        return None

    async def _abandon(self, copy: Copy) -> None:
        """Gives up what nobody else can go on with, once the request was not tried again for a while."""
        if copy.lease_until_ms + LEASE_MS <= self._clock.now_ms():
            told = "whoever made it went away"
            await self._undoing.give_up(copy, reason="UNAVAILABLE", message=told, forgotten=True)

    async def save(self, identity: Identity, copy_id: str, epoch: int, progress: CopyProgress) -> None:
        """Notes how far it is, and renews the lease. Raises `CopyLost`."""
        require_insider(identity)
        if len(progress.position) > MAX_POSITION_BYTES:
            raise InvalidArgument("the position is too long")

        def saved(copy: Copy) -> Copy:
            moved_on = progress != copy.progress
            return self._now(
                copy,
                progress=progress,
                barren_leases=0 if moved_on else copy.barren_leases,
                lease_until_ms=self._clock.now_ms() + LEASE_MS,
            )

        await self._changed(copy_id, epoch, WORKED_AT, saved)

    async def release(self, identity: Identity, copy_id: str, epoch: int) -> None:
        """Gives the lease back."""
        require_insider(identity)
        await self._changed(
            copy_id, epoch, WORKED_AT, lambda copy: self._now(copy, lease_until_ms=0, barren_leases=0)
        )

    async def publish(self, identity: Identity, copy_id: str, epoch: int) -> None:
        """Gives what was copied its place. Raises `CopyLost`, `FileExists`, `NoSuchFile`, refusals."""
        copy = await self._held(copy_id, epoch, WORKED_AT)
        if copy.state is CopyState.PUBLISHED:
            return
        if copy.state is CopyState.COPYING:
            copy = await self._changed(
                copy_id, epoch, UNPUBLISHED, lambda copy: self._now(copy, state=CopyState.PUBLISHING)
            )
        parent = FileRef(copy.space_id, copy.parent_id)
        # The user may add to the directory, and it is we who take the copy from where it was made.
        found = await self._paths.resolve(identity, parent)
        require_add(identity, found, copy.type)
        await self._renames.rename(
            _SERVICE,
            copy.publish_id,
            FileRef(copy.space_id, copy.root_id),
            parent,
            copy.name,
            no_replace=True,
        )
        await self._changed(
            copy_id, epoch, WORKED_AT, lambda copy: self._now(copy, state=CopyState.PUBLISHED, reserves=False)
        )

    async def end(self, identity: Identity, copy_id: str, epoch: int) -> None:
        """Closes the workshop and the copy. Raises `CopyLost`."""
        require_insider(identity)
        copy = await self._store.find(copy_id)
        if copy is not None and copy.state is CopyState.DONE and copy.epoch == epoch:
            return
        copy = await self._held(copy_id, epoch, (CopyState.PUBLISHED,))
        await self._undoing.sweep_workshop(copy)
        expires_ms = self._clock.now_ms() + KEEP_DONE_MS
        await self._changed(
            copy_id,
            epoch,
            (CopyState.PUBLISHED,),
            lambda copy: self._now(copy, state=CopyState.DONE, identity=b"", expires_ms=expires_ms),
        )

    async def fail(
        self, identity: Identity, copy_id: str, epoch: int, reason: str, message: str, *, forget: bool
    ) -> None:
        """Gives it up for a reason; `forget`: which nobody will ask for. Raises `CopyLost`."""
        require_insider(identity)
        copy = await self._changed(
            copy_id,
            epoch,
            UNPUBLISHED,
            lambda copy: self._undoing.given_up(copy, reason=reason, message=message, forgotten=forget),
        )
        await self._undoing.undo(copy)

    async def find(self, identity: Identity, parent: FileRef, name: str) -> Copy:
        """The copy on its way to a place the caller may look at. Raises `NoSuchCopy`."""
        _, copy = await self._reserving(identity, parent, name)
        return copy

    async def get(self, identity: Identity, copy_id: str) -> Copy:
        """A copy the caller has begun, or a service asks for. Raises `NoSuchCopy`."""
        copy = await self._store.find(copy_id)
        if copy is None or (identity.kind is Kind.USER and copy.user_id != identity.subject_id):
            raise NoSuchCopy(copy_id=copy_id)
        if identity.kind is not Kind.USER:
            require_insider(identity)
        return copy

    async def cancel(self, identity: Identity, parent: FileRef, name: str) -> None:
        """Gives up the copy on its way to a place. Raises `NoSuchCopy`, refusals."""
        found, copy = await self._reserving(identity, parent, name)
        is_own = identity.kind is Kind.USER and copy.user_id == identity.subject_id
        is_readonly = identity.caveats is not None and identity.caveats.readonly
        if not is_own or is_readonly:
            permissions.require(identity, found.chain, permissions.DELETE_CHILD, found.reach)
        await self._undoing.stop(copy.copy_id)

    async def stop(self, identity: Identity, copy_id: str) -> None:
        """As `cancel`, for operators."""
        require_insider(identity)
        await self._undoing.stop(copy_id)

    async def list(self, identity: Identity, *, after: str, limit: int) -> Sequence[Copy]:
        """Those under way, and those that failed lately."""
        require_insider(identity)
        if not 1 <= limit <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=limit)
        return await self._store.list(after=after, limit=limit)

    async def undo_some(self) -> int:
        """Goes on with what was given up and not taken away yet; answers how many."""
        return await self._undoing.undo_some()

    # -- beginning -------------------------------------------------------------------------------------

    async def _inserted(self, copy: Copy) -> Copy:
        """Adds it, in the place of one that failed to get there. Raises `FileExists`."""
        async for _ in attempts():
            try:
                await self._store.insert(copy)
            except IdTaken:
                known = await self._store.find(copy.copy_id)
                if known is not None:
                    return known
            except NameTaken:
                other = await self._store.find_reserving(copy.parent_id, copy.name)
                if other is not None and other.state is not CopyState.FAILED:
                    raise FileExists("a copy is on its way there", name=copy.name) from None
                if other is not None:
                    await self._store.remove(other)
            else:
                return copy
        raise LostRace(name=copy.name)

    async def _leased(self, copy: Copy, holder: str) -> Copy:
        """The copy with a lease for this holder; or given up, when nobody gets on with it."""
        if copy.barren_leases >= MAX_BARREN_LEASES:
            told = "it was begun again and again"
            return await self._undoing.give_up(copy, reason="UNAVAILABLE", message=told)
        leased = self._now(
            copy,
            holder=holder,
            epoch=copy.epoch + 1,
            barren_leases=copy.barren_leases + 1,
            lease_until_ms=self._clock.now_ms() + LEASE_MS,
        )
        await self._store.replace(leased)
        if leased.state is CopyState.COPYING:
            await self._open_workshop(leased)
        return leased

    async def _open_workshop(self, copy: Copy) -> None:
        now_ms = self._clock.now_ms()
        workshop = File(
            file_id=copy.workshop_id,
            space_id=copy.space_id,
            parent_id=tmp_id(copy.space_id),
            name=copy.copy_id,
            type=FileType.DIRECTORY,
            mode=_WORKSHOP_MODE,
            owner_id=copy.user_id,
            provider_id=self._provider_id,
            named_by=self._provider_id,
            creation_time_ms=now_ms,
            atime_ms=now_ms,
            mtime_ms=now_ms,
            ctime_ms=now_ms,
        )
        try:
            await self._tree.insert(workshop)
        except (IdTaken, NameTaken):
            return  # an earlier holder made it

    # -- going on --------------------------------------------------------------------------------------

    async def _held(self, copy_id: str, epoch: int, states: Sequence[CopyState]) -> Copy:
        copy = await self._store.find(copy_id)
        if copy is None or copy.epoch != epoch or copy.state not in states:
            raise CopyLost(copy_id=copy_id)
        return copy

    async def _changed(
        self, copy_id: str, epoch: int, states: Sequence[CopyState], change: Callable[[Copy], Copy]
    ) -> Copy:
        async for _ in attempts():
            changed = change(await self._held(copy_id, epoch, states))
            try:
                await self._store.replace(changed)
            except RevisionConflict:
                continue
            return changed
        raise LostRace(copy_id=copy_id)

    def _now(self, copy: Copy, **changes: object) -> Copy:
        return copy.changed(changed_ms=self._clock.now_ms(), **changes)

    async def _reserving(self, identity: Identity, parent: FileRef, name: str) -> tuple[Found, Copy]:
        names.check_name(name)
        found = await self._paths.resolve(identity, parent)
        self._paths.require_lookup(identity, found)
        copy = await self._store.find_reserving(found.file.file_id, name)
        if copy is None or (copy.expires_ms is not None and copy.expires_ms <= self._clock.now_ms()):
            raise NoSuchCopy(name=name)
        return found, copy
