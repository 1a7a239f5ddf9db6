"""What clients accept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.media import accepts, choose


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "a/x"),
        ("", "a/x"),
        ("*/*", "a/x"),
        ("a/y", "a/y"),
        ("A/Y", "a/y"),
        ("a/x;q=0.1, a/y", "a/y"),
        ("a/*;q=0.5, b/z", "a/x"),
        ("a/x;q=0, */*", "a/y"),
        ("b/z", None),
        ("a/x;q=0", None),
        ("a/x;q=oops", "a/x"),
        ("garbage;;;,,", None),
    ],
)
def test_the_clients_preference_comes_first(accept: str | None, chosen: str | None) -> None:
    assert choose(accept, ("a/x", "a/y")) == chosen


@given(st.text())
def test_any_header_is_read(accept: str) -> None:
    assert accepts(accept, ("a/x",)) in (True, False)
