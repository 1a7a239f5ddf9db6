"""Where the token stands."""

from __future__ import annotations

import pytest

from runtime.http.tokens import client_ip, extract_token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({b"x-auth-token": b"a", b"authorization": b"Bearer b", b"macaroon": b"c"}, "a"),
        ({b"authorization": b"Bearer b", b"macaroon": b"c"}, "b"),
        ({b"authorization": b"Basic b", b"macaroon": b"c"}, "c"),
        ({b"authorization": b"bearer b"}, None),
        ({b"authorization": b"Bearer  b"}, " b"),
        ({b"x-auth-token": b""}, ""),
        ({b"x-auth-token": b"\xff"}, "ÿ"),
        ({}, None),
    ],
)
def test_the_first_header_present_decides(headers: dict[bytes, bytes], token: str | None) -> None:
    assert extract_token(headers) == token


def test_the_front_door_names_the_client_last() -> None:
    assert client_ip({b"x-forwarded-for": b"6.6.6.6, 10.0.0.1"}, "127.0.0.1") == "10.0.0.1"
    assert client_ip({}, "127.0.0.1") == "127.0.0.1"
