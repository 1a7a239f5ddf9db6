from __future__ import annotations

from typing import Any

import pytest

from services.zone.domain import value_errors as bad
from services.zone.domain.params import Params


def test_null_counts_as_absent() -> None:
    params = Params({"a": None})
    assert "a" not in params
    assert params.given("a")
    with pytest.raises(bad.MissingRequiredValue) as caught:
        params.text("a")
    assert caught.value.details == {"key": "a"}


def test_at_least_one_names_all_sorted() -> None:
    with pytest.raises(bad.MissingAtLeastOneValue) as caught:
        Params({}).at_least_one("revoke", "grant")
    assert caught.value.details == {"keys": ["grant", "revoke"]}


@pytest.mark.parametrize("value", ["true", 1, 0, [], {}])
def test_booleans_are_json_booleans(value: Any) -> None:
    with pytest.raises(bad.BadValueBoolean):
        Params({"a": value}).boolean("a")


@pytest.mark.parametrize("value", [1, True, [], {}])
def test_texts_are_texts(value: Any) -> None:
    with pytest.raises(bad.BadValueString):
        Params({"a": value}).text("a")


def test_empty_text_is_refused_unless_allowed() -> None:
    with pytest.raises(bad.BadValueEmpty):
        Params({"a": ""}).text("a")
    assert Params({"a": ""}).text("a", empty=True) == ""


@pytest.mark.parametrize(("value", "number"), [(5, 5), ("5", 5), ("+7", 7)])
def test_integers_may_be_decimal_texts(value: Any, number: int) -> None:
    assert Params({"a": value}).integer("a", low=1) == number


@pytest.mark.parametrize("value", ["x", "", 1.5, True, [], "9" * 31, 2**63, "٣"])
def test_other_things_are_no_integers(value: Any) -> None:
    with pytest.raises(bad.BadValueInteger):
        Params({"a": value}).integer("a", low=1)


def test_low_integer_is_told_with_the_limit() -> None:
    with pytest.raises(bad.BadValueTooLow) as caught:
        Params({"size": 5}).integer("size", low=1_000_000)
    assert caught.value.details == {"key": "size", "limit": 1_000_000}


@pytest.mark.parametrize("value", [-91, 91, float("nan"), float("inf")])
def test_number_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(bad.BadValueNotInRange):
        Params({"latitude": value}).number("latitude", low=-90, high=90)


@pytest.mark.parametrize("value", ["x", {}, [1], "space_view"])
def test_lists_are_lists_of_texts(value: Any) -> None:
    with pytest.raises(bad.BadValueListOfStrings):
        Params({"a": value}).texts("a")


def test_list_with_a_foreign_value_is_refused() -> None:
    with pytest.raises(bad.BadValueListNotAllowed) as caught:
        Params({"grant": ["x"]}).texts("grant", allowed=("y",))
    assert caught.value.details == {"key": "grant", "allowed": ["y"]}


@pytest.mark.parametrize("value", ["1.2.3", "::1", 5, "1.2.3.4/8"])
def test_address_must_be_ipv4(value: Any) -> None:
    with pytest.raises(bad.BadValueIPv4Address):
        Params({"peerIp": value}).ipv4("peerIp")


@pytest.mark.parametrize("value", [[], "x", 1])
def test_record_must_be_an_object(value: Any) -> None:
    with pytest.raises(bad.BadValueJson):
        Params({"customMetadata": value}).record("customMetadata")
