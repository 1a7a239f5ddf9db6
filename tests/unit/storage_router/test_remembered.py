"""What a data port remembers of located contents, and when it asks; the rest is `test_leased_memory`'s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.auth import as_caller
from runtime.clock import ManualClock
from runtime.errors import NoSuchFile
from runtime.leased_memory import Grant, Renewal
from services.storage_router.domain.contents import File, FileRef, Located, Location
from services.storage_router.domain.remembered import RememberedContents
from tests.support.contents_twin import ContentsTwin
from tests.support.metadata import ALICE, BOB
from tests.support.waiting import until

SPACE = "space1"


class Metadata(ContentsTwin):
    """Gives leave to remember, if a test says so, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.grants = True
        self.has_lease = False

    async def locate_leased(self, file: FileRef, lease_id: str) -> tuple[Located, Grant | None]:
        answer = await self.locate(file)
        granted = bool(lease_id) and self.grants
        return answer, Grant(lease_id, 0, ("top", answer.file.file_id)) if granted else None

    async def renew_lease(self, space_id: str, lease_id: str, confirmed: int) -> Renewal | None:
        if lease_id:
            self.has_lease = True
            await asyncio.Event().wait()
        return Renewal("lease", 0, 1.5)


class Port:
    """A memory, its metadata, and short words for what tests do."""

    def __init__(self) -> None:
        self.metadata = Metadata()
        self.memory = RememberedContents(self.metadata, ManualClock())
        for name in ("a", "b"):
            self.metadata.files[name] = (File(name, SPACE, name=name), Location("st1", f"/{name}", 4))

    async def read(self, name: str = "a", who: object = ALICE, *, fresh: bool = False) -> int:
        """How often metadata was asked for this read."""
        before = len(self.metadata.located)
        with as_caller(who, str(who).encode()):  # type: ignore[arg-type]
            await self.memory.locate(FileRef(SPACE, path=(name,)), fresh=fresh)
        return len(self.metadata.located) - before


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """With a lease."""
    port = Port()
    assert await port.read() == 1
    await until(lambda: port.metadata.has_lease)
    yield port
    await port.memory.stop()


async def test_a_second_read_asks_nobody(port: Port):
    assert [await port.read(), await port.read(), await port.read("b")] == [1, 0, 1]


async def test_each_caller_is_asked_for(port: Port):
    assert [await port.read(), await port.read(who=BOB), await port.read(who=BOB)] == [1, 1, 0]


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
