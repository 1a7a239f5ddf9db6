"""Object ids of many files at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.file_id_columns import encode_column
from runtime.http.file_ids import encode

NAMES = st.text("0123456789abcdef_", min_size=1, max_size=40)
UUIDS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text("0123456789abcdef", min_size=32, max_size=32).map("link_{}_file_".format),
    st.text("aé_", min_size=1, max_size=4),
)


@given(space_id=NAMES, uuids=st.lists(UUIDS, max_size=40), share_id=st.one_of(st.none(), NAMES))
def test_a_column_has_the_ids_that_each_file_has(
    space_id: str, uuids: list[str], share_id: str | None
) -> None:
    assert encode_column(space_id, uuids, share_id) == [encode(space_id, uuid, share_id) for uuid in uuids]


@pytest.mark.parametrize("share_id", [None, "b" * 32])
def test_a_page_of_random_ids_is_right_to_the_last_digit(share_id: str | None) -> None:
    uuids = [f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}" for number in range(1000)]
    column = encode_column("a" * 32, uuids, share_id)
    assert column == [encode("a" * 32, uuid, share_id) for uuid in uuids]
