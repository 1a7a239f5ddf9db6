"""Conditional requests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from wsgiref.handlers import format_date_time

import pytest

from services.storage_router.api.data_port.conditions import Validators, validators_of
from services.storage_router.domain.contents import File, Located, Location

MODIFIED_S = 1_700_000_000
DATE, EARLIER, LATER = (format_date_time(MODIFIED_S + shift).encode() for shift in (0, -1, 1))
STATE = Validators(b'"tag-1"', MODIFIED_S)


def asking(**headers: bytes) -> Any:
    """A request with these headers; `_` stands for `-`."""
    told = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return SimpleNamespace(header=told.get)


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, False),
        ({"if_none_match": b'"tag-1"'}, True),
        ({"if_none_match": b'"other", W/"tag-1"'}, True),
        ({"if_none_match": b"*"}, True),
        ({"if_none_match": b'"other"'}, False),
        ({"if_modified_since": DATE}, True),
        ({"if_modified_since": LATER}, True),
        ({"if_modified_since": EARLIER}, False),
        ({"if_modified_since": b"yesterday"}, False),
        ({"if_none_match": b'"other"', "if_modified_since": LATER}, False),
    ],
)
def test_what_the_client_has_is_not_sent_again(headers: dict[str, bytes], known: bool) -> None:
    assert STATE.is_known(asking(**headers)) is known


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [(b'"tag-1"', True), (b' "tag-1" ', True), (b'W/"tag-1"', False), (b'"other"', False), (DATE, True),
     (EARLIER, False), (LATER, False), (b"nonsense", False)],
)  # fmt: skip
def test_a_part_is_sent_of_the_named_state_only(condition: bytes, allowed: bool) -> None:
    assert STATE.allow_range(asking(if_range=condition), MODIFIED_S + 60) is allowed


def test_a_time_of_this_second_names_no_state() -> None:
    assert not STATE.allow_range(asking(if_range=DATE), MODIFIED_S + 1)
    assert STATE.allow_range(asking(), MODIFIED_S)


def test_what_was_never_written_has_no_tag() -> None:
    located = Located(File("f", "s", mtime_ms=MODIFIED_S * 1000), Location())
    assert validators_of(located).headers == [(b"last-modified", DATE)]
    assert not validators_of(located).is_known(asking(if_none_match=b"*"))


def test_both_are_told_of_what_was_written() -> None:
    located = Located(File("f", "s", mtime_ms=MODIFIED_S * 1000), Location("st", "/s/abc", 3, (), 7))
    assert validators_of(located).headers == [(b"etag", b'"abc-7"'), (b"last-modified", DATE)]
