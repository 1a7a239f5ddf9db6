"""Tokens as text: macaroons in the version 1 packet format, in Onedata's letters-and-digits encoding.

Pure computing, for both ends of a token's life: the zone makes and checks them, a provider confines
its own before every use. Adding a caveat needs no secret; checking a signature does.

    token text  = escape(base64url(packets))
    packets     = location, identifier, cid*, signature
    packet      = 4 lower-case hex digits of its whole length, key, blank, value, newline
    signature   = HMAC chain over the identifier, then over each caveat
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, replace

from runtime.errors import Unauthenticated

#: The longest token text anybody looks at.
MAX_TOKEN_CHARS = 1_048_576
#: More caveats than this only serve to keep a verifier busy.
MAX_CAVEATS = 1_000
#: A packet states its length in four hex digits.
MAX_PACKET_BYTES = 0xFFFF

_HEADER_BYTES = 4
_SIGNATURE_BYTES = 32
_KEY_GENERATOR = b"macaroons-key-generator".ljust(32, b"\0")
_HEX = re.compile(rb"[0-9a-f]{4}")
_TEXT = re.compile(r"[0-9A-Za-z]+")
_ESCAPE = re.compile(r"[0_-]")
_UNESCAPE = re.compile(r"0(.?)")
_TO_ESCAPED = {"0": "00", "_": "01", "-": "02"}
_FROM_ESCAPED = {"0": "0", "1": "_", "2": "-", "3": "_", "4": "-", "5": "="}


class BadToken(Unauthenticated):
    """The token cannot be decoded."""

    reason = "BAD_TOKEN"


class TokenTooLarge(Unauthenticated):
    """The token is longer than anybody looks at."""

    reason = "TOKEN_TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Macaroon:
    """A decoded token. Nothing is proved by having one: see `signed_with`."""

    location: str
    identifier: str
    caveats: tuple[str, ...]
    signature: bytes

    @classmethod
    def create(cls, location: str, identifier: str, secret: str) -> Macaroon:
        """A token without caveats under this secret."""
        key = hmac.digest(_KEY_GENERATOR, secret.encode(), hashlib.sha256)
        return cls(location, identifier, (), hmac.digest(key, identifier.encode(), hashlib.sha256))

    def confined(self, *caveats: str) -> Macaroon:
        """The same token with more caveats; the old one stays as it was."""
        signature = self.signature
        for caveat in caveats:
            signature = hmac.digest(signature, caveat.encode(), hashlib.sha256)
        return replace(self, caveats=self.caveats + caveats, signature=signature)

    def signed_with(self, secret: str) -> bool:
        """Whether this secret made the token, all its caveats included. Takes the same time either way."""
        made = Macaroon.create(self.location, self.identifier, secret).confined(*self.caveats)
        return hmac.compare_digest(made.signature, self.signature)

    def __repr__(self) -> str:
        """The signature is the secret part, so it is never shown."""
        return f"Macaroon(identifier={self.identifier!r}, caveats={self.caveats!r})"


def serialize(macaroon: Macaroon) -> str:
    """The token text. Raises TokenTooLarge when a part does not fit the format."""
    packets = [
        _packet(b"location", macaroon.location.encode()),
        _packet(b"identifier", macaroon.identifier.encode()),
        *(_packet(b"cid", caveat.encode()) for caveat in macaroon.caveats),
        _packet(b"signature", macaroon.signature),
    ]
    encoded = binascii.b2a_base64(b"".join(packets), newline=False).decode().rstrip("=")
    text = _ESCAPE.sub(lambda match: _TO_ESCAPED[match[0]], encoded.replace("/", "_").replace("+", "-"))
    if len(text) > MAX_TOKEN_CHARS or len(macaroon.caveats) > MAX_CAVEATS:
        raise TokenTooLarge(limit=MAX_TOKEN_CHARS)
    return text


def deserialize(text: str) -> Macaroon:
    """The token of a text. Raises TokenTooLarge, and BadToken for whatever else is wrong with it."""
    if len(text) > MAX_TOKEN_CHARS:
        raise TokenTooLarge(limit=MAX_TOKEN_CHARS)
    packets = _packets(_decode(text))
    keys = [key for key, _ in packets]
    if len(packets) > MAX_CAVEATS + 3:
        raise TokenTooLarge(limit=MAX_TOKEN_CHARS)
    if keys[:2] != [b"location", b"identifier"] or keys[-1] != b"signature" or set(keys[2:-1]) - {b"cid"}:
        raise BadToken
    signature = packets[-1][1]
    if len(packets) < 3 or len(signature) != _SIGNATURE_BYTES:
        raise BadToken
    try:
        location, identifier, *caveats = [value.decode() for _, value in packets[:-1]]
    except UnicodeDecodeError:
        raise BadToken from None
    return Macaroon(location, identifier, tuple(caveats), signature)


def _packet(key: bytes, value: bytes) -> bytes:
    size = _HEADER_BYTES + len(key) + len(value) + 2
    if size > MAX_PACKET_BYTES:
        raise TokenTooLarge(limit=MAX_TOKEN_CHARS)
    return b"%04x%s %s\n" % (size, key, value)


def _decode(text: str) -> bytes:
    if not _TEXT.fullmatch(text):
        raise BadToken
    try:
        encoded = _UNESCAPE.sub(lambda match: _FROM_ESCAPED[match[1]], text).rstrip("=")
        padded = encoded.replace("_", "/").replace("-", "+") + "=" * (-len(encoded) % 4)
        return binascii.a2b_base64(padded.encode(), strict_mode=True)
    except (KeyError, ValueError):
        raise BadToken from None


def _packets(data: bytes) -> list[tuple[bytes, bytes]]:
    packets: list[tuple[bytes, bytes]] = []
    start = 0
    while start < len(data) and len(packets) <= MAX_CAVEATS + 3:
        header = data[start : start + _HEADER_BYTES]
        size = int(header, 16) if _HEX.fullmatch(header) else 0
        key, blank, value = data[start + _HEADER_BYTES : start + size].partition(b" ")
        if start + size > len(data) or not blank or not value.endswith(b"\n"):
            raise BadToken
        packets.append((key, value[:-1]))
        start += size
    return packets
