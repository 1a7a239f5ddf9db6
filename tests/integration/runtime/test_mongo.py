"""The threads and the change stream with a real mongod."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from runtime.config import BadSettings
from runtime.mongo import (
    ChangeCursor,
    ChangeFollower,
    Document,
    MongoThreads,
    ResumeToken,
    StoreUnavailable,
    TooManyWaiting,
    connect,
)
from tests.support.ports import free_port


@pytest.fixture
def client(mongo_url: str) -> Iterator[MongoClient[Document]]:
    with connect(mongo_url) as client:
        yield client


@pytest.fixture
async def threads() -> AsyncIterator[MongoThreads]:
    threads = MongoThreads()
    await threads.start()
    yield threads
    await threads.stop()


async def test_work_is_done_in_threads_apart(threads: MongoThreads):
    writer = await threads.write(lambda: threading.current_thread().name)
    reader = await threads.read(lambda: threading.current_thread().name)
    assert writer.startswith("mongo-write")
    assert reader.startswith("mongo-read")


async def test_what_is_written_is_read(
    threads: MongoThreads, client: MongoClient[Document], mongo_database: str
):
    stars = client[mongo_database]["stars"]
    await threads.write(lambda: stars.insert_one({"_id": "vega"}))
    assert await threads.read(lambda: stars.find_one({"_id": "vega"})) == {"_id": "vega"}


async def test_answers_of_the_database_stay_what_they_are(
    threads: MongoThreads, client: MongoClient[Document], mongo_database: str
):
    stars = client[mongo_database]["stars"]
    await threads.write(lambda: stars.insert_one({"_id": "vega"}))
    with pytest.raises(DuplicateKeyError):
        await threads.write(lambda: stars.insert_one({"_id": "vega"}))


async def test_a_database_that_is_away_is_unavailable(threads: MongoThreads):
    with connect(f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0") as client:
        begun_s = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            await threads.read(lambda: client.admin.command("ping"))
    assert caught.value.retryable
    assert time.monotonic() - begun_s < 5


async def test_reads_do_not_wait_behind_writes(threads: MongoThreads):
    free = threading.Event()
    writes = [asyncio.create_task(threads.write(lambda: free.wait(10))) for _ in range(4)]
    assert await asyncio.wait_for(threads.read(lambda: 1), 2) == 1
    free.set()
    assert await asyncio.gather(*writes) == [True] * 4


async def test_waiting_is_bounded():
    threads = MongoThreads(writers=1, max_waiting=2)
    free = threading.Event()
    writes = [asyncio.create_task(threads.write(lambda: free.wait(10)))]
    await asyncio.sleep(0.05)
    writes += [asyncio.create_task(threads.write(lambda: free.wait(10))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyWaiting):
        await threads.write(lambda: None)
    free.set()
    await asyncio.gather(*writes)
    await threads.stop()


async def test_what_is_cancelled_while_waiting_is_not_done():
    threads = MongoThreads(writers=1)
    free, done = threading.Event(), []
    first = asyncio.create_task(threads.write(lambda: free.wait(10)))
    second = asyncio.create_task(threads.write(lambda: done.append(1)))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    free.set()
    await first
    await threads.write(lambda: None)
    assert done == []
    await threads.stop()


async def test_after_the_end_nothing_is_taken(threads: MongoThreads):
    await threads.stop()
    with pytest.raises(StoreUnavailable):
        await threads.read(lambda: 1)


def test_a_wrong_url_is_told_without_its_password():
    with pytest.raises(BadSettings) as caught:
        connect("postgres://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


class Follow:
    """A follower of one collection and what it was given."""

    def __init__(self, client: MongoClient[Document], database: str) -> None:
        self._stars = client[database]["stars"]
        self.seen: list[Any] = []
        self.tokens: list[ResumeToken] = []
        self.gaps = 0
        self.failures_left = 0

    def follower(self, resume_after: ResumeToken | None = None) -> ChangeFollower:
        def open_stream(token: ResumeToken | None) -> ChangeCursor:
            only_stars = {"$match": {"ns.coll": self._stars.name}}
            return ChangeCursor(self._stars.database, [only_stars], resume_after=token)

        return ChangeFollower(
            "stars", open_stream, self.on_batch, on_gap=self.on_gap, resume_after=resume_after
        )

    @asynccontextmanager
    async def following(self, resume_after: ResumeToken | None = None) -> AsyncIterator[ChangeFollower]:
        """Follows for the time of the block, from the beginning of which nothing is missed."""
        follower = self.follower(resume_after)
        await follower.start()
        if resume_after is None:
            await self.until_open()
        yield follower
        await follower.stop()

    async def on_batch(self, changes: Sequence[Document], token: ResumeToken) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise RuntimeError("handling failed")
        self.seen += [each["documentKey"]["_id"] for each in changes]
        self.tokens.append(token)

    async def on_gap(self) -> None:
        self.gaps += 1

    def insert(self, *ids: Any) -> None:
        self._stars.insert_many([{"_id": each} for each in ids])

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                await asyncio.sleep(0.01)

    async def until_open(self) -> None:
        async with asyncio.timeout(10):
            while not self.gaps:
                await asyncio.sleep(0.01)


async def test_changes_arrive_in_order(client: MongoClient[Document], mongo_database: str):
    follow = Follow(client, mongo_database)
    async with follow.following() as follower:
        assert follower.live
        follow.insert(*range(2500))
        await follow.until(2500)
        assert follow.seen == list(range(2500))
        assert len(follow.tokens) < 2500
    assert not follower.live


async def test_following_goes_on_where_it_ended(client: MongoClient[Document], mongo_database: str):
    first = Follow(client, mongo_database)
    async with first.following():
        first.insert("a")
        await first.until(1)
    first.insert("b", "c")
    second = Follow(client, mongo_database)
    async with second.following(first.tokens[-1]):
        await second.until(2)
    assert second.seen == ["b", "c"]
    assert second.gaps == 0


async def test_a_lost_place_is_told_as_a_gap(client: MongoClient[Document], mongo_database: str):
    follow = Follow(client, mongo_database)
    async with follow.following({"_data": "82" + "00" * 20}):
        await follow.until_open()
        follow.insert("a")
        await follow.until(1)
    assert follow.gaps == 1


async def test_a_batch_that_failed_comes_again(client: MongoClient[Document], mongo_database: str):
    follow = Follow(client, mongo_database)
    follow.failures_left = 2
    async with follow.following():
        follow.insert("a", "b")
        await follow.until(2)
    assert follow.seen == ["a", "b"]


async def test_a_stream_that_the_server_gave_up_goes_on_without_a_gap(
    client: MongoClient[Document], mongo_database: str
):
    follow = Follow(client, mongo_database)
    async with follow.following():
        follow.insert("a")
        await follow.until(1)
        assert kill_cursors(client, mongo_database) == 1
        follow.insert("b")
        await follow.until(2)
    assert follow.seen == ["a", "b"]
    assert follow.gaps == 1


async def test_changes_are_heard_of_while_much_else_is_written(
    client: MongoClient[Document], mongo_database: str
):
    follow = Follow(client, mongo_database)
    async with follow.following():
        for number in range(20):
            client[mongo_database]["planets"].insert_many([{} for _ in range(200)])
            follow.insert(number)
            await asyncio.sleep(0.1)
        await follow.until(20)
    assert follow.seen == list(range(20))


def kill_cursors(client: MongoClient[Document], database: str) -> int:
    """Ends all cursors that wait for changes of the database; how many."""
    pipeline: list[Any] = [
        {"$currentOp": {"idleCursors": True}},
        {"$match": {"ns": {"$regex": rf"^{database}\.\$cmd"}, "cursor.cursorId": {"$exists": True}}},
    ]
    found = {each["cursor"]["cursorId"] for each in client.admin.aggregate(pipeline)}
    killed = client[database].command({"killCursors": "$cmd.aggregate", "cursors": sorted(found)})
    return len(killed["cursorsKilled"])
