"""Instances die while a tree is removed, or comes as an archive: it is removed, and comes, all the same."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import tarfile
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.folder import API, Folder
from tests.support.load import until
from tests.support.recovery import all_in_rotation
from tests.support.stack import RunningStack

FILES = 300
#: No other file of the stack has this size.
SIZE = 4099


@pytest.fixture
async def folder(stack: RunningStack) -> AsyncIterator[Folder]:
    async with stack.client() as http:
        made = Folder(http, stack.space, stack.space_id, f"trees-{secrets.token_hex(6)}")
        await made.make()
        yield made
        await made.remove()


async def killed(stack: RunningStack, name: str) -> None:
    """One instance dies, and its successor is in use."""
    old_pid = stack.kill(name)
    await asyncio.to_thread(stack.wait_back, name, old_pid)
    await until(partial(asyncio.to_thread, all_in_rotation, stack), 60.0, "full rotation")


def stored(stack: RunningStack) -> int:
    """Files of the tree that are on the storage."""
    files = stack.layout.run_dir.rglob(f"{stack.space_id}/*/*/*/*")
    return sum(path.is_file() and path.stat().st_size == SIZE for path in files)


async def test_a_tree_is_removed_whoever_dies_meanwhile(stack: RunningStack, folder: Folder) -> None:
    numbers = iter(range(FILES))

    async def write() -> None:
        for number in numbers:
            url = f"{API}/data/{folder.id}/path/d/{number % 17}/f{number}?create_parents=true"
            answer = await folder.http.put(url, content=os.urandom(SIZE))
            assert answer.status_code == 201, answer.text

    await asyncio.gather(*(write() for _ in range(8)))
    directory = (await folder.lookup("d")).json()["fileId"]
    assert stored(stack) == FILES
    assert (await folder.http.delete(f"{API}/data/{directory}")).status_code == 204
    assert (await folder.http.delete(f"{API}/data/{directory}/trash")).status_code == 204
    for victim in ("metadata-1", "storage_router-1", "metadata-2", "storage_router-2"):
        await killed(stack, victim)
    await asyncio.to_thread(stack.wait_until, lambda: stored(stack) == 0, 120.0)


async def broken_off(stack: RunningStack, folder: Folder, path: str) -> bytearray:
    """What comes of an archive while every data port dies once."""
    data = bytearray()
    try:
        async with folder.http.stream("GET", path) as answer:
            async for piece in answer.aiter_raw(65536):
                if not data:
                    for victim in ("storage_router-1", "storage_router-2"):
                        await killed(stack, victim)
                data += piece
    except httpx.HTTPError:
        return data
    raise AssertionError("whoever sent it was killed, and yet it came to its end")


async def test_an_archive_goes_on_at_another_instance(stack: RunningStack, folder: Folder) -> None:
    contents = {f"f{number}": os.urandom(8_000_000) for number in range(4)}
    for name, content in contents.items():
        await folder.put(name, content)
    offer = await folder.http.get(f"{API}/data/{folder.id}/content")
    path = urlsplit(offer.headers["location"]).path
    data = await broken_off(stack, folder, path)
    rest = await folder.http.get(path, headers={"range": f"bytes={len(data)}-"})
    assert rest.status_code == 206, rest.text
    found = {}
    with tarfile.open(fileobj=io.BytesIO(bytes(data) + rest.content)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            found[member.name] = file.read() if file else None
    told = {f"{folder.name}/{name}": content for name, content in contents.items()}
    assert found == {folder.name: None, **told}
