"""Callers agree on the owner of a key, and little moves when instances come and go."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runtime.rendezvous import owner, ranking

IDS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)


@given(key=st.text(max_size=10), ids=IDS)
def test_the_order_of_instances_does_not_matter(key: str, ids: list[str]) -> None:
    assert ranking(key, ids) == ranking(key, reversed(ids))
    assert sorted(ranking(key, ids)) == sorted(ids)
    assert owner(key, ids) == ranking(key, ids)[0]


@given(key=st.text(max_size=10), ids=IDS)
def test_the_others_keep_their_order_when_one_leaves(key: str, ids: list[str]) -> None:
    before = ranking(key, ids)
    for gone in ids:
        assert ranking(key, (each for each in ids if each != gone)) == [
            each for each in before if each != gone
        ]


def test_nobody_owns_a_key_without_instances() -> None:
    assert owner("space", []) is None
    assert ranking("space", []) == []


def test_keys_spread_evenly() -> None:
    owners = Counter(
        owner(f"space-{number}", ["metadata-1", "metadata-2", "metadata-3"]) for number in range(3000)
    )
    assert all(850 < count < 1150 for count in owners.values())
