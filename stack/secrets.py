"""Files that hold secrets: only their owner reads them, and they are whole or not there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def write_secret(file: Path, content: bytes) -> None:
    """Write `content` with mode 0600, replacing what was there in one step."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(file)


def ensure_key(file: Path) -> Path:
    """A file with 32 random bytes, made once."""
    if not file.exists():
        write_secret(file, secrets.token_bytes(KEY_BYTES))
    return file


def ensure_password(file: Path) -> str:
    """The password in `file`, made at first."""
    if not file.exists():
        write_secret(file, f"{secrets.token_urlsafe(18)}\n".encode())
    return file.read_text().strip()
