"""What followers of changes hear, and what those hear who were away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.zone.domain import changes
from services.zone.domain.changes import ChangeFeed, NotFollowing, Update
from services.zone.store.mongo_changes import changed_code


@pytest.fixture
def feed() -> ChangeFeed:
    made = ChangeFeed(heartbeat_s=0.01)
    made.begin(lambda: True)
    return made


async def _next(updates: AsyncIterator[Update]) -> Update:
    return await anext(updates)


async def test_first_contact_starts_over(feed: ChangeFeed) -> None:
    feed.publish(["usr-u1"], "p1")
    assert await _next(feed.follow("")) == Update("p1", start_over=True)


async def test_a_change_is_told_once_and_silence_by_heartbeats(feed: ChangeFeed) -> None:
    updates = feed.follow("")
    await _next(updates)
    feed.publish(["usr-u1"], "p1")
    feed.publish(["grp-g1"], "p2")
    assert await _next(updates) == Update("p2", frozenset({"usr-u1", "grp-g1"}))
    assert await _next(updates) == Update("p2")


async def test_who_comes_back_hears_what_he_missed(feed: ChangeFeed) -> None:
    for number in range(1, 5):
        feed.publish([f"usr-u{number}"], f"p{number}")
    assert await _next(feed.follow("p2")) == Update("p4", frozenset({"usr-u3", "usr-u4"}))
    assert await _next(feed.follow("p4")) == Update("p4")


async def test_a_place_ahead_of_this_instance_waits_for_it(feed: ChangeFeed) -> None:
    feed.publish(["usr-u1"], "p1")
    updates = feed.follow("p3")
    assert await _next(updates) == Update("p1")
    feed.publish(["usr-u4"], "p4")
    assert (await _next(updates)).changed == {"usr-u4"}


async def test_a_place_that_is_forgotten_starts_over(
    feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_BATCHES", 3)
    small = ChangeFeed(heartbeat_s=0.01)
    small.begin(lambda: True)
    late = small.follow("")
    await _next(late)
    for number in range(1, 6):
        small.publish([f"usr-u{number}"], f"p{number}")
    assert (await _next(small.follow("p2"))).start_over
    assert (await _next(late)).start_over
    assert not (await _next(small.follow("p3"))).start_over


async def test_a_gap_makes_everybody_start_over(feed: ChangeFeed) -> None:
    updates = feed.follow("")
    await _next(updates)
    feed.begin(lambda: True)
    assert (await _next(updates)).start_over
    assert not (await _next(updates)).start_over


async def test_who_can_not_tell_says_so() -> None:
    deaf = ChangeFeed()
    with pytest.raises(NotFollowing):
        await _next(deaf.follow(""))
    deaf.begin(lambda: False)
    with pytest.raises(NotFollowing):
        await _next(deaf.follow(""))


async def test_closing_lets_followers_go(feed: ChangeFeed) -> None:
    updates = feed.follow("")
    await _next(updates)
    feed.close()
    with pytest.raises(NotFollowing):
        await _next(updates)


@pytest.mark.parametrize(
    ("collection", "key", "kind", "fields", "code"),
    [
        ("users", "u1", "update", {"blocked": True}, "usr-u1"),
        ("memberships", "spc-s1:grp-g1", "delete", {}, "grp-g1"),
        ("spaces", "s1", "update", {"name": "n"}, "spc-s1"),
        ("tokens", "t1", "update", {"revoked": True}, "tok-t1"),
        ("tokens", "t1", "delete", {}, "tok-t1"),
        ("tokens", "t1", "update", {"usage_count": 3}, ""),
        ("tokens", "t1", "insert", {}, ""),
        ("temporary_secrets", "usr-u1", "update", {"generation": 2}, "usr-u1"),
        ("providers", "p1", "delete", {}, "prv-p1"),
    ],
)
def test_changes_are_told_by_what_answers_rest_on(
    collection: str, key: str, kind: str, fields: dict[str, object], code: str
) -> None:
    change = {
        "ns": {"coll": collection},
        "operationType": kind,
        "documentKey": {"_id": key},
        **({"updateDescription": {"updatedFields": fields}} if kind == "update" else {}),
    }
    assert changed_code(change) == code
