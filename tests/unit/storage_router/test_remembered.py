"""What a data port remembers of located contents, and when it asks again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.auth import as_caller
from runtime.clock import ManualClock
from runtime.errors import NoSuchFile, Unavailable
from services.storage_router.domain import remembered as module
from services.storage_router.domain.contents import File, FileRef, Grant, Located, Location, Renewal
from services.storage_router.domain.remembered import MAX_AGE_S, RememberedContents
from tests.support.contents_twin import ContentsTwin
from tests.support.metadata import ALICE, BOB
from tests.support.waiting import until

SPACE, LEASE_S = "space1", 1.5


class Metadata(ContentsTwin):
    """Tells what a test says, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.grants = True
        self.number = 0
        self.renewals: list[tuple[str, int]] = []
        self.news: asyncio.Queue[Renewal | Exception | None] = asyncio.Queue()

    async def locate_leased(self, file: FileRef, lease_id: str) -> tuple[Located, Grant | None]:
        number = self.number  # as it is when the answer is made
        answer = await self.locate(file)
        granted = bool(lease_id) and self.grants
        return answer, Grant(lease_id, number, ("top", answer.file.file_id)) if granted else None

    async def renew_lease(self, space_id: str, lease_id: str, confirmed: int) -> Renewal | None:
        self.renewals.append((lease_id, confirmed))
        news = await self.news.get()
        if isinstance(news, Exception):
            raise news
        return news


class Port:
    """A memory, its metadata, and short words for what tests do."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.metadata = Metadata()
        self.memory = RememberedContents(self.metadata, self.clock)
        for name in ("a", "b"):
            self.metadata.files[name] = (File(name, SPACE, name=name), Location("st1", f"/{name}", 4))

    async def read(self, name: str = "a", who: object = ALICE, *, fresh: bool = False) -> int:
        """How often metadata was asked for this read."""
        before = len(self.metadata.located)
        with as_caller(who, str(who).encode()):  # type: ignore[arg-type]
            await self.memory.locate(FileRef(SPACE, path=(name,)), fresh=fresh)
        return len(self.metadata.located) - before

    async def told(self, renewal: Renewal | Exception | None) -> None:
        """Metadata says this, and is asked again."""
        asked = len(self.metadata.renewals)
        self.metadata.news.put_nowait(renewal)
        await until(lambda: len(self.metadata.renewals) > asked)


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    """With a lease."""
    for pause in ("RETRY_S", "REFUSED_S"):
        monkeypatch.setattr(module, pause, 0.01)
    port = Port()
    assert await port.read() == 1
    await until(lambda: bool(port.metadata.renewals))
    await port.told(Renewal("lease", 0, LEASE_S))
    yield port
    await port.memory.stop()


async def test_a_second_read_asks_nobody(port: Port):
    assert [await port.read(), await port.read(), await port.read("b")] == [1, 0, 1]


async def test_each_caller_is_asked_for(port: Port):
    assert [await port.read(), await port.read(who=BOB), await port.read(who=BOB)] == [1, 1, 0]


async def test_nothing_is_believed_after_the_lease(port: Port):
    await port.read()
    port.clock.advance(LEASE_S)
    assert await port.read() == 1


async def test_the_lease_counts_from_when_it_was_asked_for(port: Port):
    await port.read()
    port.clock.advance(1.0)  # the renewal under way was asked for before
    await port.told(Renewal("lease", 0, LEASE_S))
    assert await port.read() == 0
    port.clock.advance(0.5)
    assert await port.read() == 1


async def test_what_is_taken_back_is_forgotten_and_confirmed(port: Port):
    await port.read()
    await port.read("b")
    await port.told(Renewal("lease", 1, LEASE_S, ("a",)))
    assert port.metadata.renewals[-1] == ("lease", 1)
    port.metadata.number = 1
    assert [await port.read("b"), await port.read(), await port.read()] == [0, 1, 0]


async def test_what_hangs_on_a_directory_goes_with_it(port: Port):
    await port.read()
    await port.told(Renewal("lease", 1, LEASE_S, ("top",)))
    assert len(port.memory) == 0


@pytest.mark.parametrize(
    "news", [Renewal("lease", 1, LEASE_S, everything=True), Renewal("other lease", 0, LEASE_S), None]
)
async def test_everything_is_forgotten_with_the_lease(port: Port, news: Renewal | None):
    await port.read()
    await port.told(news)
    assert len(port.memory) == 0


async def test_an_answer_older_than_a_recall_is_not_remembered(port: Port):
    await port.told(Renewal("lease", 1, LEASE_S, ("unrelated",)))
    assert [await port.read(), await port.read()] == [1, 1]
    port.metadata.number = 1
    assert [await port.read(), await port.read()] == [1, 0]


async def test_an_answer_without_grant_is_not_remembered(port: Port):
    port.metadata.grants = False
    assert [await port.read(), await port.read()] == [1, 1]


async def test_refusals_are_not_remembered(port: Port):
    for _ in range(2):
        with pytest.raises(NoSuchFile):
            await port.read("none")
    assert len(port.memory) == 0


async def test_who_found_an_answer_wrong_asks_anew(port: Port):
    assert [await port.read(), await port.read(fresh=True)] == [1, 1]


async def test_a_failed_renewal_costs_nothing_within_the_lease(port: Port):
    await port.read()
    await port.told(Unavailable())
    assert await port.read() == 0


async def test_an_unconfirmed_recall_renews_nothing(port: Port):
    await port.read()
    port.clock.advance(1.0)
    await port.told(Renewal("lease", 1, 0.0, ("b",)))
    port.clock.advance(0.5)
    assert await port.read() == 1


async def test_old_answers_are_asked_for_anew(port: Port):
    await port.read()
    for _ in range(int(MAX_AGE_S)):
        port.clock.advance(1.0)
        port.memory._spaces[SPACE].used_s = port.clock.monotonic_s()
        await port.told(Renewal("lease", 0, LEASE_S))
        await port.told(Renewal("lease", 0, LEASE_S))
    assert await port.read() == 1


async def test_a_space_nobody_reads_is_given_up(port: Port):
    await port.read()
    port.clock.advance(module.IDLE_S)
    port.metadata.news.put_nowait(Renewal("lease", 0, LEASE_S))
    await until(lambda: not port.memory._spaces)
    assert len(port.memory) == 0
    assert await port.read() == 1


async def test_the_memory_is_bounded(port: Port, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_REMEMBERED", 1)
    assert [await port.read("a"), await port.read("b"), await port.read("b"), await port.read("a")] == [
        1,
        1,
        0,
        1,
    ]
    assert len(port.memory) == 1
    assert set(port.memory._spaces[SPACE].keys) == {"top", "a"}


async def test_leases_are_bounded(port: Port, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_SPACES", 1)
    port.metadata.files["far"] = (File("far", "space2", name="far"), Location())
    with as_caller(ALICE, b"alice"):
        for _ in range(2):
            await port.memory.locate(FileRef("space2", path=("far",)))
    assert len(port.memory._spaces) == 1
    assert len(port.metadata.located) == 3
