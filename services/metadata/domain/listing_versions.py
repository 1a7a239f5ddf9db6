"""Whether a directory still lists as it did: it has a version, which any change of what is listed ends.

Whoever was told a page and the version can ask with it, and need not be told again what is still true. Only
an instance that has the space to itself tells versions, since it sees every change before it is confirmed:
its own ones here, those of others in the change stream (docs/decisions/0043).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from runtime.clock import Clock
from runtime.errors import DeadlineExceeded, IsthmusError, Unavailable

from .records import File, swept_id

#: Longest from the begin of a change until it is done, or never will be.
LONGEST_CHANGE_S = 30.0
#: For so long after an announcement more names may come without another one.
ANNOUNCED_S = 20.0
#: For so long nobody can say what a directory lists after somebody else changed it, or a change of it had no
#: known end.
DOUBT_S = ANNOUNCED_S + LONGEST_CHANGE_S + 10.0
#: Own changes that have not come by in the change stream yet; of one more it is not known whose it is.
MAX_OWN = 16_384
#: Spaces and directories in doubt; with more, everything is.
MAX_DOUBTED = 10_000
#: In the place of a directory: any of them.
_ANY = ""


class Alone(Protocol):
    """Who has a space to itself."""

    def alone_since(self, space_id: str) -> float | None:
        """A number that is another one each time this begins; None while another instance may change it."""
        ...


class FileChange(Protocol):
    """What the change stream says of a file; `revision` is None when the record is gone."""

    @property
    def file_id(self) -> str: ...

    @property
    def revision(self) -> int | None: ...

    @property
    def space_id(self) -> str: ...

    @property
    def parent_id(self) -> str: ...

    @property
    def deleted(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Announcement:
    until_s: float
    made: asyncio.Future[bool]


class ListingVersions:
    """Versions of the `capacity` directories last listed."""

    def __init__(
        self, alone: Alone, clock: Clock, known: Callable[[str], File | None], *, capacity: int
    ) -> None:
        """`known`: the record of a file as it was last seen."""
        self._alone = alone
        self._clock = clock
        self._known = known
        self._capacity = capacity
        # No two processes tell the same version.
        self._process = secrets.token_hex(6)
        self._numbers = count(1)
        self._versions: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._changing: Counter[str] = Counter()
        self._doubted: dict[str, float] = {}
        self._own: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._announcements: dict[str, _Announcement] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def current(self, space_id: str, directory_id: str) -> str:
        """The version of a directory; empty while it may change unseen.

        What is read between two calls that answer the same version is what the directory lists at it.
        """
        since = self._alone.alone_since(space_id)
        if since is None or not self._capacity or directory_id in self._changing or _ANY in self._changing:
            return ""
        if self._doubted and any(map(self._is_doubted, (directory_id, space_id, _ANY))):
            return ""
        known = self._versions.get(directory_id)
        if known is not None and known[0] == since:
            self._versions.move_to_end(directory_id)
            return known[1]
        version = f"{self._process}.{next(self._numbers)}"
        self._versions[directory_id] = (since, version)
        if len(self._versions) > self._capacity:
            self._versions.popitem(last=False)
        return version

    @contextlib.contextmanager
    def changing(self, files: Sequence[File]) -> Iterator[None]:
        """The block in which these records are stored, each a new one or the next revision of one known."""
        directories = self._directories(files)
        written = [(file.file_id, file.revision) for file in files if file.revision > 1]
        self._expect(written)
        self._changing.update(directories)
        try:
            yield
        except BaseException as error:
            self._expect_no_more(written, files[0].space_id)
            if is_uncertain(error):
                self._doubt(directories)
            self._end(directories - {_ANY})
            raise
        else:
            self._end(directories)
        finally:
            for directory_id in directories:
                self._changing[directory_id] -= 1
                if not self._changing[directory_id]:
                    del self._changing[directory_id]

    def changed(self, file: File) -> None:
        """Something else is told of the file from now on than its record says."""
        parents = {file.parent_id}
        known = self._known(file.file_id)
        parents.add(known.parent_id if known is not None else _ANY)
        # The directory of a space is in no other.
        self._end(parents if file.parent_id else ())

    def missed_changes(self) -> None:
        """The change stream has a gap: an announcement may have been in it."""
        self._own.clear()
        self._doubt((_ANY,))

    def changed_elsewhere(self, changes: Iterable[FileChange]) -> None:
        """What the change stream told; own changes come by, too."""
        for change in changes:
            revision = change.revision
            if revision is None or self._own.pop((change.file_id, revision), 0):
                continue  # What is gone altogether was deleted before.
            if change.deleted:
                self._doubt((change.parent_id,))
            elif change.parent_id != swept_id(change.space_id):
                # Nobody knows where it was, and where an instance changes one thing, it may add others.
                self._doubt_space(change.space_id)

    async def announced(self, space_id: str, announce: Callable[[], Awaitable[bool]]) -> None:
        """Before names are added to a space: whoever may have it to himself has been told that they come.

        `announce` has the change stream tell everybody, and says whether it did; it is called once in a
        while, and only if needed.
        """
        if self._alone.alone_since(space_id) is not None:
            return
        now_s = self._clock.monotonic_s()
        known = self._announcements.get(space_id)
        if known is None or known.until_s <= now_s:
            self._announcements = {
                id: each for id, each in self._announcements.items() if each.until_s > now_s
            }
            known = _Announcement(now_s + ANNOUNCED_S, asyncio.ensure_future(announce()))
            self._announcements[space_id] = known
        told = False
        try:
            told = await asyncio.shield(known.made)
        finally:
            if not told and known.made.done() and self._announcements.get(space_id) is known:
                del self._announcements[space_id]

    def _doubt(self, directories: Collection[str]) -> None:
        """What these list may change unseen for a while."""
        self._end(directories)
        if len(self._doubted) >= MAX_DOUBTED:
            self._doubted.clear()
            directories = (_ANY,)
        until_s = self._clock.monotonic_s() + DOUBT_S
        for each in directories:
            self._doubted[each] = until_s

    def _doubt_space(self, space_id: str) -> None:
        """The same for all of a space."""
        self._doubt((space_id,))
        self._versions.clear()

    def _is_doubted(self, each: str) -> bool:
        until_s = self._doubted.get(each)
        if until_s is None:
            return False
        if until_s > self._clock.monotonic_s():
            return True
        del self._doubted[each]
        return False

    def _directories(self, files: Sequence[File]) -> set[str]:
        """Where files are listed before and after a change."""
        directories = {file.parent_id for file in files if file.parent_id}
        for file in files:
            if file.revision > 1 and file.parent_id:
                before = self._known(file.file_id)
                is_before = before is not None and before.revision == file.revision - 1
                directories.add(before.parent_id if before is not None and is_before else _ANY)
        return directories

    def _end(self, directories: Collection[str]) -> None:
        if _ANY in directories:
            self._versions.clear()
        for directory_id in directories:
            self._versions.pop(directory_id, None)

    def _expect(self, written: Iterable[tuple[str, int]]) -> None:
        for each in written:
            self._own[each] = self._own.get(each, 0) + 1
            if len(self._own) > MAX_OWN:
                self._own.popitem(last=False)

    def _expect_no_more(self, written: Iterable[tuple[str, int]], space_id: str) -> None:
        for each in written:
            tries = self._own.pop(each, 0)
            if tries > 1:
                self._own[each] = tries - 1
            elif not tries:
                # It came by meanwhile, so it may have been somebody else's.
                self._doubt_space(space_id)


def is_uncertain(error: BaseException) -> bool:
    """Whether a change that failed so may have happened, or still will."""
    return not isinstance(error, IsthmusError) or isinstance(error, Unavailable | DeadlineExceeded)
