"""What is remembered on a lease, and when it is not believed any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime import leased_memory as module
from runtime.clock import ManualClock
from runtime.errors import Unavailable
from runtime.leased_memory import MAX_AGE_S, Grant, LeasedMemory, Renewal
from tests.support.waiting import until

SPACE, OTHER_SPACE, LEASE_S = "space1", "space2", 1.5


class Lessor:
    """Says what a test says, and notes what it is asked."""

    def __init__(self) -> None:
        self.renewals: list[tuple[str, int]] = []
        self.news: asyncio.Queue[Renewal | Exception | None] = asyncio.Queue()

    async def renew_lease(self, space_id: str, lease_id: str, confirmed: int) -> Renewal | None:
        self.renewals.append((lease_id, confirmed))
        news = await self.news.get()
        if isinstance(news, Exception):
            raise news
        return news


class Holder:
    """A memory that holds a lease, and short words for what tests do."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lessor = Lessor()
        self.memory: LeasedMemory[str, str] = LeasedMemory(self.lessor, self.clock, max_bytes=1000)

    def learn(
        self, name: str = "a", *, number: int = 0, size_bytes: int = 1, max_age_s: float = MAX_AGE_S
    ) -> None:
        """An answer comes that depends on a record of its name, and one above."""
        grant = Grant("lease", number, ("top", name), max_age_s)
        self.memory.put(SPACE, name, f"value of {name}", grant, size_bytes=size_bytes)

    def knows(self, name: str = "a") -> bool:
        """Whether the answer would be told from memory."""
        known = self.memory.get(name)
        assert known in (None, f"value of {name}")
        return known is not None

    async def told(self, renewal: Renewal | Exception | None) -> None:
        """The lessor says this, and is asked again."""
        asked = len(self.lessor.renewals)
        self.lessor.news.put_nowait(renewal)
        await until(lambda: len(self.lessor.renewals) > asked)


@pytest.fixture
async def holder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Holder]:
    for pause in ("RETRY_S", "REFUSED_S"):
        monkeypatch.setattr(module, pause, 0.01)
    holder = Holder()
    assert holder.memory.lease_on(SPACE) == ""
    await until(lambda: bool(holder.lessor.renewals))
    await holder.told(Renewal("lease", 0, LEASE_S))
    assert holder.memory.lease_on(SPACE) == "lease"
    yield holder
    await holder.memory.stop()


async def test_what_was_learned_is_known(holder: Holder):
    holder.learn()
    assert (holder.knows(), holder.knows("b")) == (True, False)


async def test_nothing_is_believed_after_the_lease(holder: Holder):
    holder.learn()
    holder.clock.advance(LEASE_S)
    assert not holder.knows()


async def test_the_lease_counts_from_when_it_was_asked_for(holder: Holder):
    holder.learn()
    holder.clock.advance(1.0)  # the renewal under way was asked for before
    await holder.told(Renewal("lease", 0, LEASE_S))
    assert holder.knows()
    holder.clock.advance(0.5)
    assert not holder.knows()


async def test_what_is_taken_back_is_forgotten_and_confirmed(holder: Holder):
    holder.learn()
    holder.learn("b")
    await holder.told(Renewal("lease", 1, LEASE_S, ("a",)))
    assert holder.lessor.renewals[-1] == ("lease", 1)
    assert (holder.knows(), holder.knows("b")) == (False, True)
    holder.learn(number=1)
    assert holder.knows()


async def test_all_that_depends_on_a_record_goes_with_it(holder: Holder):
    holder.learn()
    holder.learn("b")
    await holder.told(Renewal("lease", 1, LEASE_S, ("top",)))
    assert len(holder.memory) == 0


@pytest.mark.parametrize(
    "news", [Renewal("lease", 1, LEASE_S, everything=True), Renewal("other lease", 0, LEASE_S), None]
)
async def test_everything_is_forgotten_with_the_lease(holder: Holder, news: Renewal | None):
    holder.learn()
    await holder.told(news)
    assert len(holder.memory) == 0


async def test_an_answer_older_than_a_recall_is_not_remembered(holder: Holder):
    await holder.told(Renewal("lease", 1, LEASE_S, ("unrelated",)))
    holder.learn()
    assert not holder.knows()


async def test_an_answer_under_another_lease_is_not_remembered(holder: Holder):
    await holder.told(Renewal("other lease", 0, LEASE_S))
    holder.learn()
    assert not holder.knows()


async def test_a_failed_renewal_costs_nothing_within_the_lease(holder: Holder):
    holder.learn()
    await holder.told(Unavailable())
    assert holder.knows()


async def test_an_unconfirmed_recall_renews_nothing(holder: Holder):
    holder.learn()
    holder.clock.advance(1.0)
    await holder.told(Renewal("lease", 1, 0.0, ("b",)))
    holder.clock.advance(0.5)
    assert not holder.knows()


@pytest.mark.parametrize("max_age_s", [3.0, MAX_AGE_S])
async def test_old_answers_are_asked_for_anew(holder: Holder, max_age_s: float):
    holder.learn(max_age_s=max_age_s)
    for _ in range(int(max_age_s)):
        assert holder.knows()
        holder.clock.advance(1.0)
        for _ in range(2):  # what was asked for a second ago holds too short
            await holder.told(Renewal("lease", 0, LEASE_S))
    assert not holder.knows()


async def test_a_space_nobody_asks_about_is_given_up(holder: Holder):
    holder.learn()
    holder.clock.advance(module.IDLE_S)
    holder.lessor.news.put_nowait(Renewal("lease", 0, LEASE_S))
    await until(lambda: not holder.memory._spaces)
    assert (len(holder.memory), holder.memory.size_bytes) == (0, 0)
    assert not holder.knows()


async def test_the_number_of_answers_is_bounded(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    holder.learn("a")
    holder.learn("b")
    holder.clock.advance(module.USED_STEP_S + 0.1)
    assert holder.knows("a")
    holder.learn("c")
    assert [holder.knows(name) for name in "abc"] == [True, False, True], "the one not used for longest went"
    assert set(holder.memory._spaces[SPACE].keys) == {"top", "a", "c"}


async def test_what_answers_take_is_bounded(holder: Holder):
    for name in "abcde":
        holder.learn(name, size_bytes=250)
    assert [holder.knows(name) for name in "abcde"] == [False, True, True, True, True]
    holder.learn("b", size_bytes=100)
    assert holder.memory.size_bytes == 850


async def test_one_answer_does_not_drive_out_all_others(holder: Holder):
    holder.learn("a")
    holder.learn("b", size_bytes=251)
    assert (holder.knows("a"), holder.knows("b")) == (True, False)


async def test_leases_are_bounded(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_SPACES", 1)
    assert holder.memory.lease_on(OTHER_SPACE) == ""
    assert len(holder.memory._spaces) == 1
