"""The system call `openat2`: a whole path at once, refused by the kernel if any part of it is a link.

Five folders entered one after another cost ten system calls for each file; this costs one. Where the kernel
or a sandbox does not have it, callers walk.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

_NUMBER = 437  # the same on every architecture
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_NO_LINKS = _NO_MAGICLINKS | _NO_SYMLINKS
_AT_FDCWD = -100


class _How(ctypes.Structure):
    """`struct open_how`."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW_BYTES = ctypes.sizeof(_How)
_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_How), ctypes.c_size_t)


def open_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """A descriptor of what lies below a folder. OSError: ELOOP for a link on the way or at the end."""
    return _open(folder, path, _how(flags, mode, _NO_LINKS | _BENEATH))


def open_absolute(path: str, flags: int, mode: int = 0) -> int:
    """A descriptor of what has this absolute path. OSError: ELOOP for a link on the way or at the end.

    `..` climbs, so the path must have none.
    """
    return _open(_AT_FDCWD, path, _how(flags, mode, _NO_LINKS))


def _open(folder: int, path: str, how: _How) -> int:
    found: int = _syscall(_NUMBER, folder, os.fsencode(path), how, _HOW_BYTES)
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found


@lru_cache(64)
def _how(flags: int, mode: int, resolve: int) -> _How:
    return _How(flags | os.O_CLOEXEC, mode, resolve)


def _probe() -> bool:
    root = os.open("/", os.O_PATH)
    try:
        os.close(open_beneath(root, ".", os.O_PATH))
    except OSError:
        return False
    finally:
        os.close(root)
    return True


#: Whether this kernel has it and lets us use it.
AVAILABLE = _probe()
