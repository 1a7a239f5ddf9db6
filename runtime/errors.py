"""The one tree of errors.

Domain code raises these; `runtime.rpc.status` alone turns them into gRPC status and back, and the
gateway's one handler turns them into the error JSON of REST and CDMI.

    IsthmusError
    ├── InvalidArgument      the request can never work as it is
    ├── OutOfRange           a position beyond what there is
    ├── Unauthenticated      who are you?
    ├── PermissionDenied     you may not
    ├── NotFound             there is no such thing
    ├── AlreadyExists        there is one already
    ├── FailedPrecondition   not in this state; do something else first
    ├── Aborted              lost a race; read again and retry
    ├── ResourceExhausted    full, or too much at once
    ├── Unavailable          a part is away; retry later
    ├── DeadlineExceeded     too slow; retry later if idempotent
    ├── Unimplemented        there is no such method here
    └── InternalError        a bug: logged whole, told to nobody

A class states its stable `reason` (UPPER_SNAKE_CASE); an instance carries `facts`, short strings by
name. `reason` and `facts` survive the wire, so a caller catches the same class a local call would raise.
POSIX errors have the errno's name as reason, e.g. `ENOENT`.
"""

from __future__ import annotations

from typing import ClassVar


class IsthmusError(Exception):
    """Base of all errors that mean something to a caller.

    `reason`: stable name of the cause. `facts`: what it happened to; values are strings, and structured
    values are JSON texts. `retryable`: whether the same request may work later.
    """

    reason: ClassVar[str] = "UNKNOWN"
    retryable: ClassVar[bool] = False

    _by_reason: ClassVar[dict[str, type[IsthmusError]]] = {}

    def __init__(self, message: str = "", **facts: object) -> None:
        self.facts: dict[str, str] = {name: str(value) for name, value in facts.items()}
        self.message = message or self._default_message()
        super().__init__(self.message)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "reason" in cls.__dict__:
            IsthmusError._by_reason.setdefault(cls.reason, cls)

    def _default_message(self) -> str:
        words = (type(self).__doc__ or self.reason).strip().splitlines()[0].rstrip(".")
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{words} ({facts})" if facts else words


class InvalidArgument(IsthmusError):
    """The request can never work as it is."""

    reason = "INVALID_ARGUMENT"


class OutOfRange(IsthmusError):
    """A position lies beyond what there is."""

    reason = "OUT_OF_RANGE"


class Unauthenticated(IsthmusError):
    """Valid credentials are needed."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(IsthmusError):
    """The caller may not do this."""

    reason = "PERMISSION_DENIED"


class NotFound(IsthmusError):
    """There is no such thing."""

    reason = "NOT_FOUND"


class AlreadyExists(IsthmusError):
    """There is one already."""

    reason = "ALREADY_EXISTS"


class FailedPrecondition(IsthmusError):
    """Not possible in this state."""

    reason = "FAILED_PRECONDITION"


class Aborted(IsthmusError):
    """Somebody else changed it at the same time."""

    reason = "ABORTED"
    retryable = True


class ResourceExhausted(IsthmusError):
    """Full, or too much at once."""

    reason = "RESOURCE_EXHAUSTED"


class Unavailable(IsthmusError):
    """A needed part is away for the moment."""

    reason = "UNAVAILABLE"
    retryable = True


class DeadlineExceeded(IsthmusError):
    """It took too long."""

    reason = "DEADLINE_EXCEEDED"
    retryable = True


class Unimplemented(IsthmusError):
    """There is no such method here."""

    reason = "UNIMPLEMENTED"


class InternalError(IsthmusError):
    """An unexpected failure."""

    reason = "INTERNAL"


class NoSuchFile(NotFound):
    """No such file or directory."""

    reason = "ENOENT"


class FileExists(AlreadyExists):
    """The name is taken."""

    reason = "EEXIST"


class NotADirectory(FailedPrecondition):
    """Not a directory."""

    reason = "ENOTDIR"


class IsADirectory(FailedPrecondition):
    """Is a directory."""

    reason = "EISDIR"


class DirectoryNotEmpty(FailedPrecondition):
    """The directory is not empty."""

    reason = "ENOTEMPTY"


class AccessDenied(PermissionDenied):
    """Mode, ACL or token do not allow it."""

    reason = "EACCES"


class NotPermitted(PermissionDenied):
    """Not allowed at all."""

    reason = "EPERM"


class InvalidName(InvalidArgument):
    """Not a possible name or value."""

    reason = "EINVAL"


class NameTooLong(InvalidArgument):
    """A name has more than 255 bytes."""

    reason = "ENAMETOOLONG"


class TooMuchData(InvalidArgument):
    """More metadata than a file can bear, or than one answer can tell."""

    reason = "E2BIG"


class SpaceNotSupported(NotFound):
    """The space is not supported by this provider."""

    reason = "SPACE_NOT_SUPPORTED"


class NoData(NotFound):
    """No such metadata is set."""

    reason = "ENODATA"


class NoSpace(ResourceExhausted):
    """The quota or the storage is full."""

    reason = "ENOSPC"


class ReadOnlyStorage(FailedPrecondition):
    """The storage is read-only."""

    reason = "EROFS"


class TooManySymlinks(FailedPrecondition):
    """More than 40 symbolic links on the way."""

    reason = "ELOOP"


class TooManyLinks(FailedPrecondition):
    """The file has 1000 hard links already."""

    reason = "EMLINK"


class NotSupported(FailedPrecondition):
    """Not possible for this file, or on this storage."""

    reason = "ENOTSUP"


class FileTooLarge(FailedPrecondition):
    """No file can be that large, here or anywhere."""

    reason = "EFBIG"


class InputOutputError(Unavailable):
    """The storage failed to read or write."""

    reason = "EIO"


#: Reasons that are POSIX error names; REST and CDMI tell them as id `posix`.
ERRNO_REASONS = frozenset(
    {
        "ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY", "EACCES", "EPERM", "EINVAL", "ENAMETOOLONG",
        "ENODATA", "ENOSPC", "EROFS", "ELOOP", "EMLINK", "EIO", "EBUSY", "EAGAIN", "EXDEV", "EFBIG",
        "ENOTSUP", "E2BIG",
    }
)  # fmt: skip


def rebuild(category: type[IsthmusError], reason: str, message: str, facts: dict[str, str]) -> IsthmusError:
    """The error a peer raised, as the class with this reason, else as its category.

    An unknown reason is kept on the instance, so it still reaches the user's error JSON.
    """
    known = IsthmusError._by_reason.get(reason)
    error = (known or category)(message, **facts)
    if known is None and reason:
        error.reason = reason  # type: ignore[misc]  # an instance overrides its class here, nowhere else
    return error
