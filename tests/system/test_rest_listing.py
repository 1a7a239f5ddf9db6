"""Listings through the front door: pages of directories and of whole trees, while others change them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.support.folder import API, Folder, errno

AT_ONCE = 32


async def pages(folder: Folder, url: str, **query: str | int) -> AsyncIterator[dict[str, Any]]:
    """All pages of a listing."""
    last: str | None = None
    while True:
        answer = await folder.http.get(url, params={**query, **({"token": last} if last else {})})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page
        if page.get("isLast", page["nextPageToken"] is None):
            return
        last = page["nextPageToken"]


async def plant(folder: Folder, *paths: str) -> None:
    """Empty files, with the directories they need."""
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first : first + AT_ONCE]
        answers = await asyncio.gather(
            *(folder.create(path, type="REG", create_parents="true") for path in some)
        )
        assert {answer.status_code for answer in answers} == {201}


async def test_a_tree_is_listed_in_order(folder: Folder) -> None:
    await plant(folder, "b/x", "b/a/z", "b-c", "a")
    url = f"{API}/data/{folder.id}/files"
    assert [[file["path"] for file in page["files"]] async for page in pages(folder, url, limit=3)] == [
        ["a", "b/a/z", "b/x"], ["b-c"],
    ]  # fmt: skip
    body = {"prefix": "b/", "include_directories": True, "attributes": ["path", "type"]}
    told = (await folder.http.request("GET", url, json=body)).json()
    assert [(file["path"], file["type"]) for file in told["files"]] == [
        ("b/a", "DIR"), ("b/a/z", "REG"), ("b/x", "REG"),
    ]  # fmt: skip


async def test_a_listing_goes_on_after_what_is_gone(folder: Folder) -> None:
    await plant(folder, "a/b/c", "a/d", "e")
    url = f"{API}/data/{folder.id}/files"
    token = (await folder.http.get(url, params={"limit": 1})).json()["nextPageToken"]
    directory = (await folder.lookup("a")).json()["fileId"]
    assert (await folder.http.delete(f"{API}/data/{directory}")).status_code == 204
    for query in ({"token": token}, {"start_after": "a/b/c"}, {"start_after": "a/gone/far/away"}):
        told = (await folder.http.get(url, params=query)).json()
        assert [file["path"] for file in told["files"]] == ["e"]
    assert errno(await folder.http.get(f"{API}/data/{directory}/files")) == "enoent"


async def test_closed_directories_are_told_apart(folder: Folder, member: httpx.AsyncClient) -> None:
    await plant(folder, "open/x", "closed/y")
    closed = (await folder.lookup("closed")).json()["fileId"]
    await folder.http.put(f"{API}/data/{closed}", json={"mode": "700"})
    told = (await member.get(f"{API}/data/{folder.id}/files")).json()
    assert ([file["path"] for file in told["files"]], told["inaccessiblePaths"]) == (["open/x"], ["closed"])
    assert (await member.get(f"{API}/data/{closed}/files")).json()["inaccessiblePaths"] == ["."]


async def test_pages_miss_and_repeat_nothing_while_others_create_and_delete(folder: Folder) -> None:
    stay = [f"f{number:04}" for number in range(0, 1000, 2)]
    await plant(folder, *stay, *(f"f{number:04}" for number in range(1, 1000, 2)))
    done = asyncio.Event()

    async def disturb() -> None:
        number = 1
        while not done.is_set():
            await folder.http.delete(f"{API}/data/{folder.id}/path/f{number % 1000:04}")
            await folder.create(f"f{(number * 37) % 1000:04}-new", type="REG")
            number += 2

    async def names() -> list[str]:
        url = f"{API}/data/{folder.id}/children"
        return [child["name"] async for page in pages(folder, url, limit=50) for child in page["children"]]

    async def tree() -> list[str]:
        url = f"{API}/data/{folder.id}/files"
        return [file["path"] async for page in pages(folder, url, limit=50) for file in page["files"]]

    disturbers = [asyncio.create_task(disturb()) for _ in range(2)]
    try:
        for listed in await asyncio.gather(names(), tree(), names(), tree()):
            assert listed == sorted(set(listed))
            assert set(stay) <= set(listed)
    finally:
        done.set()
        await asyncio.gather(*disturbers)
