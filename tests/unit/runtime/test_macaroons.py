"""The token text: the original's vectors byte for byte, and no input that does harm."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.macaroons import MAX_CAVEATS, BadToken, Macaroon, TokenTooLarge, deserialize, serialize

INVITE_TEXT = (
    "MDAyMGxvY2F00aW9uIGRvbWFpbi5leGFtcGxlLmNvbQowMDU4aWRlbnRpZmllciAyL25tZC91c3ItaW52aXRhdGlvbi1zZW5kZXIvdWpz"
    "OlNwYWNlSWQ6LzEyMzQ1Njc4OTBleGFtcGxlLWlkMTIzNDU2Nzg5MGUKMDAyZnNpZ25hdHVyZSAG8T1rcWKfX8tS3nZFi61VK9fZWSLs"
    "ivWFXz1PrZNgnwo"
)
INVITE_ID = "2/nmd/usr-invitation-sender/ujs:SpaceId:/1234567890example-id1234567890e"
CONFINED_TEXT = (
    "MDAxZWxvY2F00aW9uIHpvbmUuZXhhbXBsZS5vcmcKMDAyM2lkZW500aWZpZXIgMi9ubWQvdXNyLXUxL2FjdC900MQowMDFhY2lkIHRpbWUg"
    "PCAxNzMzMDAwMDAwCjAwMTZjaWQgZGF00YS5yZWFkb25seQowMDJmc2lnbmF00dXJlIJxr3ABPD00iWPx571B8AIFxkctqYzEM5Ps56ubTFh"
    "nxJCg"
)
texts = st.text(max_size=40).filter(lambda text: "\udfff" not in text and text.isprintable())
macaroons = st.builds(
    lambda location, identifier, caveats, secret: Macaroon.create(location, identifier, secret).confined(
        *caveats
    ),
    texts,
    texts,
    st.lists(texts, max_size=5),
    texts,
)


def test_invite_vector_serialises_byte_for_byte() -> None:
    made = Macaroon.create("domain.example.com", INVITE_ID, "verySecretSecret5")
    assert serialize(made) == INVITE_TEXT
    assert deserialize(INVITE_TEXT) == made


def test_confined_vector_serialises_byte_for_byte() -> None:
    made = Macaroon.create("zone.example.org", "2/nmd/usr-u1/act/t1", "s3cret")
    made = made.confined("time < 1733000000", "data.readonly")
    assert made.signature.hex() == "9c6bdc004f0f48963f1e7bd41f00205c6472da98cc43393ece7ab9b4c5867c49"
    assert serialize(made) == CONFINED_TEXT


def test_decoded_vector_is_signed_with_its_secret_only() -> None:
    token = deserialize(CONFINED_TEXT)
    assert token.signed_with("s3cret")
    assert not token.signed_with("s3cres")


def test_repr_does_not_show_the_signature() -> None:
    token = deserialize(CONFINED_TEXT)
    assert token.signature.hex() not in repr(token)
    assert repr(token.signature) not in repr(token)


@given(macaroons)
def test_every_token_survives_the_round_trip(token: Macaroon) -> None:
    text = serialize(token)
    assert set(text) <= set(string.ascii_letters + string.digits)
    assert deserialize(text) == token


@given(macaroons, texts)
def test_dropping_a_caveat_breaks_the_signature(token: Macaroon, caveat: str) -> None:
    confined = token.confined(caveat)
    forged = Macaroon(confined.location, confined.identifier, token.caveats, confined.signature)
    secret = "known"
    honest = Macaroon.create(token.location, token.identifier, secret).confined(*token.caveats)
    assert honest.signed_with(secret)
    assert not forged.signed_with(secret)


@given(st.text(max_size=300) | st.text(alphabet=string.ascii_letters + string.digits, max_size=300))
def test_any_text_is_decoded_or_a_bad_token(text: str) -> None:
    try:
        deserialize(text)
    except BadToken:
        return
    raise AssertionError("no random text is a token")


@given(st.integers(min_value=0, max_value=len(CONFINED_TEXT) - 1), st.sampled_from("0aZ_/=+ é\0"))
def test_a_changed_character_never_verifies(position: int, character: str) -> None:
    changed = CONFINED_TEXT[:position] + character + CONFINED_TEXT[position + 1 :]
    try:
        token = deserialize(changed)
    except BadToken:
        return
    known = deserialize(CONFINED_TEXT)
    # The location is informative only, so it is no part of what is signed.
    same = replace(token, location=known.location) == known
    assert token.signed_with("s3cret") == same


@pytest.mark.parametrize("cut", [1, 2, 3, 10, 50, 150])
def test_truncated_token_is_bad(cut: int) -> None:
    with pytest.raises(BadToken):
        deserialize(CONFINED_TEXT[:-cut])


@pytest.mark.parametrize(
    "text", ["", "0", "09", "a", "MDAx ZWxv", CONFINED_TEXT + "\n", INVITE_TEXT + "AAAA"]
)
def test_malformed_text_is_bad(text: str) -> None:
    with pytest.raises(BadToken):
        deserialize(text)


def test_too_long_text_is_told_with_its_limit() -> None:
    with pytest.raises(TokenTooLarge) as caught:
        deserialize("a" * 1_048_577)
    assert caught.value.facts == {"limit": "1048576"}


def test_too_many_caveats_are_too_large() -> None:
    token = Macaroon.create("z", "i", "s").confined(*["c"] * (MAX_CAVEATS + 1))
    with pytest.raises(TokenTooLarge):
        serialize(token)


def test_caveat_beyond_a_packet_is_too_large() -> None:
    with pytest.raises(TokenTooLarge):
        serialize(Macaroon.create("z", "i", "s").confined("c" * 0x10000))
