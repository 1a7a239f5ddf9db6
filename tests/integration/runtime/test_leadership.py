"""At most one leader, a new one soon after the old one is gone: with a real Consul."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.consul import Consul
from runtime.leadership import Leadership
from runtime.periodic import Periodic
from tests.support.servers import own_consul

TTL_S = 2


@pytest.fixture
def duty() -> str:
    return f"duty-{secrets.token_hex(4)}"


def candidates(consul_url: str, duty: str, count: int) -> list[Leadership]:
    return [Leadership(consul_url, duty, f"worker-{number}", ttl_s=TTL_S) for number in range(count)]


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_exactly_one_of_many_leads(consul_url: str, duty: str) -> None:
    many = candidates(consul_url, duty, 4)
    for each in many:
        await each.start()
    await until(lambda: any(each.is_leader for each in many))
    for _ in range(50):
        assert sum(each.is_leader for each in many) <= 1
        await asyncio.sleep(0.01)
    for each in many:
        await each.stop()


async def test_another_leads_at_once_when_the_leader_stops(consul_url: str, duty: str) -> None:
    first, second = candidates(consul_url, duty, 2)
    await first.start()
    await until(lambda: first.is_leader)
    await second.start()
    token = first.fencing_token
    assert token > 0
    assert second.fencing_token == 0
    await first.stop()
    assert not first.is_leader
    await until(lambda: second.is_leader, 1.0)
    assert second.fencing_token > token
    await second.stop()


async def test_who_waits_for_the_lock_renews_nothing(consul_url: str, duty: str) -> None:
    first, second = candidates(consul_url, duty, 2)
    await first.start()
    await until(lambda: first.is_leader)
    await second.start()
    await until(lambda: second._session == "", 2.0)
    await asyncio.sleep(TTL_S)
    assert (first.is_leader, second._session) == (True, "")
    await second.stop()
    await first.stop()


async def test_a_leader_renews_past_its_ttl(consul_url: str, duty: str) -> None:
    [leader] = candidates(consul_url, duty, 1)
    await leader.start()
    await until(lambda: leader.is_leader)
    token = leader.fencing_token
    for _ in range(50):
        await asyncio.sleep(0.1)
        assert leader.fencing_token == token
    await leader.stop()


async def test_a_leader_whose_session_ended_campaigns_again(consul_url: str, duty: str) -> None:
    [leader] = candidates(consul_url, duty, 1)
    await leader.start()
    await until(lambda: leader.is_leader)
    token = leader.fencing_token
    consul = Consul(consul_url)
    _, key = await consul.get(f"isthmus/leaders/{duty}")
    assert key is not None
    assert key.value == b'{"instance_id": "worker-0"}'
    await consul.destroy_session(key.session)
    await until(lambda: leader.is_leader and leader.fencing_token > token, 5.0)
    await leader.stop()
    await consul.close()


async def test_a_silent_leader_stops_before_another_begins(consul_url: str, duty: str) -> None:
    first, second = candidates(consul_url, duty, 2)
    await first.start()
    await until(lambda: first.is_leader)
    await second.start()
    # Cut off, as a paused process or one behind a broken network would be: nothing is sent any more.
    assert first._task is not None
    first._task.cancel()
    while not second.is_leader:
        await asyncio.sleep(0.005)
        assert not (first.is_leader and second.is_leader)
    assert not first.is_leader
    await first.stop()
    await second.stop()


async def test_no_leader_believes_longer_than_consul_is_away(tmp_path: Path, duty: str) -> None:
    async with own_consul(tmp_path) as consul:
        [leader] = candidates(consul.url, duty, 1)
        await leader.start()
        await until(lambda: leader.is_leader)
        await asyncio.to_thread(consul.program.kill)
        await until(lambda: not leader.is_leader, TTL_S + 0.5)
        await asyncio.to_thread(consul.restart)
        await until(lambda: leader.is_leader, 8.0)
        await leader.stop()


async def test_rounds_run_on_the_leader_only(consul_url: str, duty: str) -> None:
    first, second = candidates(consul_url, duty, 2)
    ran: list[int] = []

    def worker(number: int, leadership: Leadership) -> Periodic:
        async def run_once() -> int:
            ran.append(number)
            return 0

        return Periodic(f"worker-{number}", run_once, 0.05, leadership=leadership)

    parts: list[Leadership | Periodic] = [first, worker(1, first)]
    for part in parts:
        await part.start()
    await until(lambda: len(ran) >= 2)
    others: list[Leadership | Periodic] = [second, worker(2, second)]
    for part in others:
        await part.start()
    await asyncio.sleep(0.3)
    assert set(ran) == {1}
    for part in reversed(parts):
        await part.stop()
    await until(lambda: 2 in ran, 2.0)
    for part in reversed(others):
        await part.stop()
