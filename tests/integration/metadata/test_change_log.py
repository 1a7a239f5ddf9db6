"""Numbers of changes: the same again after a crash, none left out, an end told when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.mongo import connect
from services.metadata.store.mongo import MongoStores
from services.metadata.store.mongo_changes import MAX_NUMBERED_TOGETHER, MongoChangeLog, RecordChange
from tests.support.metadata import PROVIDER, SPACE


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[MongoStores]:
    mongo = MongoStores(connect(mongo_url), mongo_database, PROVIDER, change_retention_s=3600)
    await mongo.start()
    yield mongo
    await mongo.stop()


@pytest.fixture
def log(mongo: MongoStores) -> MongoChangeLog:
    return mongo.changes


def changes(*positions: int, space_id: str = SPACE) -> list[RecordChange]:
    first = RecordChange("files", "f", "f", space_id, 1, False, "", 1_800_000_000_000)
    return [first._replace(document_id=f"f{n}", position=f"{n:08x}", revision=n) for n in positions]


async def numbers(log: MongoChangeLog, space_id: str = SPACE) -> list[tuple[int, str]]:
    listed = await log.list(space_id, after_sequence=0, limit=100)
    return [(change.sequence, change.document_id) for change in listed]


async def test_each_space_counts_for_itself(log: MongoChangeLog) -> None:
    await log.append(SPACE, changes(1, 3))
    await log.append("other", changes(2, space_id="other"))
    assert await numbers(log) == [(1, "f1"), (2, "f3")]
    assert await numbers(log, "other") == [(1, "f2")]
    assert await numbers(log, SPACE[:-1]) == []


async def test_heads_tell_how_far_each_space_got(log: MongoChangeLog) -> None:
    await log.append(SPACE, changes(1, 2, 3))
    await log.append("other", changes(4, space_id="other"))
    assert await log.heads([SPACE, "other", "empty"]) == {SPACE: 3, "other": 1}


async def test_changes_seen_again_keep_their_numbers(log: MongoChangeLog) -> None:
    await log.append(SPACE, changes(1, 2, 3))
    assert await log.append(SPACE, changes(2, 3)) == 0
    assert await log.append(SPACE, changes(2, 3, 4)) == 1
    assert await numbers(log) == [(1, "f1"), (2, "f2"), (3, "f3"), (4, "f4")]


async def test_many_changes_are_listed_from_anywhere(log: MongoChangeLog) -> None:
    count = 2 * MAX_NUMBERED_TOGETHER + 5
    assert await log.append(SPACE, changes(*range(1, count + 1))) == count
    for number in range(count + 1, count + 8):
        await log.append(SPACE, changes(number))
    for after in (0, 1, MAX_NUMBERED_TOGETHER - 1, MAX_NUMBERED_TOGETHER, count, count + 6):
        listed = await log.list(SPACE, after_sequence=after, limit=7)
        found = [(change.sequence, change.document_id) for change in listed]
        assert found == [(n, f"f{n}") for n in range(after + 1, min(after + 7, count + 7) + 1)]


async def test_who_dies_while_numbering_is_continued(
    log: MongoChangeLog, mongo_url: str, mongo_database: str
) -> None:
    await log.append(SPACE, changes(1, 2))
    with connect(mongo_url) as client:
        heads = client[mongo_database]["change_heads"]
        before = heads.find_one({"_id": SPACE})
        assert before is not None
        await log.append(SPACE, changes(3, 4))
        heads.replace_one({"_id": SPACE}, before)
    assert await log.append(SPACE, changes(3, 4, 5)) == 3
    assert await numbers(log) == [(n, f"f{n}") for n in range(1, 6)]
    ends = await log.ends(SPACE)
    assert (ends.first, ends.last) == (1, 5)


async def test_two_who_number_at_once_give_the_same_numbers(log: MongoChangeLog) -> None:
    for first in range(1, 40, 4):
        some = changes(*range(first, first + 4))
        await asyncio.gather(*(log.append(SPACE, some[:size]) for size in (4, 2, 3)), return_exceptions=True)
        await log.append(SPACE, some)
    assert await numbers(log) == [(n, f"f{n}") for n in range(1, 41)]


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
