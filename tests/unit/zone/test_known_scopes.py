"""What the zone remembers of what tokens reach, and when it looks again."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.clock import ManualClock
from runtime.macaroons import Macaroon, serialize
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.entities import Provider
from services.zone.domain.identifiers import NOBODY, decode
from services.zone.domain.known_scopes import KnownScopes
from services.zone.domain.scope import Scope
from tests.support.zone_stores import memory_stores


class ScopesTwin:
    """Counts how often it is asked; `overtaken` happens while it thinks."""

    def __init__(self) -> None:
        self.asked = 0
        self.valid_until_s: int | None = None
        self.overtaken: Any = None

    async def infer(self, token: Any, *, consumer: Any, peer_ip: str | None) -> Scope:
        self.asked += 1
        if self.overtaken is not None:
            self.overtaken()
        rests_on = frozenset({"usr-u1", "grp-g1", "spc-s1", "tok-t1"})
        return Scope(self.valid_until_s, False, (), frozenset({"p1"}), rests_on)


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.feed = ChangeFeed()
        self.heard = True
        self.feed.begin(lambda: self.heard)
        self.twin = ScopesTwin()
        self.stores = memory_stores()
        twin: Any = self.twin
        self.known = KnownScopes(twin, self.stores.providers, self.feed, self.clock)

    async def ask(self, *caveats: str, consumer: Any = None) -> Scope:
        made = Macaroon.create("zone", "2/nmd/usr-u1/act/t1", "secret").confined(*caveats)
        return await self.known.infer(decode(serialize(made)), consumer=consumer, peer_ip="192.0.2.1")


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_answer_is_kept_while_nothing_changes(bench: Bench) -> None:
    first = await bench.ask()
    bench.feed.publish(["usr-u2", "spc-s2"], "p1")
    bench.clock.advance(59)
    assert await bench.ask() is first
    bench.clock.advance(2)
    await bench.ask()
    assert bench.twin.asked == 2


@pytest.mark.parametrize("changed", ["usr-u1", "grp-g1", "spc-s1", "tok-t1"])
async def test_a_change_of_what_it_rests_on_drops_it(bench: Bench, changed: str) -> None:
    await bench.ask()
    bench.feed.publish([changed], "p1")
    await bench.ask()
    assert bench.twin.asked == 2


async def test_nothing_is_kept_across_a_gap_or_used_unheard(bench: Bench) -> None:
    await bench.ask()
    bench.feed.begin(lambda: bench.heard)
    await bench.ask()
    bench.heard = False
    await bench.ask()
    await bench.ask()
    assert bench.twin.asked == 4


async def test_an_answer_that_a_change_overtook_is_not_kept(bench: Bench) -> None:
    bench.twin.overtaken = lambda: bench.feed.publish(["usr-u1"], "p1")
    await bench.ask()
    bench.twin.overtaken = None
    await bench.ask()
    assert bench.twin.asked == 2


async def test_an_answer_ends_with_its_token(bench: Bench) -> None:
    bench.twin.valid_until_s = bench.clock.now_ms() // 1000 + 10
    await bench.ask()
    bench.clock.advance(11)
    await bench.ask()
    assert bench.twin.asked == 2


async def test_what_depends_on_who_asks_is_asked_each_time(bench: Bench) -> None:
    for _ in range(2):
        await bench.ask("ip = 192.0.2.0/24")
        await bench.ask(consumer=NOBODY)
    assert bench.twin.asked == 4


async def test_confined_tokens_are_told_apart(bench: Bench) -> None:
    await bench.ask()
    await bench.ask("data.readonly")
    assert bench.twin.asked == 2


async def test_what_is_kept_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.zone.domain.known_scopes.MAX_KEPT", 3)
    for number in range(5):
        await bench.ask(f"time < {10**12 + number}")
    assert len(bench.known._kept) == 3


async def test_providers_are_as_they_were_a_second_ago(bench: Bench) -> None:
    await bench.stores.providers.create(Provider("p1", "krakow", "op.example.org"))
    scope = await bench.ask()
    (first,) = await bench.known.providers(scope)
    await bench.stores.providers.update("p1", {"last_seen_ms": 5})
    assert await bench.known.providers(scope) == [first]
    bench.clock.advance(1.1)
    (later,) = await bench.known.providers(scope)
    assert later.last_seen_ms == 5
    await bench.stores.providers.delete("p1")
    bench.clock.advance(1.1)
    assert await bench.known.providers(scope) == []
