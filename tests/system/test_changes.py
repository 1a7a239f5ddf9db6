"""The stream of changes through the front door: live, resumed, by two readers, and over a gateway's death."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.folder import API, Folder, error
from tests.support.stack import RunningStack

META = {"fileMeta": {"fields": ["name", "deleted"]}}


class Stream:
    """Lines as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.seen: list[dict[str, Any]] = []

    async def until(self, name: str, *, deleted: bool = False) -> dict[str, Any]:
        """The first line about a file of this name in that state."""
        async with asyncio.timeout(30):
            async for text in self._lines:
                line = json.loads(text)
                self.seen.append(line)
                if line["fileMeta"]["fields"] == {"name": name, "deleted": deleted}:
                    return line
        raise AssertionError("the stream ended")


@asynccontextmanager
async def following(stack: RunningStack, query: str = "") -> AsyncIterator[Stream]:
    url = f"{API}/changes/metadata/{stack.space_id}?{query}"
    async with stack.client() as client, client.stream("POST", url, json=META, timeout=60) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Stream(answer)


async def test_changes_arrive_while_they_happen(stack: RunningStack, folder: Folder) -> None:
    async with following(stack) as one, following(stack) as other:
        file = await folder.put("a.txt", b"x")
        lines = [await one.until("a.txt"), await other.until("a.txt")]
        assert lines[0] == lines[1]
        assert lines[0]["fileId"] == file
        assert lines[0]["filePath"] == f"/{stack.space}/{folder.name}/a.txt"
        await folder.http.delete(f"{API}/data/{file}")
        gone = await one.until("a.txt", deleted=True)
        assert gone["filePath"] == ""


async def test_a_reader_goes_on_where_he_was(stack: RunningStack, folder: Folder) -> None:
    async with following(stack) as stream:
        await folder.put("first", b"x")
        seq = (await stream.until("first"))["seq"]
    await folder.put("second", b"x")
    async with following(stack, f"last_seq={seq}") as stream:
        line = await stream.until("second")
    assert line["seq"] > seq
    assert "first" not in [each["fileMeta"]["fields"]["name"] for each in stream.seen]


async def test_a_stream_ends_after_its_time(stack: RunningStack, owner: httpx.AsyncClient) -> None:
    url = f"{API}/changes/metadata/{stack.space_id}?timeout=300"
    answer = await owner.post(url, json={"customMetadata": {"fields": ["nobody-sets-this"]}, "triggers": []})
    assert (answer.status_code, answer.content) == (200, b"")


async def test_only_those_with_the_privilege_may_listen(
    stack: RunningStack, member: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    url = f"{API}/changes/metadata/{stack.space_id}"
    assert error(await member.post(url, json=META)) == (403, "forbidden", None)
    assert error(await guest.post(url, json=META)) == (401, "unauthorized", None)
