"""Deleted directories through the front door: out of sight, restored, or gone."""

from __future__ import annotations

import asyncio

import httpx

from tests.support.folder import API, Folder, errno
from tests.support.stack import RunningStack


async def deleted(folder: Folder) -> str:
    """A directory in the trash that has a file in it."""
    await folder.put("d/sub/file", b"hello", create_parents="true")
    id = str((await folder.lookup("d")).json()["fileId"])
    assert (await folder.http.delete(f"{API}/data/{id}")).status_code == 204
    return id


async def in_trash(folder: Folder, http: httpx.AsyncClient) -> list[str]:
    told = (await http.get(f"{API}/data/{folder.space_id}/trash")).json()
    return [each["fileId"] for each in told["directories"] if each["parentFileId"] == folder.id]


async def test_a_restored_directory_is_whole(folder: Folder) -> None:
    id = await deleted(folder)
    assert errno(await folder.http.get(f"{API}/data/{id}")) == "enoent"
    assert errno(await folder.lookup("d/sub/file")) == "enoent"
    assert await in_trash(folder, folder.http) == [id]
    answer = await folder.http.post(f"{API}/data/{id}/restore")
    assert (answer.status_code, answer.json()) == (200, {"fileId": id})
    content = await folder.http.get(f"{API}/data/{folder.id}/path/d/sub/file")
    assert content.content == b"hello"
    assert await in_trash(folder, folder.http) == []


async def test_conflicts_are_told_and_got_round(folder: Folder) -> None:
    id = await deleted(folder)
    await folder.create("d", type="DIR")
    restore = f"{API}/data/{id}/restore"
    assert errno(await folder.http.post(restore)) == "eexist"
    assert (await folder.http.post(restore, json={"name": "d2"})).status_code == 200
    assert (await folder.lookup("d2")).json() == {"fileId": id}


async def test_others_know_nothing_of_it(folder: Folder, member: httpx.AsyncClient) -> None:
    id = await deleted(folder)
    assert await in_trash(folder, member) == []
    assert errno(await member.post(f"{API}/data/{id}/restore")) == "enoent"
    assert errno(await member.delete(f"{API}/data/{id}/trash")) == "enoent"


async def test_what_is_purged_frees_its_bytes(stack: RunningStack, folder: Folder) -> None:
    await folder.put("d/file", b"x" * 100_003, create_parents="true")
    id = (await folder.lookup("d")).json()["fileId"]
    await folder.http.delete(f"{API}/data/{id}")
    assert (await folder.http.delete(f"{API}/data/{id}/trash")).status_code == 204
    assert errno(await folder.http.post(f"{API}/data/{id}/restore")) == "enoent"
    folder_of_storage = stack.layout.run_dir

    def is_gone() -> bool:
        files = folder_of_storage.rglob(f"{stack.space_id}/*/*/*/*")
        return not any(path.is_file() and path.stat().st_size == 100_003 for path in files)

    await asyncio.to_thread(stack.wait_until, is_gone)
