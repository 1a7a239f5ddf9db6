"""Data ports that remember, before two real instances of metadata: what one change confirms, all see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from isthmus.metadata.v1 import contents_pb2, files_pb2

from runtime.auth import as_caller
from runtime.clock import SystemClock
from runtime.errors import AccessDenied, NoSuchFile, PermissionDenied
from services.metadata.clients.ownership import SETTLE_S
from services.storage_router.clients.contents import MetadataContents
from services.storage_router.domain.contents import FileRef
from services.storage_router.domain.remembered import RememberedContents
from tests.support.metadata import ALICE, BOB, SPACE, fresh_id
from tests.support.metadata_instances import Client, Provider, a_ref
from tests.support.waiting import until


class Port:
    """A data port's memory over a link of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.memory = RememberedContents(MetadataContents(client.api, holder=fresh_id("h")), SystemClock())

    async def size(self, *path: str, who: object = BOB) -> int:
        """Size of a file as this port would serve it."""
        with as_caller(who, self.client.key.sign(who)):  # type: ignore[arg-type]
            return (await self.memory.locate(FileRef(SPACE, path=path))).location.size_bytes

    async def remembers(self, *path: str) -> None:
        """Returns when the next read of the file asks nobody."""

        async def remembered() -> bool:
            await self.size(*path)
            return len(self.memory) > 0

        await until(remembered, SETTLE_S + 15)


@pytest.fixture
async def provider(tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str) -> Provider:
    return Provider.make(tmp_path, mongo_url, mongo_database, consul_url)


@pytest.fixture
async def ports(provider: Provider) -> AsyncIterator[list[Port]]:
    """Two, with a file that both remember, before two instances."""
    async with AsyncExitStack() as stack:
        for name in ("1", "2"):
            await stack.enter_async_context(provider.instance(name))
        clients = [await stack.enter_async_context(provider.client(instances=2)) for _ in range(2)]
        ports = [Port(client) for client in clients]
        for port in ports:
            stack.push_async_callback(port.memory.stop)
        with clients[0].as_user():
            await clients[0].ensure_space()
            await clients[0].mkdir("d")
            await clients[0].put("d", "f", size_bytes=1)
        for port in ports:
            await port.remembers("d", "f")
        yield ports


async def test_an_overwrite_is_seen_through_all_ports(ports: list[Port]):
    for size in range(2, 12):
        with ports[0].client.as_user():
            await ports[size % 2].client.put("d", "f", size_bytes=size)
        assert [await port.size("d", "f") for port in ports] == [size, size]


async def test_rights_taken_away_are_gone_everywhere(ports: list[Port]):
    client = ports[0].client
    with client.as_user():
        await client.api.set_mode(
            files_pb2.SetModeRequest(request_id=fresh_id(), file=a_ref("d"), mode=0o700)
        )
    for port in ports:
        with pytest.raises(AccessDenied):
            await port.size("d", "f")
        assert await port.size("d", "f", who=ALICE) == 1


async def test_another_name_above_is_seen_everywhere(ports: list[Port]):
    with ports[0].client.as_user():
        await ports[0].client.rename("d", "e")
    for port in ports:
        with pytest.raises(NoSuchFile):
            await port.size("d", "f")
        assert await port.size("e", "f") == 1


async def test_a_port_that_died_delays_a_change_by_its_lease_at_most(ports: list[Port]):
    await ports[0].memory.stop()  # it renews and confirms nothing from here on
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    with ports[1].client.as_user():
        await ports[1].client.put("d", "f", size_bytes=2)
    assert await ports[1].size("d", "f") == 2
    assert loop.time() - begun_s < 10, "the lease ended long ago"


async def test_leases_are_for_services_only(ports: list[Port]):
    client = ports[0].client
    request = contents_pb2.RenewLeaseRequest(space_id=SPACE, holder="me")
    with client.as_user(), pytest.raises(PermissionDenied):
        await client.api.mux.call(
            "/isthmus.metadata.v1.ContentService/RenewLease",
            request,
            contents_pb2.RenewLeaseResponse,
            routing_key=SPACE,
        )


async def test_the_next_owner_is_asked_when_one_goes(provider: Provider):
    async with AsyncExitStack() as stack, provider.instance("1"):
        client = await stack.enter_async_context(provider.client())
        port = Port(client)
        stack.push_async_callback(port.memory.stop)
        with client.as_user():
            await client.ensure_space()
            await client.put("f", size_bytes=1)
        await port.remembers("f")
        async with provider.instance("2"):
            await until(lambda: len(client.watch.instances) == 2)
            for size in range(2, 6):
                with client.as_user():
                    await client.put("f", size_bytes=size)
                assert await port.size("f") == size
        for size in range(6, 9):
            with client.as_user():
                await client.put("f", size_bytes=size)
            assert await port.size("f") == size
