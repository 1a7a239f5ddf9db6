"""Gateways and metadata are killed while values are added to a queue and taken from it.

No value whose adding was acknowledged is lost, none is there twice, their order stays, and what was taken
with an acknowledgement is never told again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from tests.support.account import Account
from tests.support.folder import V
from tests.support.load import until
from tests.support.recovery import all_in_rotation
from tests.support.stack import RunningStack

QUEUE = {**V, "content-type": "application/cdmi-queue"}
PRODUCERS, CONSUMERS = 3, 2


@dataclass
class QueueLoad:
    """Who adds, who takes, and what they were promised.

    `acknowledged`: values by producer in the order of their acknowledgement. `seen`: values by number.
    `taken_to`: no number up to it may be told by a request that begins now.
    """

    http: httpx.AsyncClient
    url: str
    acknowledged: dict[int, list[str]] = field(default_factory=dict)
    seen: dict[int, str] = field(default_factory=dict)
    taken_to: int = -1
    requests: int = 0
    failed: list[str] = field(default_factory=list)
    stopping: bool = False

    async def produce(self, producer: int) -> None:
        """Adds two values at a time, until it is told to stop."""
        mine = self.acknowledged.setdefault(producer, [])
        for number in itertools.count():
            if self.stopping:
                return
            values = [f"{producer}:{number}:{part}" for part in "ab"]
            answer = await self.ask("POST", "", json={"value": values}, headers=QUEUE)
            if answer is not None:
                mine += values

    async def consume(self) -> None:
        """Reads some values and takes just these, by their numbers, until it is told to stop."""
        while not self.stopping:
            if not await self.take():
                await asyncio.sleep(0.02)

    async def take(self) -> int:
        """Takes up to five values; how many there were."""
        before = self.taken_to
        answer = await self.ask("GET", "?queueValues;values:5", headers=V)
        if answer is None:
            return 1
        told = answer.json()
        if not told["value"]:
            return 0
        first = int(told["queueValues"].partition("-")[0])
        assert first > before, f"{first} was told after {before} had been taken"
        for number, value in enumerate(told["value"], first):
            assert self.seen.setdefault(number, value) == value, f"two values have the number {number}"
        last = first + len(told["value"]) - 1
        if await self.ask("DELETE", f"?values:{first}-{last}", headers=V) is not None:
            self.taken_to = max(self.taken_to, last)
        return len(told["value"])

    async def ask(self, method: str, query: str, **options: object) -> httpx.Response | None:
        """An answer that says that it is done; None for any other."""
        self.requests += 1
        try:
            answer = await self.http.request(method, self.url + query, **options)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            self.failed.append(f"{method} {query}: {error!r}")
            return None
        if answer.status_code in (200, 204):
            return answer
        # Who read before another one took finds that he is late.
        if answer.status_code != 400 or answer.json()["error"]["id"] != "badData":
            self.failed.append(f"{method} {query}: {answer.status_code} {answer.text}")
        return None

    async def more(self, count: int) -> None:
        """Returns when so many more requests were made."""
        wanted = self.requests + count

        async def are_made() -> bool:
            return self.requests >= wanted

        await until(are_made, 60.0, "load")

    async def drain(self) -> None:
        """Takes what is left."""
        while await self.take():
            pass

    def check(self) -> None:
        """All that was acknowledged was told once, in its order, and no number was left out."""
        assert sorted(self.seen) == list(range(len(self.seen)))
        in_order = [self.seen[number] for number in sorted(self.seen)]
        for producer, values in self.acknowledged.items():
            mine = [value for value in in_order if value.startswith(f"{producer}:")]
            assert len(mine) == len(set(mine)), "a value was added twice"
            assert values, "nothing was added"
            missing = set(values) - set(mine)
            assert not missing, f"lost: {sorted(missing)[:5]}"
            kept = set(values)
            assert [value for value in mine if value in kept] == values


@asynccontextmanager
async def queue_load(account: Account) -> AsyncIterator[QueueLoad]:
    async with account.client() as http:
        load = QueueLoad(http, f"/cdmi/{account.space}/queue-under-fire")
        made = await http.put(load.url, headers=QUEUE)
        assert made.status_code == 201, made.text
        try:
            async with asyncio.TaskGroup() as group:
                for producer in range(PRODUCERS):
                    group.create_task(load.produce(producer))
                for _ in range(CONSUMERS):
                    group.create_task(load.consume())
                try:
                    yield load
                finally:
                    load.stopping = True
            await load.drain()
        finally:
            await http.delete(load.url, headers=V)


@pytest.mark.cdmi("21.8.order")
async def test_no_acknowledged_value_is_lost_doubled_or_told_after_it_was_taken(
    stack: RunningStack, account: Account
) -> None:
    async with queue_load(account) as load:
        await load.more(60)
        for victim in ("gateway-1", "metadata-1", "metadata-2", "gateway-2"):
            old_pid = stack.kill(victim)
            await load.more(60)
            await asyncio.to_thread(stack.wait_back, victim, old_pid)
            await until(partial(asyncio.to_thread, all_in_rotation, stack), 30.0, "full rotation")
    assert not load.failed, load.failed[:5]
    load.check()
