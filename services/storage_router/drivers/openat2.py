"""The system call `openat2`: a whole path at once, refused by the kernel if any part of it is a link.

Five folders entered one after another cost ten system calls for each file; this costs one. Where the kernel
or a sandbox does not have it, callers walk.
"""

from __future__ import annotations

import ctypes
import os

_NUMBER = 437  # the same on every architecture
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_RESOLVE = _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH


class _How(ctypes.Structure):
    """`struct open_how`."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_How), ctypes.c_size_t)


def open_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """A descriptor of what lies below a folder. OSError: ELOOP for a link on the way or at the end."""
    how = _How(flags | os.O_CLOEXEC, mode, _RESOLVE)
    found = int(_syscall(_NUMBER, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found


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
