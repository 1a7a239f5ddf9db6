"""Numbers of changes: the same again after a crash, none left out, an end told when there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from runtime.mongo import connect
from services.metadata.store.mongo import MongoStores
from services.metadata.store.mongo_changes import MongoChangeLog, RecordChange
from tests.support.metadata import PROVIDER, SPACE


@pytest.fixture
async def log(mongo_url: str, mongo_database: str) -> AsyncIterator[MongoChangeLog]:
    mongo = MongoStores(connect(mongo_url), mongo_database, PROVIDER, change_retention_s=3600)
    await mongo.start()
    yield mongo.changes
    await mongo.stop()


def changes(*positions: int, space_id: str = SPACE) -> list[RecordChange]:
    first = RecordChange("files", "f", "f", space_id, 1, False, "", 1_800_000_000_000)
    return [replace(first, document_id=f"f{n}", position=f"{n:08x}", revision=n) for n in positions]


async def numbers(log: MongoChangeLog, space_id: str = SPACE) -> list[tuple[int, str]]:
    listed = await log.list(space_id, after_sequence=0, limit=100)
    return [(change.sequence, change.document_id) for change in listed]


async def test_each_space_counts_for_itself(log: MongoChangeLog) -> None:
    await log.append(SPACE, changes(1, 3))
    await log.append("other", changes(2, space_id="other"))
    assert await numbers(log) == [(1, "f1"), (2, "f3")]
    assert await numbers(log, "other") == [(1, "f2")]
    assert await numbers(log, SPACE[:-1]) == []


async def test_changes_seen_again_keep_their_numbers(log: MongoChangeLog) -> None:
    await log.append(SPACE, changes(1, 2, 3))
    assert await log.append(SPACE, changes(2, 3)) == 0
    assert await log.append(SPACE, changes(2, 3, 4)) == 1
    assert await numbers(log) == [(1, "f1"), (2, "f2"), (3, "f3"), (4, "f4")]


async def test_the_ends_are_told(log: MongoChangeLog) -> None:
    ends = await log.ends(SPACE)
    assert (ends.first, ends.last) == (1, 0)
    await log.append(SPACE, changes(1, 2, 3))
    ends = await log.ends(SPACE)
    assert (ends.first, ends.last) == (1, 3)


async def test_after_a_gap_history_begins_anew(log: MongoChangeLog) -> None:
    await log.append(SPACE, changes(1, 2))
    await log.forget_all()
    ends = await log.ends(SPACE)
    assert (ends.first, ends.last) == (4, 3)
    await log.append(SPACE, changes(7))
    assert await numbers(log) == [(4, "f7")]


async def test_the_place_in_the_stream_is_kept(log: MongoChangeLog) -> None:
    first = await log.load_position()
    assert first is not None
    assert first.token is None
    await log.save_position({"_data": "abc"})
    kept = await log.load_position()
    assert kept is not None
    assert (kept.token, kept.begin_at) == ({"_data": "abc"}, first.begin_at)
