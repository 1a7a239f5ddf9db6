"""URL paths to names."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from runtime.http.paths import decode_id, quote_segment, resolve_space, split_path
from runtime.identity import Identity, Kind, SpaceRights

USER = Identity(
    kind=Kind.USER,
    subject_id="u1",
    spaces={
        "s1": SpaceRights(name="home"),
        "s2": SpaceRights(name="twin"),
        "s3": SpaceRights(name="twin", supported=False),
        "s4": SpaceRights(name="away", supported=False),
        "s5": SpaceRights(name="at@home"),
    },
)


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"a/b", ["a", "b"]),
        (b"/a//b/", ["a", "b"]),
        (b"a/./b", ["a", "b"]),
        (b"a/../b", ["b"]),
        (b"../../b", ["b"]),
        (b"%2E%2E/b", ["b"]),
        (b"a%2Fb/c", ["a/b", "c"]),
        (b"a%20b/%2B+", ["a b", "++"]),
        (b"%25", ["%"]),
        (b"100%", ["100%"]),
        ("żółw".encode(), ["żółw"]),
        (b"%C5%BC", ["ż"]),
        (b"", []),
        (b"/", []),
    ],
)
def test_segments_are_split_then_decoded_then_folded(raw: bytes, names: list[str]) -> None:
    assert split_path(raw) == names


@pytest.mark.parametrize(("raw", "id"), [(b"a%20b", "a b"), (b"%00", "%00"), (b"%FF", "%FF")])
def test_what_is_no_text_is_taken_for_an_unknown_id(raw: bytes, id: str) -> None:
    assert decode_id(raw) == id


def test_dots_stay_when_not_folded() -> None:
    assert split_path(b"a/./../b", fold=False) == ["a", "..", "b"]


@pytest.mark.parametrize("raw", [b"a%00", b"a\0", b"%FF", b"\xff", b"%C5", b"/".join([b"a"] * 2000)])
def test_impossible_paths_are_refused(raw: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        split_path(raw)
    assert raised.value.id == "badValueFilePath"


@given(st.binary())
def test_any_bytes_give_clean_names_or_an_api_error(raw: bytes) -> None:
    with contextlib.suppress(ApiError):
        names = split_path(raw)
        assert all(name not in ("", ".", "..") and "\0" not in name for name in names)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_quoted_names_come_back(name: str) -> None:
    expected = [] if name in (".", "..") else [name]
    assert split_path(quote_segment(name).encode()) == expected


@pytest.mark.parametrize(
    ("segment", "space_id"),
    [("home", "s1"), ("home@s1", "s1"), ("twin", "s2"), ("at@home", "s5"), ("at@home@s5", "s5")],
)
def test_spaces_are_found_by_name_and_id(segment: str, space_id: str) -> None:
    assert resolve_space(USER, segment, provider_id="p1") == space_id


@pytest.mark.parametrize("segment", ["nope", "home@s2", "twin@s1", "home@nope", "@s1", "s1", ""])
def test_unknown_names_are_enoent(segment: str) -> None:
    with pytest.raises(ApiError) as raised:
        resolve_space(USER, segment, provider_id="p1")
    assert raised.value.details == {"errno": "enoent"}


@pytest.mark.parametrize("segment", ["away", "away@s4", "twin@s3"])
def test_spaces_of_other_providers_are_not_supported(segment: str) -> None:
    with pytest.raises(ApiError) as raised:
        resolve_space(USER, segment, provider_id="p1")
    assert raised.value.id == "spaceNotSupportedBy"
