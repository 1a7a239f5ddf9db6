"""Range and Content-Range: the tested vectors of the original, and nothing but 416 for the rest."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from runtime.http.ranges import MAX_RANGES, RangeNotSatisfiable, parse_content_range, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=5-", [(5, 9)]),
        ("bytes=0-99", [(0, 9)]),
        ("bytes=-3", [(7, 9)]),
        ("bytes=-30", [(0, 9)]),
        ("bytes=0-0", [(0, 0)]),
        ("bytes=9-9", [(9, 9)]),
        ("bytes=1-2,5-6", [(1, 2), (5, 6)]),
        ("bytes=5-6 , 1-2", [(5, 6), (1, 2)]),
        ("bytes= 0 - 3", [(0, 3)]),
        ("bytes=0-99999999999999999999999999", [(0, 9)]),
        (b"bytes=1-1", [(1, 1)]),
    ],
)
def test_good_ranges_are_cut_at_the_end(header: str | bytes, expected: list[tuple[int, int]]) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    "header",
    ["unicorns", "bytes:5-10", "bytes=5=10", "bytes=-15-10", "bytes=100-150", "bytes=10-5", "bytes=-5-",
     "bytes=10--5", "bytes=10-15-", "bytes=10-12", "bytes=0--1", "bytes=", "bytes=-", "bytes=-0",
     "bytes=0-1,", "bytes=0-1,50-60", "chars=0-1", "bytes=٣-٤", "", "bytes=1 2-3",
     "bytes=999999999999999999999999-"],
)  # fmt: skip
def test_all_else_is_416_with_the_size(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as raised:
        parse_range(header, 10)
    assert raised.value.headers == {"content-range": "bytes */10"}


@pytest.mark.parametrize("header", ["bytes=0-0", "bytes=-1", "bytes=0-"])
def test_any_range_of_an_empty_file_is_416(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 0)


def test_too_many_ranges_are_416() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)), 10)
    assert len(parse_range("bytes=" + ",".join(["0-0"] * MAX_RANGES), 10)) == MAX_RANGES


@given(st.one_of(st.text(), st.from_regex(r"bytes=[0-9,\- ]*")), st.integers(0, 100))
def test_any_header_gives_ranges_inside_the_file_or_416(header: str, size: int) -> None:
    with contextlib.suppress(RangeNotSatisfiable):
        assert all(0 <= first <= last < size for first, last in parse_range(header, size))


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes 0-2/3", (0, 2, 3)), ("bytes 3-4/*", (3, 4, None)), (b"bytes 4-4/10", (4, 4, 10))],
)
def test_content_range_names_first_last_and_total(
    header: str | bytes, expected: tuple[int, int, int | None]
) -> None:
    assert parse_content_range(header) == expected


@pytest.mark.parametrize(
    "header",
    ["bytes 0-2,3-4/*", "bytes 2-0/3", "bytes=0-2/3", "bytes 0-2", "0-2/3", "bytes */3", "", "bytes 0-/3",
     "bytes 0-9999999999999999999/*"],
)  # fmt: skip
def test_bad_content_range_is_bad_data(header: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_content_range(header)
    assert (raised.value.id, raised.value.details) == ("badData", {"key": "content-range"})


@given(st.text())
def test_content_range_never_fails_otherwise(header: str) -> None:
    with contextlib.suppress(ApiError):
        parse_content_range(header)
