"""Page tokens: where the next page of a directory begins, sealed so that no other directory takes them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib

from runtime.errors import InvalidName

from .stores import Position

_SEAL_BYTES = 10
#: Places deep in a tree are long, and a token has to fit into a URL.
_PACKED_FROM_BYTES = 200
_TEXTS_OF = "texts of "
_PLAIN, _PACKED = b"\0", b"\1"


class PageTokens:
    """Makes and reads page tokens. `secret` is the same in all instances of a provider."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, directory_id: str, after: Position) -> str:
        """The token for what comes after a position; letters, digits, `-` and `_` only."""
        return self._make(directory_id, f"{after.named_by}/{after.name}".encode())

    def read(self, directory_id: str, token: str) -> Position:
        """The position. Raises `InvalidName` (EINVAL) for what was not made for this directory."""
        named_by, _, name = self._read(directory_id, token).decode().partition("/")
        return Position(name, named_by)

    def make_text(self, directory_id: str, text: str) -> str:
        """A token that holds any text. No token of one kind is one of the other."""
        body = text.encode()
        kind = _PLAIN if len(body) < _PACKED_FROM_BYTES else _PACKED
        return self._make(_TEXTS_OF + directory_id, kind + (zlib.compress(body) if kind == _PACKED else body))

    def read_text(self, directory_id: str, token: str) -> str:
        """The text. Raises as `read`."""
        body = self._read(_TEXTS_OF + directory_id, token)
        return (zlib.decompress(body[1:]) if body[:1] == _PACKED else body[1:]).decode()

    def _make(self, directory_id: str, body: bytes) -> str:
        sealed = self._seal(directory_id, body) + body
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _read(self, directory_id: str, token: str) -> bytes:
        try:
            sealed = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (ValueError, binascii.Error):
            raise InvalidName("not a page token") from None
        seal, body = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(directory_id, body)):
            raise InvalidName("the page token is of another directory")
        return body

    def _seal(self, directory_id: str, body: bytes) -> bytes:
        message = b"page\0" + directory_id.encode() + b"\0" + body
        return hmac.digest(self._secret, message, hashlib.sha256)[:_SEAL_BYTES]
