from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.zone.domain.identifiers import (
    ACCESS,
    NOBODY,
    Identifier,
    InviteType,
    Subject,
    TokenKind,
    TokenType,
    decode,
    encode,
    invitation,
    provider_subject,
    user_subject,
)
from services.zone.domain.token_errors import BadToken, TokenTooLarge
from services.zone.domain.value_errors import BadValueTokenType


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("2/nmd/usr-u1/act/t1", Identifier("t1", ACCESS, user_subject("u1"))),
        ("2/tmp-3/prv-p1/idn/t1", Identifier("t1", TokenType(TokenKind.IDENTITY), provider_subject("p1"), 3)),
        (
            "2/nmd/usr-u1/act:sess/t1",
            Identifier("t1", TokenType(TokenKind.ACCESS, session_id="sess"), user_subject("u1")),
        ),
        (
            "2/nmd/usr-u1/ujs:s1:/t1",
            Identifier("t1", invitation(InviteType.USER_JOIN_SPACE, "s1"), user_subject("u1")),
        ),
        (
            "2/nmd/usr-u1/ssp:s1:ge/t1",
            Identifier("t1", invitation(InviteType.SUPPORT_SPACE, "s1"), user_subject("u1")),
        ),
        ("2/nmd/nobody/act/t1", Identifier("t1", ACCESS, NOBODY)),
        ("t1", Identifier("t1")),
    ],
)
def test_identifier_survives_the_round_trip(text: str, identifier: Identifier) -> None:
    assert Identifier.parse(text) == identifier
    assert str(identifier) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2/nmd/usr-u1/act",
        "3/nmd/usr-u1/act/t1",
        "2/xyz/usr-u1/act/t1",
        "2/tmp-/usr-u1/act/t1",
        "2/tmp-x/usr-u1/act/t1",
        "2/nmd/u1/act/t1",
        "2/nmd/usr-/act/t1",
        "2/nmd/usr-u1/xyz/t1",
        "2/nmd/usr-u1/act:/t1",
        "2/nmd/usr-u1/idn:x/t1",
        "2/nmd/usr-u1/ujs/t1",
        "2/nmd/usr-u1/ujs::/t1",
        "2/nmd/usr-u1/userJoinSpace:s1:/t1",
        "2/nmd/usr-u1/act/",
        "2/nmd/usr-u1/act/t1/x",
        "2/nmd/usr-u1/act/t$1",
    ],
)
def test_malformed_identifier_is_a_bad_token(text: str) -> None:
    with pytest.raises(BadToken):
        Identifier.parse(text)


@given(st.text(max_size=60) | st.text(alphabet="2/nmdtpusrv-actidn:x1", max_size=40))
def test_any_text_is_an_identifier_or_a_bad_token(text: str) -> None:
    try:
        assert str(Identifier.parse(text))
    except BadToken:
        return


@pytest.mark.parametrize(
    ("json", "code"),
    [
        ({"accessToken": {}}, "act"),
        ({"identityToken": {}}, "idn"),
        ({"inviteToken": {"inviteType": "userJoinSpace", "spaceId": "s1"}}, "ujs:s1:"),
        (
            {"inviteToken": {"inviteType": "registerOneprovider", "adminUserId": "u1", "parameters": {}}},
            "rop:u1:",
        ),
    ],
)
def test_type_comes_from_json(json: Any, code: str) -> None:
    assert TokenType.from_json(json).code == code


def test_invite_type_tells_its_target_in_json() -> None:
    told = invitation(InviteType.SUPPORT_SPACE, "s1").to_json()
    assert told == {"inviteToken": {"inviteType": "supportSpace", "spaceId": "s1", "parameters": {}}}


@pytest.mark.parametrize(
    "json",
    [
        None,
        "accessToken",
        {},
        {"accessToken": None},
        {"accessToken": {"sessionId": "s"}},
        {"accessToken": {}, "identityToken": {}},
        {"inviteToken": {}},
        {"inviteToken": {"inviteType": "userJoinSpace"}},
        {"inviteToken": {"inviteType": "userJoinSpace", "groupId": "g"}},
        {"inviteToken": {"inviteType": "userJoinSpace", "spaceId": 5}},
        {"inviteToken": {"inviteType": "party", "spaceId": "s1"}},
    ],
)
def test_bad_type_is_refused(json: Any) -> None:
    with pytest.raises(BadValueTokenType):
        TokenType.from_json(json)


def test_encoded_token_decodes_to_its_identifier() -> None:
    identifier = Identifier("t1", ACCESS, Subject.parse("usr-u1"))
    token = decode(encode("zone.example.org", identifier, "secret", ("data.readonly",)))
    assert token.identifier == identifier
    assert token.macaroon.caveats == ("data.readonly",)
    assert token.macaroon.signed_with("secret")


def test_undecodable_and_huge_texts_are_told_apart() -> None:
    with pytest.raises(BadToken):
        decode("nonsense")
    with pytest.raises(TokenTooLarge):
        decode("a" * 1_048_577)
