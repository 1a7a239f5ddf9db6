"""Copies that take long: who may, who works at them, how they end.

What is copied is made in a workshop, a directory out of sight that belongs to the user; once whole it becomes
the destination by one rename. So a copy is never seen in part, and giving it up is removing one directory.
Every step leads from one state that may last to the next, so a process can be killed at any line: the lease
lapses, and another one goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runtime.clock import Clock
from runtime.errors import (
    Aborted,
    AccessDenied,
    FileExists,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.identity import Identity, Kind

from . import names, permissions
from .caveats import Reached
from .copy_records import OPEN, UNPUBLISHED, WORKED_AT, Copy, CopyProgress, CopyState, CopyStore
from .errors import IdTaken, LostRace, NameTaken, NotSupported, RenameIntoItself, RevisionConflict
from .files import Files
from .ids import new_file_id
from .paths import FileRef, Found, Paths
from .quotas import require_insider
from .records import File, FileType, swept_from, tmp_id
from .renames import Renames
from .retries import attempts
from .tree import Tree

#: How long a lease lasts; holders renew it every few seconds.
LEASE_MS = 30_000
#: Copies under way at a time: of all users, and of one.
MAX_OPEN = 10_000
MAX_OPEN_OF_USER = 1000
#: A copy that so many holders took, one after the other, without getting on, is given up.
MAX_BARREN_LEASES = 10
MAX_POSITION_BYTES = 1 << 20
#: How long the reason of a failure can be asked for, and what became of a copy.
KEEP_FAILED_MS = 24 * 3600 * 1000
KEEP_DONE_MS = 600_000
MAX_PAGE_SIZE = 1000
_WORKSHOP_MODE = 0o700
_SERVICE = Identity(kind=Kind.SERVICE, subject_id="metadata")


class NoSuchCopy(NotFound):
    """No copy is on its way to this place."""

    reason = "NO_SUCH_COPY"


class CopyLost(Aborted):
    """Somebody else works at the copy, or it was given up."""

    reason = "COPY_LOST"


class TooManyCopies(ResourceExhausted):
    """So many copies are under way that no more are begun."""

    reason = "TOO_MANY_COPIES"


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What is asked for. Without a `holder` somebody else is to do the work.

    Without a `source` it is a directory that only the holder can make.
    `update`: what the copy has differently; only the one who does the work reads it.
    """

    request_id: str
    source: FileRef | None
    parent: FileRef
    name: str
    moves: bool
    update: bytes
    holder: str


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
        self._files = files
        self._renames = renames
        self._clock = clock
        self._provider_id = provider_id

    async def start(
        self, identity: Identity, signed_identity: bytes, request: CopyRequest
    ) -> tuple[Copy, bool]:
        """Begins a copy, or finds the one an earlier try of the request began; whether the holder has it.

        Raises `FileExists`, `RenameIntoItself`, `TooManyCopies`, refusals, and as `Paths.resolve`.
        """
        if not request.request_id:
            raise InvalidArgument("missing value", key="request_id")
        known = await self._store.find(_copy_id(identity, request.request_id))
        if known is None:
            copy = await self._planned(identity, signed_identity, request)
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
            if copy.is_handmade and copy.state in UNPUBLISHED:
                await self._abandon(copy)
                continue
            try:
                leased = await self._leased(copy, holder)
            except RevisionConflict:
                continue
            if leased.state in WORKED_AT:
                return leased
        return None

    async def _abandon(self, copy: Copy) -> None:
        """Gives up what nobody else can go on with, once the request was not tried again for a while."""
        if copy.lease_until_ms + LEASE_MS > self._clock.now_ms():
            return
        given_up = self._given_up(
            copy, reason="UNAVAILABLE", message="whoever made it went away", forgotten=True
        )
        try:
            await self._store.replace(given_up)
        except RevisionConflict:
            return
        await self._undo(given_up)

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
        self._require_add(identity, found, copy.type)
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
        await self._sweep_workshop(copy)
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
            lambda copy: self._given_up(copy, reason=reason, message=message, forgotten=forget),
        )
        await self._undo(copy)

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
        await self._stop(copy.copy_id)

    async def stop(self, identity: Identity, copy_id: str) -> None:
        """As `cancel`, for operators."""
        require_insider(identity)
        await self._stop(copy_id)

    async def list(self, identity: Identity, *, after: str, limit: int) -> Sequence[Copy]:
        """Those under way, and those that failed lately."""
        require_insider(identity)
        if not 1 <= limit <= MAX_PAGE_SIZE:
            raise InvalidArgument("page_size out of range", page_size=limit)
        return await self._store.list(after=after, limit=limit)

    async def undo_some(self) -> int:
        """Goes on with what was given up and not taken away yet; answers how many."""
        given_up = await self._store.list_lapsed(
            (CopyState.UNDOING,), before_ms=self._clock.now_ms(), limit=100
        )
        for copy in given_up:
            await self._undo(copy)
        return len(given_up)

    # -- beginning -------------------------------------------------------------------------------------

    async def _planned(self, identity: Identity, signed_identity: bytes, request: CopyRequest) -> Copy:
        parent = await self._files.directory(
            identity, request.request_id, request.parent, create_parents=False
        )
        names.check_new_name(request.name, parent.file)
        source = await self._source(identity, parent, request)
        await self._require_few(identity)
        if await self._paths.child(identity, parent, request.name) is not None:
            raise FileExists(name=request.name)
        type = source.file.type if source else FileType.DIRECTORY
        copy_id = _copy_id(identity, request.request_id)
        workshop_id = hashlib.sha256(f"workshop:{copy_id}".encode()).hexdigest()[:32]
        now_ms = self._clock.now_ms()
        return Copy(
            copy_id=copy_id,
            request_id=request.request_id,
            user_id=identity.subject_id,
            identity=signed_identity,
            space_id=parent.file.space_id,
            parent_id=parent.file.file_id,
            name=request.name,
            root_id=new_file_id(
                request.request_id, identity.subject_id, workshop_id, request.name, type=type
            ),
            type=type,
            source_space_id=source.file.space_id if source else "",
            source_id=source.entry.file_id if source else "",
            moves=request.moves,
            workshop_id=workshop_id,
            update=request.update,
            started_ms=now_ms,
            changed_ms=now_ms,
        )

    async def _source(self, identity: Identity, parent: Found, request: CopyRequest) -> Found | None:
        """What is to be copied, if anything is. Everything is refused here that can be before the work."""
        if request.source is None:
            self._require_add(identity, parent, FileType.DIRECTORY)
            return None
        source = await self._paths.resolve(identity, request.source)
        self._require(identity, source, parent, request)
        return source

    def _require(self, identity: Identity, source: Found, parent: Found, request: CopyRequest) -> None:
        """Everything that can be refused before the work begins."""
        file = source.file
        if file.type is FileType.SYMLINK:
            raise NotSupported("a symbolic link is no source", file_id=file.file_id)
        if any(above.file_id == file.file_id for above in parent.chain):
            raise RenameIntoItself(file_id=file.file_id, parent_id=parent.file.file_id)
        bits = permissions.READ_DATA | (permissions.TRAVERSE if file.is_directory else 0)
        permissions.require(identity, source.chain, bits, source.reach)
        if source.reach.reached is not Reached.INSIDE:
            raise AccessDenied("the token does not reach all of the source", file_id=file.file_id)
        self._require_add(identity, parent, file.type)
        if request.moves:
            self._files.require_delete(identity, source)

    async def _require_few(self, identity: Identity) -> None:
        of_user = await self._store.count_open(user_id=identity.subject_id, limit=MAX_OPEN_OF_USER)
        if of_user >= MAX_OPEN_OF_USER:
            raise TooManyCopies(limit=MAX_OPEN_OF_USER)
        if await self._store.count_open(limit=MAX_OPEN) >= MAX_OPEN:
            raise TooManyCopies(limit=MAX_OPEN)

    def _require_add(self, identity: Identity, parent: Found, type: FileType) -> None:
        add = permissions.ADD_SUBDIRECTORY if type is FileType.DIRECTORY else permissions.ADD_FILE
        permissions.require(identity, parent.chain, permissions.TRAVERSE | add, parent.reach)

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
            given_up = self._given_up(
                copy, reason="UNAVAILABLE", message="it was begun again and again", forgotten=False
            )
            await self._store.replace(given_up)
            await self._undo(given_up)
            return given_up
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

    # -- giving up -------------------------------------------------------------------------------------

    def _given_up(self, copy: Copy, *, reason: str, message: str, forgotten: bool) -> Copy:
        return self._now(
            copy,
            state=CopyState.UNDOING,
            error_reason=reason,
            error_message=message,
            forgotten=forgotten,
            lease_until_ms=0,
        )

    async def _stop(self, copy_id: str) -> None:
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
            given_up = self._given_up(copy, reason="CANCELLED", message="cancelled", forgotten=True)
            try:
                await self._store.replace(given_up)
            except RevisionConflict:
                continue
            await self._undo(given_up)
            return
        raise LostRace(copy_id=copy_id)

    async def _undo(self, copy: Copy) -> None:
        """Takes away what was made. Whoever is cut short here is followed by `undo_some`."""
        if await self._is_published(copy):
            # It got its place in the moment before it was given up.
            await self._quietly(
                self._store.replace(self._now(copy, state=CopyState.PUBLISHED, reserves=False))
            )
            return
        await self._sweep_workshop(copy)
        if copy.forgotten:
            await self._store.remove(copy)
            return
        failed = self._now(
            copy, state=CopyState.FAILED, identity=b"", expires_ms=self._clock.now_ms() + KEEP_FAILED_MS
        )
        await self._quietly(self._store.replace(failed))

    async def _is_published(self, copy: Copy) -> bool:
        root = await self._tree.find(copy.space_id, copy.root_id, fresh=True)
        return root is not None and not root.deleted and root.parent_id != copy.workshop_id

    async def _sweep_workshop(self, copy: Copy) -> None:
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

    async def _quietly(self, change: Awaitable[None]) -> None:
        """Another one came first, who did the same."""
        try:
            await change
        except RevisionConflict:
            return


def _copy_id(identity: Identity, request_id: str) -> str:
    return hashlib.sha256(f"{identity.subject_id}\0{request_id}".encode()).hexdigest()[:32]
