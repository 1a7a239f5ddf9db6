"""Files that hold secrets: only who may reads them, and they are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY = 0o600


def write_secret(file: Path, content: bytes) -> None:
    """Write `content`, replacing in one step what was there; owner and mode stay those of what it replaces.

    A new file has mode 0600. Raises OSError; then what was there is there still.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as sink:
            _like(file, sink.fileno())
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _like(file: Path, descriptor: int) -> None:
    """Who could read the former file can read this one: it may be written by root and read by a service."""
    if not file.exists():
        return
    known = file.stat()
    if (known.st_uid, known.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, known.st_uid, known.st_gid)
    os.fchmod(descriptor, known.st_mode & 0o777)
