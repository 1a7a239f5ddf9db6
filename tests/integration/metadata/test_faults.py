"""MongoDB away, instances restarted."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from isthmus.metadata.v1 import changes_pb2

from runtime.errors import IsthmusError, Unavailable
from tests.support.metadata import SPACE
from tests.support.metadata_instances import Client, Provider
from tests.support.servers import own_mongod
from tests.support.waiting import until


async def test_without_mongodb_callers_are_told_soon_and_it_recovers(tmp_path: Path, consul_url: str) -> None:
    async with own_mongod(tmp_path) as mongod:
        provider = Provider.make(tmp_path, mongod.url, "isthmus", consul_url)
        async with provider.instance(), provider.client() as client:
            await client.ensure_space()
            with client.as_user():
                await client.create("before")
                mongod.program.kill()
                began_s = time.monotonic()
                calls = [client.create(f"f{n}") for n in range(10)] + [client.get(f"x{n}") for n in range(10)]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
                assert time.monotonic() - began_s < 5
                mongod.restart()
                await until(lambda: works(client), timeout_s=20)
                assert (await client.get("before")).name == "before"
                for number in range(10):
                    assert (await client.create(f"g{number}")).name == f"g{number}"


async def works(client: Client) -> bool:
    try:
        await client.create(f"probe-{time.monotonic_ns()}")
    except IsthmusError:
        return False
    return True


async def test_a_frozen_mongodb_does_not_freeze_its_callers(tmp_path: Path, consul_url: str) -> None:
    async with own_mongod(tmp_path) as mongod:
        provider = Provider.make(tmp_path, mongod.url, "isthmus", consul_url)
        async with provider.instance(), provider.client() as client:
            await client.ensure_space()
            with client.as_user():
                mongod.program.signal(signal.SIGSTOP)
                with pytest.raises(IsthmusError):
                    async with asyncio.timeout(14):
                        await client.create("a")
                mongod.program.signal(signal.SIGCONT)
                await until(lambda: works(client), timeout_s=30)


async def test_a_restarted_instance_goes_on_where_the_last_one_was(provider: Provider) -> None:
    async with provider.instance(), provider.client() as client:
        await client.ensure_space()
        with client.as_user():
            await client.put("a", size_bytes=5)
        first = await numbered(client, 2)
    async with provider.instance("2"), provider.client() as client:
        with client.as_user():
            assert (await client.get("a")).size_bytes == 5
            await client.put("b", size_bytes=5)
        second = await numbered(client, len(first) + 2)
        assert second[: len(first)] == first
        assert [change.sequence for change in second] == list(range(1, len(second) + 1))


async def numbered(client: Client, at_least: int) -> list[changes_pb2.Change]:
    """The change log, once it has so many entries and rests."""
    log: list[changes_pb2.Change] = []

    async def rests() -> bool:
        nonlocal log
        before = log
        await asyncio.sleep(0.5)
        request = changes_pb2.ListChangesRequest(space_id=SPACE, page_size=1000)
        log = list((await client.api.list_changes(request)).changes)
        return len(log) >= at_least and log == before

    await until(rests, timeout_s=20)
    return log
