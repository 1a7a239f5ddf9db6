"""Queues used at two instances that know nothing of each other."""

from __future__ import annotations

import asyncio

import pytest
from isthmus.metadata.v1 import files_pb2, queues_pb2

from runtime.errors import IsthmusError, NoSuchFile
from services.metadata.domain.errors import LimitReached
from tests.support.metadata import SPACE, fresh_id
from tests.support.metadata_instances import Client, a_ref
from tests.support.waiting import until

Pair = tuple[Client, Client]


async def enqueue(client: Client, *contents: bytes, request_id: str = "", name: str = "q") -> int:
    values = [
        queues_pb2.QueueValue(content=content, mimetype="text/plain", value_transfer_encoding="utf-8")
        for content in contents
    ]
    request = queues_pb2.EnqueueValuesRequest(
        request_id=request_id or fresh_id(), file=a_ref(name), values=values
    )
    return int((await client.api.enqueue_values(request)).first)


async def dequeue(client: Client, count: int = 1) -> range:
    request = queues_pb2.DequeueValuesRequest(request_id=fresh_id(), file=a_ref("q"), count=count)
    answer = await client.api.dequeue_values(request)
    return range(answer.first, answer.first + answer.count)


async def held(client: Client, limit: int = 1000, name: str = "q") -> list[tuple[int, bytes]]:
    answer = await client.api.get_queue(queues_pb2.GetQueueRequest(file=a_ref(name), limit=limit))
    return [(value.number, value.content) for value in answer.values]


async def make(client: Client, name: str = "q") -> None:
    await client.create(name, type=files_pb2.FILE_TYPE_QUEUE)


async def test_values_added_at_two_instances_have_one_order(pair: Pair) -> None:
    one, two = pair

    async def fill(client: Client, mark: bytes) -> list[int]:
        return [await enqueue(client, mark + b"%d" % n, mark + b"%d" % n) for n in range(30)]

    with one.as_user():
        await make(one)
        numbers = await asyncio.gather(fill(one, b"a"), fill(two, b"b"), fill(one, b"c"), fill(two, b"d"))
        values = await held(two)
    assert [number for number, _ in values] == list(range(240))
    for mark, given in zip(b"abcd", numbers, strict=True):
        mine = [number for number, content in values if content[0] == mark]
        assert mine == [number for first in given for number in (first, first + 1)]
        contents = [content for _, content in values if content[0] == mark]
        assert contents == [bytes([mark]) + b"%d" % n for n in range(30) for _ in range(2)]


async def test_a_request_sent_to_both_is_done_once(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        await make(one)
        for n in range(10):
            firsts = await asyncio.gather(
                *(enqueue(client, b"%d" % n, request_id=f"same-{n}") for client in (one, two, one))
            )
            assert set(firsts) == {n}
        assert [content for _, content in await held(one)] == [b"%d" % n for n in range(10)]


async def test_each_value_is_taken_once_while_others_come(pair: Pair) -> None:
    one, two = pair
    taken: list[int] = []

    async def fill(client: Client) -> None:
        for _ in range(20):
            await enqueue(client, b"x", b"y")

    async def take(client: Client) -> None:
        for _ in range(20):
            taken.extend(await dequeue(client, 3))

    with one.as_user():
        await make(one)
        await asyncio.gather(fill(one), fill(two), take(one), take(two))
        left = [number for number, _ in await held(one)]
    assert sorted(taken) + left == list(range(80))
    assert len(set(taken)) == len(taken)


async def test_a_deleted_queue_gives_its_bytes_back(pair: Pair) -> None:
    one, two = pair

    async def all_is_free() -> bool:
        return await one.used_bytes() == 0

    with one.as_user():
        await make(one)
        for _ in range(3):
            await enqueue(two, *([b"x" * 1000] * 1000))
        await one.delete("q")
        with pytest.raises(NoSuchFile):
            await enqueue(two, b"late")
        await until(all_is_free)


async def test_refusals_say_what_the_limit_is(pair: Pair) -> None:
    one, _ = pair
    with one.as_user():
        await make(one)
        with pytest.raises(LimitReached) as refused:
            await enqueue(one, b"x" * (1 << 20) + b"x")
        assert refused.value.facts["limit"] == str(1 << 20)
        with pytest.raises(IsthmusError):
            await dequeue(one, 1001)


async def test_values_move_and_are_always_in_one_of_both(pair: Pair) -> None:
    one, two = pair

    async def move(client: Client) -> None:
        for _ in range(10):
            request = queues_pb2.TransferValuesRequest(
                request_id=fresh_id(), source=a_ref("q"), target=a_ref("r"), limit=3, remove=True
            )
            await client.api.transfer_values(request)

    with one.as_user():
        for name in "qr":
            await make(one, name)
        await enqueue(one, *(b"%02d" % n for n in range(60)))
        await asyncio.gather(move(one), move(two))
        assert await held(one) == []
        assert [content for _, content in await held(two, name="r")] == [b"%02d" % n for n in range(60)]


async def test_values_go_with_the_tree_they_are_in(pair: Pair) -> None:
    one, _ = pair

    async def nothing_is_held() -> bool:
        return await one.used_bytes() == 0

    with one.as_user():
        await one.mkdir("d")
        parent = files_pb2.FileRef(space_id=SPACE, path=["d"])
        await one.api.create_file(
            files_pb2.CreateFileRequest(
                request_id=fresh_id(), parent=parent, name="q", type=files_pb2.FILE_TYPE_QUEUE
            )
        )
        value = queues_pb2.QueueValue(content=b"x", mimetype="a/b", value_transfer_encoding="base64")
        where = files_pb2.FileRef(space_id=SPACE, path=["d", "q"])
        await one.api.enqueue_values(
            queues_pb2.EnqueueValuesRequest(request_id=fresh_id(), file=where, values=[value])
        )
        await one.delete("d")
        await until(nothing_is_held)
