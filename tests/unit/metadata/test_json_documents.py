"""Key paths into JSON documents, and merging."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidName, NoData, TooMuchData
from services.metadata.domain import json_documents as j

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
paths = st.lists(st.sampled_from(["a", "b", "[0]", "[2]"]), max_size=4).map(".".join)


def put(document: Any, keypath: str, value: Any) -> Any:
    return j.with_value(document, j.steps(keypath), value)


def test_the_example_of_the_contract() -> None:
    document = {"a": {"b": [1, {"c": 2}]}}
    assert j.value_at(document, j.steps("a.b.[1].c")) == 2
    assert j.value_at(document, ()) is document


@pytest.mark.parametrize("keypath", ["x", "a.x", "a.b.[2]", "a.b.c", "a.[0]", "a.b.[0].c", "[0]", ""])
def test_what_is_not_there_is_no_data(keypath: str) -> None:
    document = {"a": {"b": [1, {"c": 2}]}}
    if not keypath:
        assert j.value_at(document, j.steps(keypath)) == document
        return
    with pytest.raises(NoData):
        j.value_at(document, j.steps(keypath))


@pytest.mark.parametrize(
    ("document", "keypath", "after"),
    [
        (j.NOTHING, "", 1),
        (j.NOTHING, "a.b", {"a": {"b": 1}}),
        (j.NOTHING, "[2].a", [None, None, {"a": 1}]),
        ({"a": 0}, "a", {"a": 1}),
        ({"a": {"x": 0}}, "a.y.[1]", {"a": {"x": 0, "y": [None, 1]}}),
        ({"a": [0]}, "a.[0]", {"a": [1]}),
        ({"a": [0]}, "a.[2].k", {"a": [0, None, {"k": 1}]}),
        ({}, "[x].[-1]", {"[x]": {"[-1]": 1}}),
        ({}, "a..b", {"a": {"": {"b": 1}}}),
    ],
)
def test_what_is_missing_on_the_way_is_made(document: Any, keypath: str, after: Any) -> None:
    assert put(document, keypath, 1) == after


@pytest.mark.parametrize(
    ("document", "keypath"),
    [(5, "a"), (None, "a"), ({"a": 1}, "a.b"), ({"a": {}}, "a.[0]"), ([1], "a"), ({"a": None}, "a.b")],
)
def test_a_step_into_another_kind_is_no_data(document: Any, keypath: str) -> None:
    with pytest.raises(NoData):
        put(document, keypath, 1)


@given(document=documents, keypath=paths, value=documents)
def test_what_was_put_is_found(document: Any, keypath: str, value: Any) -> None:
    try:
        after = put(json.loads(json.dumps(document)), keypath, value)
    except NoData:
        return
    assert j.value_at(after, j.steps(keypath)) == value


@pytest.mark.parametrize(
    "keypath",
    ["[999999999]", "[1000000000]", f"[{'9' * 5000}]", ".".join(["[400000]"] * 100), "a.[400000].[400000]"],
)
def test_no_list_is_filled_up_without_end(keypath: str) -> None:
    with pytest.raises(TooMuchData):
        put(j.NOTHING, keypath, 1)


def test_a_place_in_a_long_list_that_is_there_takes_no_filling() -> None:
    assert put([0] * 900_000, "[899999]", 1)[-1] == 1


def test_nothing_gets_deeper_than_others_can_read() -> None:
    put(j.NOTHING, ".".join("a" * 128), 1)
    with pytest.raises(InvalidName):
        put(j.NOTHING, ".".join("a" * 129), 1)
    with pytest.raises(InvalidName):
        put({"a": {}}, "a.b", j.parse(b"[" * 127 + b"]" * 127))
    with pytest.raises(InvalidName):
        j.parse(b"[" * 129 + b"]" * 129)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b'"\\ud800"', b"[" * 100_000, "[1]".encode("utf-16")],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidName):
        j.parse(text)


def test_numbers_keep_every_digit() -> None:
    text = b'[123456789012345678901234567890,"\xc5\xbc"]'
    assert j.dump(j.parse(text)) == text


@given(nearer=documents, farther=documents)
def test_the_nearer_value_wins(nearer: Any, farther: Any) -> None:
    both = j.merged(nearer, farther)
    if isinstance(nearer, dict) and isinstance(farther, dict):
        assert both.keys() == nearer.keys() | farther.keys()
        for key, value in both.items():
            if key not in farther:
                assert value == nearer[key]
            elif key not in nearer:
                assert value == farther[key]
            else:
                assert value == j.merged(nearer[key], farther[key])
    else:
        assert both == nearer


def test_zeros_before_a_position_mean_nothing() -> None:
    assert j.steps("[0].[007].[00000000000001]") == (0, 7, 1)
