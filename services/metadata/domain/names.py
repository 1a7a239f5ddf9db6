"""Which names and modes are possible."""

from __future__ import annotations

from runtime.errors import InvalidName, NameTooLong, NotPermitted

from .records import HIDDEN_PREFIX, MAX_MODE, TRASH_NAME, File

MAX_NAME_BYTES = 255
#: As PATH_MAX of the systems that mount us.
MAX_SYMLINK_BYTES = 4095
#: Depth of a path in one request; bounds the work a request can ask for.
MAX_PATH_NAMES = 2048


def check_name(name: str) -> None:
    """A name is 1 to 255 bytes, no `/`, no NUL, not `.` or `..`."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise InvalidName("not a possible file name", name=name[:255])
    # Only a name of 64 characters or more can have over 255 bytes: spares the encoding of all others.
    if len(name) > MAX_NAME_BYTES // 4 and len(name.encode()) > MAX_NAME_BYTES:
        raise NameTooLong(name=name[:64])


def check_new_name(name: str, parent: File) -> None:
    """As `check_name`; besides, names of special directories can't be taken."""
    check_name(name)
    if is_hidden(name) or (parent.is_root and name == TRASH_NAME):
        raise NotPermitted("the name is reserved", name=name)


def check_path(path: tuple[str, ...]) -> None:
    """Every element is a possible name, and there are not too many."""
    if len(path) > MAX_PATH_NAMES:
        raise NameTooLong("the path has too many elements")
    for name in path:
        check_name(name)


def is_hidden(name: str) -> bool:
    """Whether listings leave it out."""
    return name.startswith(HIDDEN_PREFIX)


def check_mode(mode: int) -> int:
    """Permission bits and the sticky bit."""
    if not 0 <= mode <= MAX_MODE:
        raise InvalidName("mode out of range", mode=oct(mode))
    return mode


def check_symlink_target(target: str) -> None:
    """Any text that has a length and fits a path."""
    if not target or "\0" in target:
        raise InvalidName("not a possible link target")
    if len(target.encode()) > MAX_SYMLINK_BYTES:
        raise NameTooLong("the link target is too long")
