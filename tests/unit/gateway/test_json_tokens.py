"""JSON in pieces: what it is does not depend on where the pieces end."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from services.gateway.domain.cdmi.json_tokens import MAX_DEPTH, Kind, Token, Tokenizer


def read(chunks: Iterable[bytes]) -> list[Token]:
    """All tokens, pieces of a text as one."""
    tokenizer, tokens = Tokenizer(), list[Token]()
    for chunk in chunks:
        for token in tokenizer.feed(chunk):
            if token.kind is Kind.TEXT and tokens and tokens[-1].kind is Kind.TEXT:
                tokens[-1] = Token(Kind.TEXT, tokens[-1].raw + token.raw)
            else:
                tokens.append(token)
    tokenizer.close()
    return tokens


def outcome(chunks: Iterable[bytes]) -> object:
    try:
        return read(chunks)
    except ApiError as error:
        return error.id


def test_a_text_is_told_as_tokens() -> None:
    kinds = [(token.kind.value, token.raw) for token in read([rb' {"a\n": ["x\"", -1.5e3, true], "b": {}} '])]
    assert kinds == [
        ("{", b""), ("name", b"a\n"), ("[", b""), ("text", rb"x\""), ('"', b""), ("literal", b"-1.5e3"),
        ("literal", b"true"), ("]", b""), ("name", b"b"), ("{", b""), ("}", b""), ("}", b""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"1",
        b'"x"',
        b"{",
        b"}",
        b"[1",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b"{a:1}",
        b"[1}",
        b'{"a":1]',
        b"[]]",
        b"[]1",
        b"[] []",
        b"[01]",
        b"[+1]",
        b"[1.]",
        b"[nul]",
        b"[NaN]",
        b'["\x00"]',
        b'["\\x"]',
        b'["\\ud800"]',
        b'["\xff"]',
        b"[1:2]",
        b'{"a":1:2}',
        b"[" * (MAX_DEPTH + 1),
        b'{"' + b"a" * 9000 + b'":1}',
        b"[" + b"1" * 9000 + b"]",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    assert outcome([text]) == "malformedData"
    assert outcome(text[at : at + 1] for at in range(len(text))) == "malformedData"


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)
PIECES = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b":", b'"', b'"a"', b"1", b"-", b"true", b"\\", b" ", b"\xff"]
)


@given(
    st.one_of(st.lists(JSON, max_size=3), st.dictionaries(st.text(max_size=5), JSON)),
    st.booleans(),
    st.integers(1, 9),
)
def test_every_json_is_read_however_it_is_cut(value: object, ascii: bool, size: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    whole = outcome([text])
    assert whole != "malformedData" or b"\\ud" in text.lower() or b"\xed" in text
    assert outcome(text[at : at + size] for at in range(0, len(text), size)) == whole


@given(st.lists(PIECES, max_size=15).map(b"".join), st.integers(1, 4))
def test_chunks_change_nothing(text: bytes, size: int) -> None:
    whole = outcome([text])
    assert outcome(text[at : at + size] for at in range(0, len(text), size)) == whole
    try:
        found = json.loads(text, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        found = None
    assert (whole == "malformedData") == (not isinstance(found, dict | list))
