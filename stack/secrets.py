"""Secrets of a stack, each made once."""

from __future__ import annotations

import secrets
from pathlib import Path

from runtime.secret_file import write_secret

KEY_BYTES = 32


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
