"""Page tokens: where the next page of a directory begins, sealed so that no other directory takes them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from runtime.errors import InvalidName

from .stores import Position

_SEAL_BYTES = 10


class PageTokens:
    """Makes and reads page tokens. `secret` is the same in all instances of a provider."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, directory_id: str, after: Position) -> str:
        """The token for what comes after a position; letters, digits, `-` and `_` only."""
        body = f"{after.named_by}/{after.name}".encode()
        sealed = self._seal(directory_id, body) + body
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, directory_id: str, token: str) -> Position:
        """The position. Raises `InvalidName` (EINVAL) for what was not made for this directory."""
        try:
            sealed = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (ValueError, binascii.Error):
            raise InvalidName("not a page token") from None
        seal, body = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(directory_id, body)):
            raise InvalidName("the page token is of another directory")
        named_by, _, name = body.decode().partition("/")
        return Position(name, named_by)

    def _seal(self, directory_id: str, body: bytes) -> bytes:
        message = b"page\0" + directory_id.encode() + b"\0" + body
        return hmac.digest(self._secret, message, hashlib.sha256)[:_SEAL_BYTES]
