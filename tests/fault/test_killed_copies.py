"""Instances die, or sleep, while a copy is made: it ends whole, or is undone, and is never seen in part."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.folder import API, CONTAINER, OBJECT, Folder, V
from tests.support.load import until
from tests.support.stack import RunningStack

FILES = 240
SIZE = 8209
LARGE = 700 << 20
#: Longest until another instance has gone on: a lease of 30 s, the next look after 10 s, the work itself.
ENDS_S = 90.0


@pytest.fixture
async def folder(stack: RunningStack) -> AsyncIterator[Folder]:
    async with stack.client() as http:
        made = Folder(http, stack.space, stack.space_id, f"copies-{secrets.token_hex(6)}")
        await made.make()
        yield made
        await made.remove()
        await http.delete(f"{API}/data/{made.id}/trash")


async def planted(folder: Folder) -> dict[str, str]:
    """A tree of small files: checksums by path."""
    sums: dict[str, str] = {}
    numbers = iter(range(FILES))

    async def write() -> None:
        for number in numbers:
            path, content = f"{number % 13}/f{number}", os.urandom(SIZE)
            url = f"{API}/data/{folder.id}/path/src/{path}?create_parents=true"
            assert (await folder.http.put(url, content=content)).status_code == 201
            sums[path] = hashlib.sha256(content).hexdigest()

    await asyncio.gather(*(write() for _ in range(8)))
    return sums


async def begun(folder: Folder, target: str, source: str, headers: dict[str, str]) -> asyncio.Task[None]:
    """A copy under way. The front door may try it again elsewhere; what it answers matters to nobody."""

    async def put() -> None:
        body = {"copy": f"{folder.space}/{folder.name}/{source}"}
        try:
            answer = await folder.http.put(folder.cdmi(target), json=body, headers=headers)
        except httpx.HTTPError:
            return
        assert answer.status_code in (201, 202, 400, 502, 503), answer.text

    return asyncio.create_task(put())


async def status(folder: Folder, target: str) -> str:
    """What the destination tells; whatever is not whole shows nothing of itself."""
    answer = await folder.http.get(folder.cdmi(target), headers=V)
    if answer.status_code != 200:
        return str(answer.status_code)
    told = answer.json()
    if told["completionStatus"] != "Complete":
        assert not {"children", "value"} & told.keys()
    return str(told["completionStatus"])


async def seen(folder: Folder, target: str) -> dict[str, str]:
    """Checksums of what the REST API shows of a copied tree; nothing while it is not there."""
    found: dict[str, str] = {}
    directory = await folder.lookup(target)
    if directory.status_code != 200:
        return found
    id = directory.json()["fileId"]
    body = {"limit": 1000, "attributes": ["path", "fileId"]}
    listed = await folder.http.request("GET", f"{API}/data/{id}/files", json=body)
    for file in listed.json()["files"]:
        content = await folder.http.get(f"{API}/data/{file['fileId']}/content")
        found[file["path"]] = hashlib.sha256(content.content).hexdigest()
    return found


@pytest.mark.parametrize(
    "victims",
    [("gateway-1", "gateway-2"), ("metadata-1", "metadata-2"), ("storage_router-1", "storage_router-2")],
)
async def test_a_tree_is_copied_whoever_dies_meanwhile(
    stack: RunningStack, folder: Folder, victims: tuple[str, str]
) -> None:
    sums = await planted(folder)
    copy = await begun(folder, "dst/", "src/", CONTAINER)
    await asyncio.sleep(0.3)
    for victim in victims:
        old_pid = stack.kill(victim)
        assert await seen(folder, "dst") in ({}, sums)
        await asyncio.to_thread(stack.wait_back, victim, old_pid)
    await copy
    await until(lambda: _is_complete(folder, "dst/"), ENDS_S, "whole copy")
    assert await seen(folder, "dst") == sums


async def _is_complete(folder: Folder, target: str) -> bool:
    try:
        return await status(folder, target) == "Complete"
    except httpx.HTTPError:
        return False


async def test_a_large_file_is_copied_though_its_data_ports_die(stack: RunningStack, folder: Folder) -> None:
    block = os.urandom(1 << 20)
    content = block * (LARGE >> 20)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGE >> 20):
            yield block

    url = f"{API}/data/{folder.id}/path/large"
    assert (await folder.http.put(url, content=pieces())).status_code == 201
    copy = await begun(folder, "copied", "large", OBJECT)
    await asyncio.sleep(0.2)
    for victim in ("storage_router-1", "storage_router-2"):
        old_pid = stack.kill(victim)
        await asyncio.to_thread(stack.wait_back, victim, old_pid)
    await copy
    await until(lambda: _is_complete_attributes(folder), ENDS_S, "whole copy")
    digest = hashlib.sha256()
    async with folder.http.stream("GET", folder.cdmi("copied")) as answer:
        async for piece in answer.aiter_raw(1 << 20):
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(content).digest()


async def _is_complete_attributes(folder: Folder) -> bool:
    try:
        answer = await folder.http.get(f"{folder.cdmi('copied')}?completionStatus", headers=V)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and answer.json() == {"completionStatus": "Complete"}


async def test_a_copy_whose_data_ports_sleep_goes_on_when_they_wake(
    stack: RunningStack, folder: Folder
) -> None:
    sums = await planted(folder)
    with stack.paused("storage_router-1"), stack.paused("storage_router-2"):
        copy = await begun(folder, "dst/", "src/", CONTAINER)
        await until(lambda: _is_processing(folder), 30.0, "copy under way")
        assert await seen(folder, "dst") == {}
    await copy
    await until(lambda: _is_complete(folder, "dst/"), ENDS_S, "whole copy")
    assert await seen(folder, "dst") == sums


async def _is_processing(folder: Folder) -> bool:
    return await status(folder, "dst/") == "Processing"


async def test_a_cancelled_copy_leaves_nothing(stack: RunningStack, folder: Folder) -> None:
    await planted(folder)
    before = _stored(stack)
    with stack.paused("storage_router-1"), stack.paused("storage_router-2"):
        copy = await begun(folder, "dst/", "src/", CONTAINER)
        await until(lambda: _is_processing(folder), 30.0, "copy under way")
        assert (await folder.http.delete(folder.cdmi("dst/"), headers=V)).status_code == 204
        assert await status(folder, "dst/") == "404"
    await copy
    # What instances that were killed before left behind is the sweep's, and goes later.
    await until(lambda: _stored(stack) <= before, ENDS_S, "storage without the copy")
    assert await status(folder, "dst/") == "404"


def _stored(stack: RunningStack) -> set[Path]:
    """Storage files that are as large as those that are copied."""
    files = set()
    for path in stack.layout.run_dir.rglob(f"{stack.space_id}/*/*/*/*"):
        with contextlib.suppress(FileNotFoundError):  # it is being removed
            if path.stat().st_size == SIZE:
                files.add(path)
    return files
