"""Parameters that are declared: reading follows the declaration."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.http import declared
from runtime.http.declared import Arguments
from runtime.http.errors import ApiError
from runtime.http.params import Params

LIMIT = declared.integer("limit", "", default=10, low=1, high=20)
NAME = declared.required_text("name", "")
MODE = declared.required_mode("mode", "")
KEYS = declared.required_texts("keys", "")
KIND = declared.required_choice("kind", "", ("a", "b"))

EACH = (
    LIMIT, NAME, MODE, KEYS, KIND, declared.flag("flag", ""), declared.optional_integer("from", "", low=0),
    declared.text("text", "", empty=False), declared.choice("type", "", ("REG", "DIR"), default="REG"),
    declared.mode("permissions", ""),
)  # fmt: skip


def refused(check: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as raised:
        check()
    return raised.value


def test_what_is_left_out_has_its_default() -> None:
    values = Arguments((LIMIT, *EACH[5:]), Params({}))
    assert [values[param] for param in (LIMIT, *EACH[5:])] == [10, False, None, None, "REG", None]


@pytest.mark.parametrize("param", [NAME, MODE, KEYS, KIND], ids=lambda param: param.name)
def test_what_is_required_is_missed(param: declared.Param[object]) -> None:
    error = refused(lambda: param.read(Params({})))
    assert (error.id, error.details) == ("missingRequiredValue", {"key": param.name})
    assert param.required


def test_the_first_bad_one_is_told() -> None:
    bad = Params({"limit": 0, "name": ""})
    assert refused(lambda: Arguments((NAME, LIMIT), bad)).id == "badValueEmpty"
    assert refused(lambda: Arguments((LIMIT, NAME), bad)).id == "badValueNotInRange"


def test_asking_for_what_is_not_declared_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Arguments((LIMIT,), Params({"name": "x"}))[NAME]


@pytest.mark.parametrize("param", EACH, ids=lambda param: param.name)
@pytest.mark.parametrize("value", [True, 0, 1000, -1, 1.5, "", "x", "1", "17777", [], [1], ["a"], {}])
def test_it_refuses_with_ids_it_declares(param: declared.Param[object], value: object) -> None:
    told = None
    try:
        param.read(Params({param.name: value}))
    except ApiError as error:
        told = error.id
    assert told in (None, *param.errors)


@pytest.mark.parametrize(
    ("low", "high", "id"),
    [(None, None, "badValueInteger"), (0, None, "badValueTooLow"), (None, 5, "badValueTooHigh")],
)
def test_limits_of_numbers_are_told(low: int | None, high: int | None, id: str) -> None:
    param = declared.optional_integer("n", "", low=low, high=high)
    limits = {key: param.schema[key] for key in ("minimum", "maximum") if key in param.schema}
    assert limits == {key: limit for key, limit in (("minimum", low), ("maximum", high)) if limit is not None}
    assert id in param.errors
