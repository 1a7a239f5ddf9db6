"""When a cache may be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from runtime.clock import ManualClock
from runtime.discovery import Instance, Watch
from runtime.rendezvous import owner
from services.metadata.clients.ownership import ALONE_AFTER_S, MAX_AGE_S, WatchedOwnership

SPACES = [f"space{number}" for number in range(40)]


class View:
    """What Consul says, set by hand."""

    def __init__(self, *names: str) -> None:
        self.age_s = 0.0
        self.steady_since_s = 0.0
        self.instances = _instances(*names)
        self._listeners: list[Callable[[tuple[Instance, ...]], None]] = []

    def subscribe(self, callback: Callable[[tuple[Instance, ...]], None]) -> None:
        self._listeners.append(callback)

    def change(self, *names: str) -> None:
        self.instances = _instances(*names)
        for listener in self._listeners:
            listener(self.instances)


def _instances(*names: str) -> tuple[Instance, ...]:
    return tuple(
        Instance("metadata", name.rstrip("!"), "127.0.0.1", 1, healthy=not name.endswith("!"))
        for name in names
    )


def of_m1(*names: str) -> set[str]:
    return {space for space in SPACES if owner(space, names) == "m1"}


def owned(ownership: WatchedOwnership) -> set[str]:
    return {space for space in SPACES if ownership.owns(space)}


def test_a_space_is_trusted_after_a_while_only() -> None:
    clock, view = ManualClock(), View("m1")
    ownership = WatchedOwnership(cast(Watch, view), "m1", clock)
    assert owned(ownership) == set()
    clock.advance(4)
    assert owned(ownership) == set()
    clock.advance(2)
    assert owned(ownership) == set(SPACES)


def test_what_stays_ours_is_trusted_all_the_time() -> None:
    clock, view = ManualClock(), View("m1")
    ownership = WatchedOwnership(cast(Watch, view), "m1", clock)
    clock.advance(6)
    assert owned(ownership) == set(SPACES)
    view.change("m1", "m2")
    assert owned(ownership) == of_m1("m1", "m2")
    assert 5 < len(of_m1("m1", "m2")) < 35
    view.change("m1", "m2!")
    assert owned(ownership) == of_m1("m1", "m2")
    clock.advance(6)
    assert owned(ownership) == set(SPACES)


def test_spaces_first_asked_about_later_count_from_the_last_change() -> None:
    clock, view = ManualClock(), View("m1", "m2")
    ownership = WatchedOwnership(cast(Watch, view), "m1", clock)
    clock.advance(6)
    view.change("m1")
    assert owned(ownership) == set()
    clock.advance(6)
    assert owned(ownership) == set(SPACES)


def test_an_old_view_is_not_trusted() -> None:
    clock, view = ManualClock(), View("m1")
    ownership = WatchedOwnership(cast(Watch, view), "m1", clock)
    clock.advance(6)
    view.age_s = MAX_AGE_S + 1
    assert owned(ownership) == set()
    view.age_s = 1
    assert owned(ownership) == set(SPACES)


def test_who_is_not_registered_owns_nothing() -> None:
    clock = ManualClock()
    ownership = WatchedOwnership(cast(Watch, View("m2")), "m1", clock)
    clock.advance(6)
    assert owned(ownership) == set()


def test_a_space_is_ours_alone_after_a_longer_while() -> None:
    clock, view = ManualClock(), View("m1")
    view.steady_since_s = clock.monotonic_s()
    ownership = WatchedOwnership(cast(Watch, view), "m1", clock)
    clock.advance(ALONE_AFTER_S - 1)
    assert {ownership.alone_since(space) for space in SPACES} == {None}
    clock.advance(2)
    first = ownership.alone_since(SPACES[0])
    assert first is not None
    clock.advance(100)
    assert ownership.alone_since(SPACES[0]) == first


def test_who_lost_a_space_or_sight_is_alone_at_another_time() -> None:
    clock, view = ManualClock(), View("m1")
    view.steady_since_s = clock.monotonic_s()
    ownership = WatchedOwnership(cast(Watch, view), "m1", clock)
    clock.advance(ALONE_AFTER_S + 1)
    theirs = next(iter(set(SPACES) - of_m1("m1", "m2")))
    seen = [ownership.alone_since(theirs)]
    view.change("m1", "m2")
    assert ownership.alone_since(theirs) is None
    view.change("m1")
    assert ownership.alone_since(theirs) is None
    clock.advance(ALONE_AFTER_S + 1)
    seen.append(ownership.alone_since(theirs))
    view.steady_since_s = float("inf")
    assert ownership.alone_since(theirs) is None
    view.steady_since_s = clock.monotonic_s()
    assert ownership.alone_since(theirs) is None
    clock.advance(ALONE_AFTER_S + 1)
    seen.append(ownership.alone_since(theirs))
    assert len(set(seen)) == 3
    assert None not in seen
