"""How a request says who it comes from: the token headers and the client's address."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.http.errors import unauthorized
from runtime.identity import Identity, Kind


def extract_token(headers: Mapping[bytes, bytes]) -> str | None:
    """The access token of a request, or None for a guest. Header names are lower-case.

    The first header present decides: `X-Auth-Token`, `Authorization: Bearer ...` (the scheme exactly so;
    any other scheme counts as no header; one space, so what follows a second one is no token), `Macaroon`.
    A header that is present and empty is a token that cannot be parsed, not a guest.
    """
    value = headers.get(b"x-auth-token")
    if value is not None:
        return _text(value)
    value = headers.get(b"authorization")
    if value is not None and value.startswith(b"Bearer "):
        return _text(value[7:])
    value = headers.get(b"macaroon")
    return None if value is None else _text(value)


def consumer_token(headers: Mapping[bytes, bytes]) -> str | None:
    """The identity token that proves who presents the access token, if any."""
    value = headers.get(b"x-onedata-consumer-token")
    return None if value is None else _text(value)


def require_user(identity: Identity) -> None:
    """Refuses guests with 401, on routes that are not for everybody."""
    if identity.kind is Kind.GUEST:
        raise unauthorized()


def client_ip(headers: Mapping[bytes, bytes], peer: str) -> str:
    """Address of the client: what the front door noted last in `X-Forwarded-For`, else the peer itself."""
    forwarded = headers.get(b"x-forwarded-for")
    if not forwarded:
        return peer
    return _text(forwarded.rpartition(b",")[2]).strip() or peer


def _text(value: bytes) -> str:
    # Latin-1 never fails; a token with such characters is refused by its verifier.
    return value.decode("latin-1")
