"""Bodies taken apart while they come."""

from __future__ import annotations

import contextlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from services.gateway.domain.cdmi.scanning import ROOM_BYTES, Scanner
from services.gateway.domain.cdmi.values import UTF8, Value

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS | st.sampled_from(["value", "metadata", "va"]), JSON, max_size=5)


def scanned(raw: bytes, size: int) -> Scanner:
    scanner = Scanner()
    for start in range(0, len(raw), size):
        scanner.feed(raw[start : start + size])
    return scanner


async def value_of(scanner: Scanner) -> str | None:
    if scanner.value is None:
        return None
    value = Value.check(scanner.value, UTF8)
    return b"".join([piece async for piece in value.pieces()]).decode()


@given(OBJECTS, st.integers(1, 40), st.booleans(), st.sampled_from([None, 2]))
async def test_an_object_is_itself_however_it_is_cut(
    given_object: dict[str, object], size: int, ascii_only: bool, indent: int | None
) -> None:
    scanner = scanned(json.dumps(given_object, ensure_ascii=ascii_only, indent=indent).encode(), size)
    told = orjson.loads(scanner.finish())
    if isinstance(given_object.get("value"), str):
        told["value"] = await value_of(scanner)
    else:
        assert scanner.value is None
    assert told == given_object


@pytest.mark.parametrize("size", [1, 5, 7, 11, 12, 1000])
async def test_escapes_and_pairs_of_surrogates_are_never_cut(size: int) -> None:
    text = '\\u00e9\\ud83d\\ude00\\\\\\"\\/\\n\\uD834\\uDD1E żółw 😀 \\\\\\\\u0041'
    scanner = scanned(f'{{"v\\u0061lue" : "{text}", "b": 1}}'.encode(), size)
    assert orjson.loads(scanner.finish()) == {"value": "", "b": 1}
    assert await value_of(scanner) == json.loads(f'"{text}"')


@pytest.mark.parametrize(
    "raw",
    [
        b'{"value": "\\x"}', b'{"value": "\x01........................"}', b'{"value": "\xff............"}',
        b'{"value": "\\ud800........................"}', b'{"value": "abc', b'{"value": "a", "value": "b"}',
        b'{"value": "\\uDC00........................"}',
    ],
)  # fmt: skip
def test_what_is_no_text_or_stands_twice_is_malformed(raw: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        scanned(raw, 1000).finish()
    assert raised.value.id == "malformedData"


@pytest.mark.parametrize("chunk", [b'{"a":' * (ROOM_BYTES // 5 + 1), b'{"a": "' + b"x" * ROOM_BYTES])
def test_the_rest_is_bounded(chunk: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        Scanner().feed(chunk)
    assert raised.value.id == "limitReached"


def test_a_large_value_is_kept_once_and_in_few_pieces() -> None:
    scanner = Scanner()
    scanner.feed(b'{"value": "')
    for _ in range(50_000):
        scanner.feed(b"0123456789" * 10)
    scanner.feed(b'"}')
    assert scanner.value is not None
    assert sum(map(len, scanner.value)) == 5_000_000
    assert len(scanner.value) < 25


@given(st.binary(max_size=80), st.integers(1, 20))
def test_any_bytes_are_taken_or_refused(raw: bytes, size: int) -> None:
    for body in (raw, b'{"value": "' + raw):
        with contextlib.suppress(ApiError):
            scanned(body, size).finish()
