"""Which answers may be remembered under a lease: those that nothing changes but what is taken back before.

An answer about a file depends on its record and those of all directories above it. Its times are apart, since
they change without the record (`Touches`): who was told them depends on `times_of` the file, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.clock import Clock
from runtime.identity import Identity, Kind

from . import caveats
from .leases import Grant, Leases
from .locations import Location
from .paths import FileRef, Found
from .records import File, FileType, root_id
from .replicas import Replicas
from .times import Touches, times_of
from .tree import Tree

#: Attributes of what changed so lately are not remembered: it will change again, and that would have to wait.
QUIET_MS = 5_000


class Grants:
    """Gives leave to remember answers. Each is to be asked in the same step in which the answer was made."""

    def __init__(
        self, tree: Tree, replicas: Replicas, touches: Touches, leases: Leases, clock: Clock
    ) -> None:
        self._tree = tree
        self._replicas = replicas
        self._touches = touches
        self._leases = leases
        self._clock = clock

    def of_content(
        self, identity: Identity, ref: FileRef, found: Found, location: Location | None, lease_id: str
    ) -> Grant | None:
        """Where the content of a file is that the caller may read."""
        if found.file.type is not FileType.REGULAR or not self._rests(identity, ref, found, lease_id):
            return None
        if location is None and found.file.location_revision:
            return None  # its content is just going
        if location is not None and not self._replicas.holds(location):
            return None
        return self._granted(lease_id, ref.space_id, _records(found))

    def of_attributes(
        self,
        identity: Identity,
        ref: FileRef,
        found: Found,
        lease_id: str,
        *,
        with_times: bool = True,
        max_age_s: float = 0.0,
    ) -> Grant | None:
        """All that the record of a file says, and its times unless they make no difference. `max_age_s`: of
        the rest of the answer, if any is not as lasting."""
        file = found.file
        if file.type is FileType.QUEUE or not self._rests(identity, ref, found, lease_id):
            return None
        if not with_times and file.is_directory:
            # Of one that changes all the time hardly more than the times does.
            return self._granted(lease_id, ref.space_id, _records(found), max_age_s)
        if self._touches.has(file.file_id) or self._clock.now_ms() - file.ctime_ms < QUIET_MS:
            return None
        records = (*_records(found), times_of(file.file_id))
        return self._granted(lease_id, ref.space_id, records, max_age_s)

    def _rests(self, identity: Identity, ref: FileRef, found: Found, lease_id: str) -> bool:
        """Whether finding the file depends on nothing but records on the way, all of them as they are now."""
        if not lease_id or ref.share_id or identity.kind is not Kind.USER or caveats.confines(identity):
            return False
        if found.link or not _is_straight(found.chain, ref):
            return False
        return all(map(self._tree.holds, found.chain))

    def _granted(
        self, lease_id: str, space_id: str, records: tuple[str, ...], max_age_s: float = 0.0
    ) -> Grant | None:
        number = self._leases.grant(lease_id, space_id, records)
        return None if number is None else Grant(number, records, max_age_s)


def _records(found: Found) -> tuple[str, ...]:
    return tuple(file.file_id for file in found.chain)


def _is_straight(chain: Sequence[File], ref: FileRef) -> bool:
    """Whether each name of the reference was found in the directory before it: no link was followed."""
    start = len(chain) - len(ref.path) - 1
    if start < 0 or chain[start].file_id != (ref.file_id or root_id(ref.space_id)):
        return False
    return tuple(file.name for file in chain[start + 1 :]) == ref.path
