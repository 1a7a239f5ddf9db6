"""Shares: their ids on the record of the root file, what else there is to know of them at the zone.

The record alone decides what the public reaches, so public access needs no zone. Making and ending a share
changes record and zone one after the other; a note of it is written first and removed last, and whoever
finds an old note finishes what it says: a share ends for the public at once, and one that the zone does not
know is undone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from runtime.clock import Clock
from runtime.errors import InvalidName, IsthmusError, NoSuchFile, NotFound, NotPermitted, PermissionDenied
from runtime.identity import Identity, SpacePrivilege

from . import permissions
from .errors import Forbidden, LostRace, RevisionConflict, ZoneRefused
from .paths import FileRef, Paths
from .records import File, FileType
from .retries import attempts
from .share_books import ShareNote, ShareNoteStore
from .tree import Tree

log = structlog.get_logger(__name__)

#: A note this old belongs to nobody any more: every call ends long before.
SETTLE_AFTER_MS = 120_000
SETTLE_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A public, read-only pointer to a file or directory, which may be gone by now."""

    share_id: str
    space_id: str
    name: str
    description: str
    root_file_id: str
    root_type: FileType
    creator_id: str = ""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who wants a share made, changed or ended, for the zone to note. `peer_ip`: empty when unknown."""

    user_id: str
    peer_ip: str = ""


class ZoneShares(Protocol):
    """The shares of the zone. All raise `NoConnectionToOnezone` when it does not answer."""

    async def create(self, share: Share, by: Requester) -> None:
        """Registers it. The same again is a success."""
        ...

    async def find(self, share_id: str) -> Share | None:
        """What the zone knows of it."""
        ...

    async def update(
        self, share_id: str, by: Requester, *, name: str | None, description: str | None
    ) -> None:
        """Sets what is not None. Raises `NotFound`."""
        ...

    async def delete(self, share_id: str, by: Requester) -> None:
        """Ends it, if there is one."""
        ...


class NoSuchShare(NotFound):
    """There is no such share."""

    reason = "ZONE_NOT_FOUND"


class Shares:
    """Makes, shows, changes and ends shares."""

    def __init__(
        self, notes: ShareNoteStore, zone: ZoneShares, tree: Tree, paths: Paths, clock: Clock
    ) -> None:
        self._notes = notes
        self._zone = zone
        self._tree = tree
        self._paths = paths
        self._clock = clock

    async def create(
        self,
        identity: Identity,
        request_id: str,
        ref: FileRef,
        name: str,
        description: str,
        *,
        peer_ip: str = "",
    ) -> Share:
        """A new share. Raises `ZoneRefused` when the zone does not take it: then there is none."""
        _require_manager(identity, ref.space_id)
        found = await self._paths.resolve(identity, ref)
        if found.file.type in (FileType.SYMLINK, FileType.QUEUE):
            raise InvalidName("a symbolic link or a queue can't be shared", file_id=found.file.file_id)
        share = Share(
            share_id=_new_id(request_id, identity, found.file),
            space_id=ref.space_id,
            name=name,
            description=description,
            root_file_id=found.file.file_id,
            root_type=found.file.type,
            creator_id=identity.subject_id,
        )
        note = self._note(share, identity, peer_ip, ending=False)
        await self._notes.put(note)
        try:
            await self._mark(note)
            await self._zone.create(share, _requester(note))
        except IsthmusError as error:
            await self._give_up(note)
            if isinstance(error, NoSuchFile):
                raise
            raise ZoneRefused(share_id=share.share_id) from error
        await self._notes.remove(share.share_id)
        return share

    async def get(self, identity: Identity, share_id: str) -> Share:
        """A share, for members of its space. Raises `NoSuchShare`."""
        share = await self._require(share_id)
        permissions.enter_space(identity, share.space_id)
        return share

    async def update(
        self,
        identity: Identity,
        share_id: str,
        *,
        name: str | None,
        description: str | None,
        peer_ip: str = "",
    ) -> None:
        """Sets what is not None."""
        share = await self._require(share_id)
        if not _manages(identity, share.space_id):
            raise Forbidden(space_id=share.space_id)
        permissions.enter_space(identity, share.space_id)
        by = Requester(identity.subject_id, peer_ip)
        await self._zone.update(share_id, by, name=name, description=description)

    async def delete(self, identity: Identity, share_id: str, *, peer_ip: str = "") -> None:
        """Ends a share for the public; the zone hears of it now, or in the background."""
        share = await self._require(share_id)
        _require_manager(identity, share.space_id)
        note = self._note(share, identity, peer_ip, ending=True)
        await self._notes.put(note)
        await self._unmark(note)
        try:
            await self._end(note)
        except IsthmusError as error:
            log.warning("share_end_postponed", share_id=share_id, reason=error.reason)

    async def settle(self) -> int:
        """Finishes what old notes say; answers how many."""
        before_ms = self._clock.now_ms() - SETTLE_AFTER_MS
        notes = await self._notes.list(before_ms=before_ms, limit=SETTLE_AT_ONCE)
        for note in notes:
            if not note.ending and await self._zone.find(note.share_id) is not None:
                await self._notes.remove(note.share_id)
                continue
            await self._unmark(note)
            await self._end(note)
        return len(notes)

    def _note(self, share: Share, identity: Identity, peer_ip: str, *, ending: bool) -> ShareNote:
        return ShareNote(
            share.share_id,
            share.space_id,
            share.root_file_id,
            ending,
            self._clock.now_ms(),
            user_id=identity.subject_id,
            peer_ip=peer_ip,
        )

    async def _require(self, share_id: str) -> Share:
        share = await self._zone.find(share_id)
        note = await self._notes.find(share_id)
        if share is None or (note is not None and note.ending):
            raise NoSuchShare(share_id=share_id)
        return share

    async def _give_up(self, note: ShareNote) -> None:
        """Whether the zone has the share is not known, so it is ended there in the background."""
        await self._notes.put(replace(note, ending=True))
        await self._unmark(note)

    async def _end(self, note: ShareNote) -> None:
        try:
            await self._zone.delete(note.share_id, _requester(note))
        except PermissionDenied:
            # The space is supported here no more, so what the zone has of it is not ours to end.
            log.warning("share_not_ours", share_id=note.share_id, space_id=note.space_id)
        await self._notes.remove(note.share_id)

    async def _mark(self, note: ShareNote) -> None:
        """Puts the id on the root's record."""

        def marked(ids: Sequence[str]) -> tuple[str, ...]:
            return (*ids, note.share_id) if note.share_id not in ids else tuple(ids)

        if not await self._change(note, marked):
            raise NoSuchFile(file_id=note.file_id)

    async def _unmark(self, note: ShareNote) -> None:
        """Takes the id from the root's record, if that is still there."""
        await self._change(note, lambda ids: tuple(each for each in ids if each != note.share_id))

    async def _change(self, note: ShareNote, change: _Change) -> bool:
        """Whether there is a record."""
        async for attempt in attempts():
            file = await self._tree.find(note.space_id, note.file_id, fresh=attempt > 0)
            if file is None or file.deleted:
                return False
            share_ids = change(file.share_ids)
            if share_ids == file.share_ids:
                return True
            try:
                await self._tree.replace(file.changed(share_ids=share_ids))
            except RevisionConflict:
                continue
            return True
        raise LostRace(file_id=note.file_id)


class _Change(Protocol):
    def __call__(self, ids: Sequence[str], /) -> tuple[str, ...]: ...


def _requester(note: ShareNote) -> Requester:
    return Requester(note.user_id, note.peer_ip)


def _new_id(request_id: str, identity: Identity, root: File) -> str:
    """The same for a request that is repeated."""
    if not request_id:
        return secrets.token_hex(16)
    text = "\0".join(("share", request_id, identity.subject_id, root.space_id, root.file_id))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _manages(identity: Identity, space_id: str) -> bool:
    rights = identity.rights_in(space_id)
    return rights is not None and rights.has(SpacePrivilege.MANAGE_SHARES)


def _require_manager(identity: Identity, space_id: str) -> None:
    permissions.enter_space(identity, space_id)
    if not _manages(identity, space_id):
        raise NotPermitted("the privilege to manage shares is missing", space_id=space_id)
