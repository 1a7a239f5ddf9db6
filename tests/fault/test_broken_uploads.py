"""Uploads that never end, whoever's fault it is: nothing of them is visible, nothing stays on the storage."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.support.account import trust
from tests.support.load import until
from tests.support.own_space import REMOVED_S, OwnSpace, listing, make_space
from tests.support.stack import RunningStack

OLD = b"the old content\n"
SENT_BYTES = 3 << 20
LENGTH = 64 << 20


@pytest.fixture(scope="module")
def space(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> OwnSpace:
    """A space on a folder of its own."""
    return asyncio.run(make_space(stack, tmp_path_factory.mktemp("folder")))


@pytest.fixture(autouse=True)
async def empty_again(space: OwnSpace) -> AsyncIterator[None]:
    """Each test finds one file and leaves nothing."""
    async with space.account.client() as client:
        assert (await client.put(f"/cdmi/{space.account.space}/old", content=OLD)).status_code == 201
        yield
        for name in await listing(space.account):
            assert (await client.delete(f"/cdmi/{space.account.space}/{name}")).status_code == 204


class Sender:
    """A client that has sent the head of an upload and a part of its body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def vanish(self) -> None:
        """Without a word, as when a cable is pulled and the kernel gives up."""
        self._writer.transport.abort()

    def close(self) -> None:
        """In good order, although the body is not whole."""
        self._writer.close()

    async def answer(self) -> bytes:
        """All that comes back until the connection ends."""
        return await asyncio.wait_for(self._reader.read(), 30.0)


@asynccontextmanager
async def sending(space: OwnSpace, name: str, *, length: int, sent: int) -> AsyncIterator[Sender]:
    """An upload under way, `sent` bytes of `length` on the road."""
    where = urlsplit(space.account.url)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", where.port, ssl=trust(space.account.ca_file), server_hostname=where.hostname
    )
    head = (
        f"PUT /cdmi/{space.account.space}/{name} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"X-Auth-Token: {space.account.token}\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode() + bytes(sent))
    try:
        await writer.drain()
        yield Sender(reader, writer)
    finally:
        writer.transport.abort()


def receiver(stack: RunningStack, space: OwnSpace) -> int | None:
    """Process that has a file of the space's storage open for writing."""
    for name in ("storage_router-1", "storage_router-2"):
        pid = stack.pid(name)
        folder = str(space.mount_point / space.account.space_id)
        if any(file.path.startswith(folder) for file in psutil.Process(pid).open_files()):
            return pid
    return None


async def assert_only_old_content(space: OwnSpace) -> None:
    async with space.account.client() as client:
        old = await client.get(f"/cdmi/{space.account.space}/old")
        new = await client.get(f"/cdmi/{space.account.space}/new")
    assert (old.status_code, old.content) == (200, OLD)
    assert new.status_code == 404
    assert await listing(space.account) == {"old": len(OLD)}


@pytest.mark.parametrize(("length", "sent"), [(100, 50), (LENGTH, SENT_BYTES)], ids=["small", "large"])
@pytest.mark.parametrize("leave", [Sender.vanish, Sender.close], ids=["vanishes", "closes"])
async def test_a_client_that_leaves_changes_nothing(
    stack: RunningStack, space: OwnSpace, length: int, sent: int, leave: Callable[[Sender], None]
) -> None:
    before = space.storage_files()
    for name in ("old", "new"):
        async with sending(space, name, length=length, sent=sent) as sender:
            if length == LENGTH:
                await until(lambda: receiver(stack, space) is not None, 10.0, "upload under way")
            leave(sender)
    await until(lambda: space.storage_files() <= before, 10.0, "storage as it was")
    await assert_only_old_content(space)


@pytest.mark.parametrize("name", ["old", "new"])
async def test_a_killed_storage_router_leaves_nothing_after_the_sweep(
    stack: RunningStack, space: OwnSpace, name: str
) -> None:
    before = space.storage_files()
    async with sending(space, name, length=LENGTH, sent=SENT_BYTES) as sender:
        await until(lambda: receiver(stack, space) is not None, 10.0, "upload under way")
        os.kill(receiver(stack, space) or 0, signal.SIGKILL)
        answer = await sender.answer()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 503 "), answer[:300]
    await assert_only_old_content(space)
    await space.swept_clean(before)
    await assert_only_old_content(space)


async def test_what_was_replaced_or_deleted_goes_from_the_storage(space: OwnSpace) -> None:
    before, base = space.storage_files(), f"/cdmi/{space.account.space}"
    async with space.account.client() as client:
        for content in (b"first", bytes(1 << 20), b""):
            assert (await client.put(f"{base}/replaced", content=content)).is_success
        assert (await client.put(f"{base}/deleted", content=bytes(1 << 20))).status_code == 201
        assert (await client.delete(f"{base}/deleted")).status_code == 204
        assert (await client.get(f"{base}/replaced")).content == b""
    await until(lambda: space.storage_files() <= before, REMOVED_S, "storage as it was")


async def test_a_large_upload_is_repeated_after_a_kill(stack: RunningStack, space: OwnSpace) -> None:
    content, path = os.urandom(12 << 20), f"/cdmi/{space.account.space}/large"
    async with space.account.client() as client:
        # Told in the envelope where there is still a connection to tell it on.
        with pytest.raises((httpx.TransportError, httpx.HTTPStatusError)):
            (await client.put(path, content=_halted(stack, space, content))).raise_for_status()
        assert (await client.get(path)).status_code == 404
        assert (await client.put(path, content=content)).status_code == 201
        assert (await client.get(path)).content == content
    assert await listing(space.account) == {"old": len(OLD), "large": len(content)}


async def _halted(stack: RunningStack, space: OwnSpace, content: bytes) -> AsyncIterator[bytes]:
    """The body; whoever receives its first half is killed before the second."""
    half = len(content) // 2
    yield content[:half]
    await until(lambda: receiver(stack, space) is not None, 10.0, "upload under way")
    os.kill(receiver(stack, space) or 0, signal.SIGKILL)
    yield content[half:]
