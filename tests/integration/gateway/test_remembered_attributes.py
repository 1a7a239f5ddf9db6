"""Gateways that remember, before two real instances of metadata: what one change confirms, all tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import AccessDenied, NoSuchFile
from runtime.identity import Identity
from services.metadata.clients.ownership import SETTLE_S
from services.metadata.domain import grants
from tests.support.leases import Gateway
from tests.support.metadata import ALICE, BOB, fresh_id
from tests.support.metadata_instances import Client, Provider, a_ref
from tests.support.waiting import until

OF_FILES = ("size", "posixPermissions", "hasCustomMetadata", "hardlinkCount", "path")
OF_DIRECTORIES = ("mtime", "posixPermissions")


class Asked(Gateway):
    """One gateway, over a link of its own."""

    def __init__(self, client: Client) -> None:
        super().__init__(client.api)
        self.client = client

    async def tells(self, file: files_pb2.File, *, who: Identity = BOB) -> dict[str, Any]:
        """Attributes as it tells them."""
        names = OF_DIRECTORIES if file.type == files_pb2.FILE_TYPE_DIRECTORY else OF_FILES
        return await self.attributes(who, file.file_id, *names, blob=self.client.key.sign(who))

    async def remembers(self, *files: files_pb2.File) -> None:
        """Returns when the next question about any of these asks nobody."""
        before = len(self.memory)

        async def remembered() -> bool:
            for file in files:
                await self.tells(file)
            return len(self.memory) - before == len(files)

        await until(remembered, SETTLE_S + 30)


@pytest.fixture(autouse=True)
def nothing_is_too_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "QUIET_MS", 0)


@pytest.fixture
async def provider(tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str) -> Provider:
    return Provider.make(tmp_path, mongo_url, mongo_database, consul_url)


@pytest.fixture
async def gateways(provider: Provider) -> AsyncIterator[list[Asked]]:
    """Two, before two instances."""
    async with AsyncExitStack() as stack:
        for name in ("1", "2"):
            await stack.enter_async_context(provider.instance(name))
        gateways = [Asked(await stack.enter_async_context(provider.client(instances=2))) for _ in range(2)]
        for gateway in gateways:
            stack.push_async_callback(gateway.memory.stop)
        with gateways[0].client.as_user():
            await gateways[0].client.ensure_space()
        yield gateways


async def test_every_change_is_told_by_all(gateways: list[Asked]):
    client = gateways[0].client
    with client.as_user():
        directory, file = await client.mkdir("d"), await client.put("d", "f", size_bytes=1)
    for each in gateways:
        await each.remembers(directory, file)

    async def told(of: files_pb2.File = file) -> dict[str, Any]:
        first, second = [await each.tells(of) for each in gateways]
        assert first == second
        return first

    before = await told(directory)
    with client.as_user():
        for size in range(2, 8):
            await gateways[size % 2].client.put("d", "f", size_bytes=size)
            assert (await told())["size"] == size
        mode = files_pb2.SetModeRequest(request_id=fresh_id(), file=a_ref("d", "f"), mode=0o600)
        await client.api.set_mode(mode)
        assert (await told())["posixPermissions"] == "600"
        xattr = xattrs_pb2.Xattr(name="key", value_json=b"1")
        await client.api.update_xattrs(
            xattrs_pb2.UpdateXattrsRequest(request_id=fresh_id(), file=a_ref("d", "f"), set=[xattr])
        )
        assert (await told())["hasCustomMetadata"] is True
        await client.link_over("second", target_id=file.file_id)
        assert (await told())["hardlinkCount"] == 2
        await asyncio.sleep(1.1)  # times are told in seconds
        new = await client.put("d", "new", size_bytes=1)
        assert before["mtime"] < new.mtime_ms // 1000 <= (await told(directory))["mtime"]
        await client.rename("d", "e")
        assert (await told())["path"] == "/Space/e/f"
        await client.api.set_mode(
            files_pb2.SetModeRequest(request_id=fresh_id(), file=a_ref("e"), mode=0o700)
        )
        for each in gateways:
            with pytest.raises(AccessDenied):
                await each.tells(file)
            assert (await each.tells(file, who=ALICE))["size"] == 7
        await client.delete("e", "f")
        for each in gateways:
            with pytest.raises(NoSuchFile):
                await each.tells(file, who=ALICE)


async def test_the_next_owner_is_asked_when_one_goes(provider: Provider):
    async with AsyncExitStack() as stack, provider.instance("1"):
        gateway = Asked(await stack.enter_async_context(provider.client()))
        stack.push_async_callback(gateway.memory.stop)
        client = gateway.client
        with client.as_user():
            await client.ensure_space()
            directory, file = await client.mkdir("d"), await client.put("d", "f", size_bytes=1)
        await gateway.remembers(directory, file)

        async def changes(sizes: range) -> None:
            for size in sizes:
                with client.as_user():
                    await client.put("d", "f", size_bytes=size)
                    assert (await gateway.tells(file))["size"] == size
                    child = await client.create("d", f"child-{size}")
                told = await gateway.tells(directory)
                # What it has made itself it tells, however young it is as an owner.
                assert told["mtime"] >= child.mtime_ms // 1000

        async with provider.instance("2"):
            await until(lambda: len(client.watch.instances) == 2)
            await changes(range(2, 6))
        await changes(range(6, 9))
