"""Merged parameters and their declared types."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from runtime.http.params import MAX_JSON_DEPTH, Params, parse_object, parse_query, parse_value


def refused(check: Callable[[], object]) -> tuple[str, object]:
    with pytest.raises(ApiError) as raised:
        check()
    return raised.value.id, raised.value.details


def test_query_wins_over_body() -> None:
    params = Params.parse(b"limit=2", b'{"limit": 1, "token": "t"}')
    assert (params.integer("limit"), params.string("token")) == (2, "t")


def test_query_forms_are_those_of_the_original() -> None:
    assert parse_query(b"a=1&b&c=x+y&a=2&d=%2B&e=&&=z") == {
        "a": ["1", "2"], "b": True, "c": "x y", "d": "+", "e": "",
    }  # fmt: skip


def test_null_counts_as_absent() -> None:
    params = Params({"a": None})
    assert (params.boolean("a", True), params.integer("a", 5), params.string("a", "x")) == (True, 5, "x")
    assert params.strings("a") is None


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b'"a"', b"\xff", b"[" * 10_000, b'{"a":' * 10_000])
def test_bodies_that_are_no_object_are_malformed(body: bytes) -> None:
    assert refused(lambda: parse_object(body)) == ("malformedData", None)


def test_json_that_could_not_be_told_again_is_refused() -> None:
    def nested(levels: int) -> bytes:
        return b'{"k": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert orjson.dumps(parse_object(nested(MAX_JSON_DEPTH)))
    assert refused(lambda: parse_object(nested(MAX_JSON_DEPTH + 1))) == ("malformedData", None)
    assert refused(lambda: parse_value(nested(900), "k")) == ("badValueJSON", {"key": "k"})
    assert parse_object(b'{"k": [' + b"[]," * 500 + b"[]]}")


def test_empty_body_is_an_empty_object() -> None:
    assert parse_object(b"") == parse_object(b" \n") == {}


def test_raw_values_keep_their_type_and_refuse_nothing() -> None:
    assert parse_value(b"null", "metadata") is None
    assert refused(lambda: parse_value(b"", "metadata")) == ("badValueJSON", {"key": "metadata"})


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("false", False), ("true", True)])
def test_booleans_come_as_json_or_text(value: object, expected: bool) -> None:
    assert Params({"k": value}).boolean("k") is expected


@pytest.mark.parametrize("value", [1, "yes", "True", [], {}])
def test_other_booleans_are_refused(value: object) -> None:
    assert refused(lambda: Params({"k": value}).boolean("k")) == ("badValueBoolean", {"key": "k"})


@pytest.mark.parametrize(("value", "expected"), [(7, 7), ("7", 7), ("-7", -7), ("+7", 7)])
def test_integers_come_as_json_or_text(value: object, expected: int) -> None:
    assert Params({"k": value}).integer("k") == expected


@pytest.mark.parametrize("value", [1.0, "1.0", "", "x", True, [], "1 ", "٣"])
def test_other_integers_are_refused(value: object) -> None:
    assert refused(lambda: Params({"k": value}).integer("k")) == ("badValueInteger", {"key": "k"})


def test_limits_say_which_one_was_passed() -> None:
    params = Params({"k": "9" * 5000})
    assert refused(lambda: params.integer("k", low=1, high=10))[0] == "badValueNotInRange"
    assert refused(lambda: params.integer("k", high=10)) == ("badValueTooHigh", {"key": "k", "limit": 10})
    assert refused(lambda: Params({"k": -1}).integer("k", low=0)) == (
        "badValueTooLow", {"key": "k", "limit": 0},
    )  # fmt: skip


def test_strings_have_their_own_ids() -> None:
    assert refused(lambda: Params({"k": 1}).string("k"))[0] == "badValueString"
    assert refused(lambda: Params({"k": ""}).string("k", empty=False))[0] == "badValueEmpty"
    assert refused(lambda: Params({}).required_string("k")) == ("missingRequiredValue", {"key": "k"})


def test_choices_tell_what_is_allowed() -> None:
    assert Params({}).choice("type", "REG", ["REG", "DIR"]) == "REG"
    assert refused(lambda: Params({"type": "X"}).choice("type", "REG", ["REG", "DIR"])) == (
        "badValueNotAllowed", {"key": "type", "allowed": ["REG", "DIR"]},
    )  # fmt: skip


def test_lists_promote_only_where_asked() -> None:
    assert Params({"k": ["a"]}).strings("k") == ["a"]
    assert Params({"k": "a"}).strings("k", promote=True) == ["a"]
    assert refused(lambda: Params({"k": "a"}).strings("k")) == ("badValueListOfStrings", {"key": "k"})
    assert refused(lambda: Params({"k": ["a", 1]}).strings("k"))[0] == "badValueListOfStrings"


@pytest.mark.parametrize(("text", "mode"), [("640", 0o640), ("0644", 0o644), ("1777", 0o1777), ("0", 0)])
def test_modes_are_octal_text(text: str, mode: int) -> None:
    assert Params({"mode": text}).mode() == mode


@pytest.mark.parametrize(
    ("value", "id"),
    [(640, "badValueString"), ("649", "badValueInteger"), ("0493", "badValueInteger"),
     ("", "badValueInteger"), ("2000", "badValueNotInRange"),
     ("-1", "badValueNotInRange"), ("7" * 5000, "badValueNotInRange")],
)  # fmt: skip
def test_other_modes_are_refused(value: object, id: str) -> None:
    assert refused(lambda: Params({"mode": value}).mode())[0] == id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary(), st.binary())
def test_any_bytes_are_parsed_or_refused(query: bytes, body: bytes) -> None:
    with contextlib.suppress(ApiError):
        Params.parse(query, body)


@given(JSON)
def test_any_value_of_a_parameter_is_taken_or_refused(value: object) -> None:
    with contextlib.suppress(UnicodeError, TypeError):
        value = orjson.loads(orjson.dumps(value))
    params = Params({"k": value})
    checks: list[Callable[[], object]] = [
        lambda: params.boolean("k"),
        lambda: params.integer("k", low=0, high=5),
        lambda: params.string("k", empty=False),
        lambda: params.strings("k", promote=True),
        lambda: params.choice("k", "a", ["a"]),
        lambda: params.mode("k"),
    ]
    for check in checks:
        with contextlib.suppress(ApiError):
            check()
