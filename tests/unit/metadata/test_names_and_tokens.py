"""Names, modes, page tokens, ids of new files."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidName, NameTooLong, NotPermitted
from services.metadata.domain import names
from services.metadata.domain.ids import may_take_over, new_file_id
from services.metadata.domain.records import FileType
from services.metadata.domain.stores import Position
from services.metadata.domain.tokens import PageTokens
from tests.support.metadata import World

TOKENS = PageTokens(b"secret")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        names.check_name(name)


@pytest.mark.parametrize(
    "name", ["a", "...", " ", "-", "ä" * 127, "x" * 255, "\n", "\u202e", "a\\b", "%2F", "~"]
)
def test_odd_names_are_fine(name: str) -> None:
    names.check_name(name)


@pytest.mark.parametrize("name", ["x" * 256, "ä" * 128, "\U0001f600" * 64])
def test_names_have_255_bytes_at_most(name: str) -> None:
    with pytest.raises(NameTooLong):
        names.check_name(name)


@pytest.mark.parametrize("name", [".__onedata__x", ".trash"])
async def test_names_of_the_system_can_not_be_taken(name: str) -> None:
    world = await World().open()
    with pytest.raises(NotPermitted):
        await world.make(name)


async def test_a_trash_below_the_top_is_a_plain_name() -> None:
    world = await World().open()
    await world.mkdir("d")
    assert (await world.make("d", ".trash")).name == ".trash"


@pytest.mark.parametrize("mode", [-1, 0o2000, 0o1000 + 0o1000])
def test_modes_have_the_sticky_bit_at_most(mode: int) -> None:
    with pytest.raises(InvalidName):
        names.check_mode(mode)


@given(directory_id=texts, name=texts, named_by=st.from_regex(r"[a-z0-9]*", fullmatch=True))
def test_tokens_bring_back_the_position(directory_id: str, name: str, named_by: str) -> None:
    token = TOKENS.make(directory_id, Position(name, named_by))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert TOKENS.read(directory_id, token) == Position(name, named_by)


@pytest.mark.parametrize("token", ["", "x", "null", "ä", "AAAA" * 9, "a b", "====", "%00"])
def test_gibberish_is_no_token(token: str) -> None:
    with pytest.raises(InvalidName):
        TOKENS.read("d", token)


def test_a_token_is_for_its_directory_and_provider_only() -> None:
    token = TOKENS.make("d", Position("a", "p"))
    for other in (TOKENS, PageTokens(b"other")):
        with pytest.raises(InvalidName):
            other.read("e" if other is TOKENS else "d", token)


def test_the_same_request_means_the_same_file() -> None:
    one = new_file_id("r", "alice", "d", "a", type=FileType.REGULAR)
    assert one == new_file_id("r", "alice", "d", "a", type=FileType.REGULAR)
    assert (
        len({one, *(new_file_id("r", who, "d", "a", type=FileType.REGULAR) for who in ("bob", "eve"))}) == 3
    )
    assert new_file_id("", "alice", "d", "a", type=FileType.REGULAR) != new_file_id(
        "", "alice", "d", "a", type=FileType.REGULAR
    )
    assert new_file_id("r", "alice", "d", "a", type=FileType.SYMLINK).startswith("smlnk_")


def test_only_uploads_that_allowed_it_take_over() -> None:
    exclusive = new_file_id("r", "alice", "d", "a", type=FileType.REGULAR)
    shared = new_file_id("r", "alice", "d", "a", type=FileType.REGULAR, exclusive=False)
    assert may_take_over(shared, "r", "alice", "d", "a")
    assert not may_take_over(exclusive, "r", "alice", "d", "a")
    assert not may_take_over(shared, "", "alice", "d", "a")
