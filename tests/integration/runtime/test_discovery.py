"""Registration and watching against a real Consul."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from runtime import breaker, discovery
from runtime.consul import Consul, ConsulAway
from runtime.discovery import Acquainted, Instance, Registrar, Registration, Watch
from tests.support.ports import free_port
from tests.support.servers import own_consul


@pytest.fixture
def service() -> str:
    return f"service-{secrets.token_hex(4)}"


@pytest.fixture
async def health_port() -> AsyncIterator[int]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


def registration(service: str, number: int, port: int) -> Registration:
    return Registration(service, f"{service}-{number}", "127.0.0.1", port, meta={"pid": "7"})


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_registered_instance_is_seen_at_once(consul_url: str, service: str, health_port: int) -> None:
    watch, registrar = (
        Watch(consul_url, service),
        Registrar(consul_url, [registration(service, 1, health_port)]),
    )
    await watch.start()
    assert not watch.instances
    started_s = time.monotonic()
    await registrar.start()
    assert await watch.ready(2.0)
    assert time.monotonic() - started_s < 1.0
    assert watch.instances == (
        Instance(service, f"{service}-1", "127.0.0.1", health_port, meta={"pid": "7"}, healthy=True),
    )
    await registrar.stop()
    await until(lambda: watch.instances == (), 1.0)
    await watch.stop()


async def test_a_dead_instance_becomes_unhealthy(consul_url: str, service: str) -> None:
    dead = free_port()
    watch, registrar = (
        Watch(consul_url, service),
        Registrar(consul_url, lambda: [registration(service, 1, dead)]),
    )
    await watch.start()
    await registrar.start()
    await until(lambda: [each.healthy for each in watch.instances] == [False], 5.0)
    assert not await watch.ready(0.05)
    await registrar.stop()
    await watch.stop()


@pytest.mark.parametrize("check", ["http", "tcp"])
async def test_other_kinds_of_servers_are_checked_too(
    consul_url: str, service: str, check: Literal["http", "tcp"]
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    checked = Registration(service, f"{service}-1", "127.0.0.1", port, check=check)
    # Nobody listens there, and nobody asks.
    other = Registration(f"{service}-too", f"{service}-2", "127.0.0.1", 1, checked_by=f"{service}-1")
    registrar = Registrar(consul_url, [checked, other])
    watches = [Watch(consul_url, checked.service), Watch(consul_url, other.service)]
    for watch in watches:
        await watch.start()
    await registrar.start()
    await asyncio.sleep(2)
    for watch in watches:
        assert await watch.ready(0.5), "still healthy after Consul has looked"
    server.close()
    for watch in watches:
        await until(lambda watch=watch: not any(each.healthy for each in watch.instances), 5.0)  # type: ignore[misc]
    await registrar.stop()
    for watch in watches:
        assert watch.instances == ()
        await watch.stop()
    await server.wait_closed()


async def test_what_consul_forgot_is_registered_again(
    consul_url: str, service: str, health_port: int
) -> None:
    watch, registrar = (
        Watch(consul_url, service),
        Registrar(consul_url, [registration(service, 1, health_port)]),
    )
    await watch.start()
    await registrar.start()
    assert await watch.ready(2.0)
    consul = Consul(consul_url)
    await consul.deregister(f"{service}-1")
    await consul.deregister(f"{service}-1")
    await until(lambda: watch.instances == (), 1.0)
    assert await watch.ready(6.0)
    for part in (registrar, watch):
        await part.stop()
    await consul.close()


async def test_an_agent_that_talks_nonsense_is_one_that_is_away(service: str) -> None:
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        body = (b"[{", b"\xff\xfe", b"[]")[min(asked, 2)]
        asked += 1
        head = f"HTTP/1.1 200 OK\r\nx-consul-index: 7\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        writer.close()

    agent = await asyncio.start_server(answer, "127.0.0.1", 0)
    watch = Watch(f"http://127.0.0.1:{agent.sockets[0].getsockname()[1]}", service)
    await watch.start()
    await until(lambda: asked > 4)
    assert watch.age_s < 5.0
    await watch.stop()
    agent.close()
    await agent.wait_closed()


async def test_a_request_that_others_cancel_does_not_end_who_follows(consul_url: str) -> None:
    consul = Consul(consul_url)
    inner = asyncio.get_running_loop().create_future()
    inner.cancel()
    with pytest.raises(ConsulAway, match="not by who asked"):
        await consul._ask(inner)
    asking = asyncio.create_task(consul._ask(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await consul.close()


async def test_subscribers_hear_every_change(consul_url: str, service: str, health_port: int) -> None:
    watch = Watch(consul_url, service)
    heard: list[int] = []
    unsubscribe = watch.subscribe(lambda instances: heard.append(len(instances)))
    await watch.start()
    for number in (1, 2):
        registrar = Registrar(consul_url, [registration(service, number, health_port)])
        await registrar.start()
        await until(lambda: len(heard) > 0 and heard[-1] == 1, 2.0)
        await registrar.stop()
        await until(lambda: heard[-1] == 0, 2.0)
        unsubscribe() if number == 2 else None
    assert watch.age_s < 8
    await watch.stop()


async def test_consul_may_be_absent_at_start(service: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    watch, registrar = Watch(nowhere, service), Registrar(nowhere, [registration(service, 1, 1)])
    started_s = time.monotonic()
    for part in (watch, registrar):
        await part.start()
    for part in (registrar, watch):
        await part.stop()
    assert time.monotonic() - started_s < 6
    assert watch.instances == ()
    assert watch.age_s == float("inf")


async def test_a_start_is_held_up_until_somebody_is_known(
    consul_url: str, service: str, health_port: int
) -> None:
    watch = Watch(consul_url, service)
    await watch.start()
    start = asyncio.create_task(Acquainted(watch, timeout_s=20.0).start())
    await asyncio.sleep(0.2)
    assert not start.done()
    registrar = Registrar(consul_url, [registration(service, 1, health_port)])
    await registrar.start()
    await asyncio.wait_for(start, 2.0)
    await registrar.stop()
    await watch.stop()


async def test_a_start_goes_on_when_nobody_comes(consul_url: str, service: str) -> None:
    watch = Watch(consul_url, service)
    await watch.start()
    await asyncio.wait_for(Acquainted(watch, timeout_s=0.1).start(), 2.0)
    await watch.stop()


async def test_it_is_known_since_when_nothing_can_have_come_and_gone(
    consul_url: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "WAIT_S", 1)
    watch = Watch(consul_url, service)
    assert watch.steady_since_s == float("inf")
    await watch.start()
    first = watch.steady_since_s
    assert first <= time.monotonic()
    await asyncio.sleep(1.5)
    assert watch.steady_since_s == first
    monkeypatch.setattr(discovery, "GAP_S", 0.2)
    await until(lambda: watch.steady_since_s == float("inf"))
    # Consul confirms again, after what is a gap now.
    await until(lambda: first < watch.steady_since_s < float("inf"))
    await watch.stop()


@contextlib.asynccontextmanager
async def agent_that_tells(*answers: tuple[int, int, list[str]]) -> AsyncIterator[str]:
    """An agent with one answer for each question: status, index, and who is there. Then it says no more."""
    left, over = deque(answers), asyncio.Event()
    asked: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.add(asyncio.current_task())
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            if not left:
                await over.wait()
                break
            status, index, ids = left.popleft()
            told = [{"Service": {"ID": each, "Address": "h", "Port": 1}, "Checks": []} for each in ids]
            body = json.dumps(told)
            head = f"HTTP/1.1 {status} .\r\nx-consul-index: {index}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()
        await asyncio.gather(*(task for task in asked if task))


async def test_a_consul_that_was_away_is_doubted_whatever_its_index(service: str) -> None:
    answers = ((200, 7, ["a", "b"]), (500, 0, []), (200, 9, ["b"]), (200, 12, []))
    async with agent_that_tells(*answers) as url:
        watch = Watch(url, service)
        heard: list[list[str]] = []
        watch.subscribe(lambda instances: heard.append([each.instance_id for each in instances]))
        await watch.start()
        # `b` was seen since and is really gone; of `a` nothing is known yet.
        await until(lambda: heard[-1] == ["a"])
        await watch.stop()
    assert heard == [["a", "b"], ["a"]]


async def test_known_instances_outlive_a_consul_that_lost_everything(
    tmp_path: Path, service: str, health_port: int
) -> None:
    async with own_consul(tmp_path) as consul:
        watch = Watch(consul.url, service)
        registrar = Registrar(consul.url, [registration(service, 1, health_port)])
        seen: list[int] = []
        watch.subscribe(lambda instances: seen.append(len(instances)))
        await watch.start()
        await registrar.start()
        assert await watch.ready(2.0)

        await asyncio.to_thread(consul.program.kill)
        await asyncio.sleep(0.5)
        assert len(watch.instances) == 1
        await asyncio.to_thread(consul.restart)
        away_s = watch.age_s
        await until(lambda: watch.age_s < away_s)
        other = Watch(consul.url, service)
        await other.start()
        assert await other.ready(8.0), "registered again"
        assert min(seen) == 1, "never forgotten in between"
        for part in (registrar, watch, other):
            await part.stop()


async def test_what_is_told_later_is_known_to_all(consul_url: str, service: str, health_port: int) -> None:
    watch, registrar = (
        Watch(consul_url, service),
        Registrar(consul_url, [registration(service, 1, health_port)]),
    )
    await watch.start()
    await registrar.start()
    await until(lambda: bool(watch.instances))
    why = breaker.of_watch(watch)
    assert why() == ""
    registrar.tell(**{breaker.REFUSED_WRITES: breaker.DATABASE_FULL})
    await until(lambda: why() == breaker.DATABASE_FULL)
    assert watch.instances[0].meta["pid"] == "7"
    registrar.tell(**{breaker.REFUSED_WRITES: ""})
    await until(lambda: why() == "")
    await registrar.stop()
    await watch.stop()
