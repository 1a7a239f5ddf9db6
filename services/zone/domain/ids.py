"""New ids and secrets."""

from __future__ import annotations

import hashlib
import secrets


def new_id() -> str:
    """32 hexadecimal digits nobody can guess."""
    return secrets.token_hex(16)


def seeded_id(kind: str, seed: str) -> str:
    """The same id for the same seed."""
    return hashlib.blake2b(f"{kind}\0{seed}".encode(errors="surrogatepass"), digest_size=16).hexdigest()


def new_secret() -> str:
    """64 hexadecimal digits to sign tokens with."""
    return secrets.token_hex(32)
