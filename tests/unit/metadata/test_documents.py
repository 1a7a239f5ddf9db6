"""Records as documents of MongoDB, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.metadata.domain.locations import Location, Upload
from services.metadata.domain.records import File
from services.metadata.store.documents import (
    FIRST_LOCATION_FIELDS,
    file_from_document,
    file_to_document,
    first_location_from_document,
    location_to_document,
)
from tests.contract.metadata_records import PROVIDER, SPACE, a_file

#: What a location in the record of its file has at least.
SHORT = {"provider_id", "storage_id", "storage_file_id", "held_bytes", "revision"}


def uploaded(op_id: str = "op", size_bytes: int = 100) -> File:
    """A file as its upload makes it."""
    upload = Upload(op_id, True, "s1", "/f", 0, size_bytes)
    location = replace(Location("f", SPACE, PROVIDER).applied(upload, 1000), dirty_ms=None, revision=1)
    mirrored = {"size_bytes": size_bytes, "local_bytes": size_bytes, "location_revision": 1}
    return a_file("f", location=location, op_id=op_id, **mirrored)


@pytest.mark.parametrize("op_id", ["op", ""])
def test_a_first_location_repeats_nothing_of_its_file(op_id: str) -> None:
    document = file_to_document(uploaded(op_id))
    assert document["location"].keys() == SHORT
    assert file_from_document(document) == uploaded(op_id)


def test_a_location_is_read_by_its_fields_alone() -> None:
    document = file_to_document(uploaded())
    kept = {name: document[name] for name in ("_id", *FIRST_LOCATION_FIELDS)}
    assert first_location_from_document(kept) == uploaded().location


@pytest.mark.parametrize(
    "changes",
    [
        {"op_id": "another"},
        {"op_id": ""},
        {"size_bytes": 7},
        {"creation_time_ms": 1},
        {"provider_id": "another", "named_by": "another"},
    ],
)
def test_a_location_stays_when_its_file_changes(changes: dict[str, Any]) -> None:
    changed = uploaded().changed(**changes)
    assert file_from_document(file_to_document(changed)) == changed


@pytest.mark.parametrize(
    "changes",
    [
        {"size_bytes": 7},
        {"blocks": ((10, 90),)},
        {"blocks": ()},
        {"version_vector": {}},
        {"version_vector": {PROVIDER: 2, "another": 1}},
        {"recent_changes": ()},
        {"recent_ops": ()},
        {"recent_ops": ("op", "another")},
        {"generation": 0},
        {"changed_ms": 7},
        {"dirty_ms": 7},
        {"registered": True},
        {"revision": 3},
    ],
)
def test_a_location_that_is_otherwise_is_kept_whole(changes: dict[str, Any]) -> None:
    file = uploaded()
    assert file.location is not None
    changed = replace(file, location=replace(file.location, **changes))
    assert file_from_document(file_to_document(changed)) == changed


def test_a_location_that_repeats_everything_is_read() -> None:
    """Records had it so at first."""
    file = uploaded()
    assert file.location is not None
    whole = location_to_document(file.location)
    for name in ("_id", "file_id", "space_id"):
        del whole[name]
    assert whole.keys() > SHORT
    assert file_from_document({**file_to_document(file), "location": whole}) == file
