"""A gateway dies while it makes a tree of its JSON: the tree is there whole, or not at all."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest

from tests.support.folder import CONTAINER, Folder, V
from tests.support.load import until
from tests.support.recovery import all_in_rotation
from tests.support.stack import RunningStack

FILES = 400


@pytest.fixture
async def folder(stack: RunningStack) -> AsyncIterator[Folder]:
    async with stack.client() as http:
        made = Folder(http, stack.space, stack.space_id, f"serials-{secrets.token_hex(6)}")
        await made.make()
        yield made
        await made.remove()


def body() -> dict[str, str]:
    """A tree in base64, small enough for the front door to send it again."""
    files = [
        {"objectType": "application/cdmi-object", "objectName": f"f{number}", "value": "x"}
        for number in range(FILES)
    ]
    text = json.dumps({"objectType": "application/cdmi-container", "children": files})
    return {"deserializevalue": base64.b64encode(text.encode()).decode()}


async def children(folder: Folder) -> int | None:
    """How many there are; None while the tree is not there or on its way."""
    answer = await folder.http.get(folder.cdmi("new/") + "?completionStatus;children", headers=V)
    if answer.status_code != 200 or answer.json()["completionStatus"] != "Complete":
        return None
    return len(answer.json()["children"])


@pytest.mark.cdmi("21.5.deserialize")
async def test_a_tree_is_whole_or_not_there_whoever_dies(stack: RunningStack, folder: Folder) -> None:
    url = folder.cdmi("new/")
    making = asyncio.create_task(folder.http.put(url, json=body(), headers=CONTAINER, timeout=120))
    seen = set[int | None]()
    for name in ("gateway-1", "gateway-2"):
        await until(lambda: _is_begun(folder, making), 60.0, "a tree on its way")
        old_pid = stack.kill(name)
        await asyncio.to_thread(stack.wait_back, name, old_pid)
        try:
            seen.add(await children(folder))
        except httpx.HTTPError:
            continue
    answer = await making
    await until(partial(asyncio.to_thread, all_in_rotation, stack), 60.0, "full rotation")
    seen.add(await children(folder))
    assert seen <= {None, FILES}
    if answer.status_code == 201:
        assert await children(folder) == FILES
        return
    await until(lambda: _is_over(folder), 120.0, "the end of what was begun")


async def _is_begun(folder: Folder, making: asyncio.Task[httpx.Response]) -> bool:
    """Whether the tree is on its way, or all is over already."""
    try:
        answer = await folder.http.get(folder.cdmi("new/") + "?completionStatus", headers=V)
    except httpx.HTTPError:
        return making.done()
    return making.done() or answer.text == '{"completionStatus":"Processing"}'


async def _is_over(folder: Folder) -> bool:
    """What was begun is whole, or gone."""
    answer = await folder.http.get(folder.cdmi("new/"), headers=V)
    return answer.status_code == 404 or await children(folder) == FILES
