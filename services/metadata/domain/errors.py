"""Errors of the namespace, beside the POSIX ones of runtime.errors."""

from __future__ import annotations

from runtime.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    IsthmusError,
    NoSuchFile,
    OutOfRange,
    PermissionDenied,
)


class Forbidden(PermissionDenied):
    """Not a member of the space, or not a caller of this kind."""

    reason = "FORBIDDEN"


class RenameIntoItself(InvalidArgument):
    """A directory can't be moved into its own subtree."""

    reason = "EINVAL"


class CrossSpaceRename(FailedPrecondition):
    """A rename can't leave the space."""

    reason = "EXDEV"


class StaleUpload(Aborted):
    """The content was replaced since the upload began."""

    reason = "STALE_UPLOAD"


class TooFragmented(FailedPrecondition):
    """The content is in too many pieces."""

    reason = "EFBIG"


class DirectoryGone(NoSuchFile):
    """The directory was deleted while something was being added; what was added went with it."""


class LostRace(Aborted):
    """Others changed the same thing all the time."""

    reason = "LOST_RACE"


class OneRefused(Aborted):
    """One of several changes was refused, so none of them happened. `index` says which, `cause` why."""

    reason = "ONE_REFUSED"

    def __init__(self, index: int, cause: IsthmusError) -> None:
        super().__init__(index=index, cause=cause.reason)
        self.index = index
        self.cause = cause


class ChangesExpired(OutOfRange):
    """The history does not reach back so far."""

    reason = "CHANGES_EXPIRED"


class RevisionConflict(Aborted):
    """The record is not at the expected revision."""

    reason = "REVISION_CONFLICT"


class NameTaken(Aborted):
    """Another file of the directory has the name."""

    reason = "NAME_TAKEN"


class IdTaken(Aborted):
    """There is a record with this id."""

    reason = "ID_TAKEN"


class ZoneRefused(Aborted):
    """The zone did not take it; trying again may help."""

    reason = "EAGAIN"


class NotTheOldest(InvalidArgument):
    """Values are taken from the oldest on, and the first of these numbers is a later one."""

    reason = "BAD_DATA"


class LimitReached(FailedPrecondition):
    """More than an operator allows."""

    reason = "LIMIT_REACHED"


class TooManyAtOnce(InvalidArgument):
    """More than one request can bear."""

    reason = "BAD_VALUE_TOO_HIGH"
