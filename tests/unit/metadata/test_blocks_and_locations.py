"""What uploads make of blocks and locations."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metadata.domain import blocks, locations
from services.metadata.domain.errors import StaleUpload, TooFragmented
from services.metadata.domain.locations import ChangeKind, Garbage, Location, Upload

ranges = st.tuples(st.integers(0, 60), st.integers(0, 15))


@given(st.lists(ranges, max_size=20))
def test_merged_blocks_cover_exactly_what_was_written(written: list[tuple[int, int]]) -> None:
    merged: blocks.Blocks = ()
    for offset, size in written:
        merged = blocks.merged(merged, offset, size)
    covered = [byte for offset, size in merged for byte in range(offset, offset + size)]
    assert covered == sorted({byte for offset, size in written for byte in range(offset, offset + size)})
    assert all(one[0] + one[1] < two[0] for one, two in itertools.pairwise(merged))


def a_patch(offset: int, size: int, storage_file_id: str = "/first", op: str = "") -> Upload:
    return Upload(op, False, "s1", storage_file_id, offset, size)


def a_replace(size: int, storage_file_id: str, op: str = "") -> Upload:
    return Upload(op, True, "s1", storage_file_id if size else "", 0, size)


BLANK = Location("f", "space", "p")


def test_patches_gather_in_one_storage_file() -> None:
    location = BLANK.applied(a_patch(10, 5), 1).applied(a_patch(0, 3), 2)
    assert location.blocks == ((0, 3), (10, 5))
    assert (location.size_bytes, location.local_bytes, location.storage_file_id) == (15, 8, "/first")
    assert location.version_vector == {"p": 2}
    assert [(change.offset, change.size_bytes) for change in location.recent_changes] == [(10, 5), (0, 3)]


def test_a_replace_swaps_the_storage_file() -> None:
    location = BLANK.applied(a_replace(9, "/one"), 1).applied(a_replace(4, "/two"), 7)
    assert location.garbage == (Garbage("s1", "/one", 9, 7),)
    assert (location.storage_file_id, location.size_bytes, location.blocks) == ("/two", 4, ((0, 4),))
    assert location.held_bytes == 13
    assert location.recent_changes[-2].kind is ChangeKind.SHRINK


def test_a_patch_into_what_was_replaced_is_stale() -> None:
    location = BLANK.applied(a_patch(0, 5), 1).applied(a_replace(4, "/two"), 2)
    with pytest.raises(StaleUpload):
        location.applied(a_patch(5, 5), 3)


def test_an_emptied_file_never_goes_back_to_an_old_storage_file() -> None:
    location = BLANK.applied(a_patch(0, 5), 1).applied(a_replace(0, ""), 2)
    with pytest.raises(StaleUpload):
        location.applied(a_patch(0, 5), 3)
    planned = location.planned_storage_file()
    assert planned.startswith("/space/")
    assert planned.count("/") == 5
    again = location.applied(a_patch(2, 5, planned), 3)
    assert (again.storage_file_id, again.size_bytes) == (planned, 7)
    emptied = again.applied(a_replace(0, ""), 4)
    assert emptied.planned_storage_file() != planned


def test_extra_bytes_are_what_was_not_held_before() -> None:
    location = BLANK.applied(a_patch(0, 10), 1)
    assert location.extra_bytes(a_patch(5, 10)) == 5
    assert location.extra_bytes(a_patch(2, 3)) == 0
    assert location.extra_bytes(a_replace(7, "/x")) == 7


def test_too_many_pieces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locations, "MAX_BLOCKS", 2)
    location = BLANK.applied(a_patch(0, 1), 1).applied(a_patch(2, 1), 1)
    with pytest.raises(TooFragmented):
        location.applied(a_patch(4, 1), 1)
    assert location.applied(a_patch(1, 1), 1).blocks == ((0, 3),)


def test_histories_are_bounded() -> None:
    location = BLANK
    for number in range(200):
        location = location.applied(a_patch(number, 1, op=f"op{number}"), 1)
    assert len(location.recent_changes) == locations.MAX_RECENT_CHANGES
    assert len(location.recent_ops) == locations.MAX_RECENT_OPS
    assert location.knows(a_patch(0, 1, op="op199"))
    assert not location.knows(a_patch(0, 1))


def test_a_retired_location_is_all_garbage() -> None:
    location = replace(BLANK.applied(a_replace(9, "/one"), 1), revision=1)
    retired = location.shrunk_to_garbage(5)
    assert retired.retired
    assert retired.garbage == (Garbage("s1", "/one", 9, 5),)
    assert (retired.storage_file_id, retired.size_bytes, retired.revision) == ("", 0, 2)


def test_confirmed_garbage_is_forgotten_and_freed() -> None:
    garbage = (Garbage("s1", "/a", 5, 1), Garbage("s2", "/a", 7, 1))
    after, freed = replace(BLANK, garbage=garbage).without_garbage({("s2", "/a"), ("s1", "/b")})
    assert after.garbage == garbage[:1]
    assert freed == 7
