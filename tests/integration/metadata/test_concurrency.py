"""Many callers at once, at two instances that know nothing of each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Sequence

import pytest
from isthmus.metadata.v1 import contents_pb2, files_pb2

from runtime.errors import Aborted, FileExists, IsthmusError, NoSpace
from tests.support.metadata import BOB
from tests.support.metadata_instances import Client, a_ref
from tests.support.waiting import until

Pair = tuple[Client, Client]


async def together(*calls: Awaitable[object]) -> Sequence[object]:
    return await asyncio.gather(*calls, return_exceptions=True)


async def until_used(client: Client, size_bytes: int) -> None:
    """The other instance tells a moment later what it used of its lease."""

    async def is_told() -> bool:
        return await client.used_bytes() == size_bytes

    await until(is_told)


async def test_of_many_creates_of_one_name_one_wins(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        outcomes = await together(*(client.create("a") for client in pair for _ in range(20)))
        made = [outcome for outcome in outcomes if isinstance(outcome, files_pb2.File)]
        assert len(made) == 1
        assert sum(isinstance(outcome, FileExists) for outcome in outcomes) == 39
        assert (await two.get("a")).file_id == made[0].file_id


async def test_missing_parents_are_made_once(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        files = await asyncio.gather(
            *(client.create("a", "b", "c", f"{number}{index}", parents=True)
              for index, client in enumerate(pair) for number in range(15))
        )  # fmt: skip
        assert len({file.parent_id for file in files}) == 1
        assert len(await two.names("a", "b", "c")) == 30


async def test_a_name_that_becomes_a_link_is_never_missing(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        target = await one.create("target")
        await one.create("name")
        links = [client.link_over("name", text="target") for client in pair for _ in range(6)]
        links += [client.link_over("name", target_id=target.file_id) for client in pair for _ in range(6)]
        changing = asyncio.ensure_future(together(*links))
        seen = 0
        while not changing.done():
            assert sorted(await two.names()) == ["name", "target"]
            seen += 1
        outcomes = await changing
        made = {outcome.file_id for outcome in outcomes if isinstance(outcome, files_pb2.File)}
        assert all(isinstance(outcome, files_pb2.File | Aborted) for outcome in outcomes), outcomes
        assert (await one.get("name")).file_id in made
        assert seen
        # Links that lost their place are forgotten by their file: it counts its own name and what is left.
        left = 1 + (await one.get("name")).file_id.startswith("link_")
        assert (await two.get("target")).hard_link_count == left


async def test_moves_never_make_a_circle(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        for name in "abc":
            await one.mkdir(name)
        for _ in range(5):
            outcomes = await together(
                one.rename("a", "b/a"), two.rename("b", "c/b"), one.rename("c", "a/c"), two.rename("b", "a/b")
            )
            assert any(outcome is None for outcome in outcomes)
            assert await everything(two) == 3, outcomes
            await flatten(one)


async def everything(client: Client, *path: str) -> int:
    """How many directories can be reached."""
    count = 0
    for name in await client.names(*path):
        count += 1 + await everything(client, *path, name)
    return count


async def flatten(client: Client, *path: str) -> None:
    for name in await client.names(*path):
        await flatten(client, *path, name)
        if path:
            await client.rename("/".join((*path, name)), name)


async def test_patches_of_one_file_all_count(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        await one.create("a")
        writes = [client.put("a", size_bytes=2, offset=4 * n) for n, client in enumerate(pair * 32)]
        outcomes = await together(*writes)
        # Two instances hold two queues for the file; who loses all races is told to try again.
        lost = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Aborted)]
        for number in lost:
            await one.put("a", size_bytes=2, offset=4 * number)
        located = await two.api.locate_content(contents_pb2.LocateContentRequest(file=a_ref("a")))
        assert [block.offset for block in located.location.blocks] == [4 * n for n in range(64)]
        assert located.file.size_bytes == 254
        await until_used(one, 128)


async def test_the_quota_is_never_exceeded(pair: Pair) -> None:
    one, _ = pair
    await one.ensure_space(1000)
    with one.as_user():
        uploads = [client.put(f"f{n}", size_bytes=70) for n, client in enumerate(pair * 12)]
        outcomes = await together(*uploads)
        done = [outcome for outcome in outcomes if isinstance(outcome, files_pb2.File)]
        assert len(done) == 14
        assert all(isinstance(outcome, files_pb2.File | NoSpace) for outcome in outcomes)
        assert len(await one.names()) == 14
    await until_used(one, 980)


async def test_listings_miss_and_repeat_nothing_while_others_change(pair: Pair) -> None:
    one, two = pair
    stay = {f"stay{number:03}" for number in range(60)}
    with one.as_user():
        await asyncio.gather(*(one.create(name) for name in stay))
        stop = asyncio.Event()

        async def churn(client: Client, chance: random.Random) -> None:
            while not stop.is_set():
                name = f"stay{chance.randrange(60):03}{chance.choice('abc')}"
                await together(client.create(name))
                await together(client.delete(name))

        churning = [asyncio.create_task(churn(client, random.Random(n))) for n, client in enumerate(pair * 2)]
        for size in (3, 7, 20):
            names = await two.names(page_size=size)
            assert len(names) == len(set(names))
            assert stay <= set(names)
            assert names == sorted(names)
        stop.set()
        await asyncio.gather(*churning)


async def test_a_directory_deleted_while_files_are_made_loses_nothing_acknowledged(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        for number in range(10):
            await one.mkdir("d")
            delete = files_pb2.DeleteFileRequest(request_id=f"del{number}", file=a_ref("d"), only_empty=True)
            made, deleted = await together(two.create("d", "f"), one.api.delete_file(delete))
            if not isinstance(made, IsthmusError):
                assert (await one.get("d", "f")).file_id == made.file_id  # type: ignore[attr-defined]
            if not isinstance(deleted, IsthmusError):
                assert isinstance(made, IsthmusError)
                assert await two.names() == []
            else:
                await one.delete("d")


async def test_what_one_call_confirmed_the_next_call_sees(pair: Pair) -> None:
    one, two = pair
    for round_ in range(20):
        with one.as_user():
            await one.put("a", size_bytes=round_ + 1)
            for client in (one, two):
                assert (await client.get("a")).size_bytes == round_ + 1
        with two.as_user(BOB):
            await two.rename("a", "b")
            await two.rename("b", "a")


@pytest.mark.parametrize("round_", range(3))
async def test_overwrites_at_both_instances_leave_one_content(pair: Pair, round_: int) -> None:
    one, two = pair
    with one.as_user():
        await one.put("a", size_bytes=1)
        outcomes = await together(*(client.put("a", size_bytes=10 + n) for n, client in enumerate(pair * 8)))
        assert any(isinstance(outcome, files_pb2.File) for outcome in outcomes)
        located = [
            await client.api.locate_content(contents_pb2.LocateContentRequest(file=a_ref("a")))
            for client in (one, two)
        ]
        assert located[0].location == located[1].location
        assert (await two.get("a")).size_bytes == located[0].location.size_bytes
