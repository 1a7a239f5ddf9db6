"""Statistics of directories through the front door: switched on by an operator, read by members."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.folder import API, Folder, error
from tests.support.load import until
from tests.support.stack import RunningStack
from tests.system.test_supports import isthmus


async def switch(stack: RunningStack, word: str) -> None:
    """What an operator does; returns once it is seen."""
    await isthmus(stack, "space", "dir-stats", word, stack.space_id)


async def newest(client: httpx.AsyncClient, directory: str) -> dict[str, Any]:
    """The last value of some series; empty while they are not ready."""
    layout = {"reg_file_and_link_count": ["minute"], "logical_size": ["minute"]}
    answer = await client.request("GET", f"{API}/data/{directory}/dir_size_stats", json={"layout": layout})
    if answer.status_code != 200:
        assert error(answer)[1] == "dirStatsNotReady"
        return {}
    return {series: metrics["minute"][0]["value"] for series, metrics in answer.json()["slice"].items()}


@pytest.fixture
async def counted(stack: RunningStack, folder: Folder) -> Folder:
    """A folder in a space that is counted, with a file of before."""
    await folder.put("before", b"12345")
    await switch(stack, "--enable")
    return folder


async def test_sums_follow_what_happens(counted: Folder, member: httpx.AsyncClient) -> None:
    await counted.put("sub/after", b"1234567", create_parents="true")

    async def is_counted() -> bool:
        told = await newest(member, counted.id)
        return told == {"reg_file_and_link_count": 2, "logical_size": 12}

    await until(is_counted, 60.0, "sums of both files", 0.3)
    told = (await counted.http.get(f"{API}/data/{counted.id}/distribution")).json()
    [provider] = told["distributionPerProvider"].values()
    assert (provider["success"], provider["virtualSize"]) == (True, 12)


async def test_switched_off_nothing_is_told(stack: RunningStack, counted: Folder) -> None:
    await switch(stack, "--disable")

    async def is_off() -> bool:
        answer = await counted.http.get(f"{API}/data/{counted.id}/dir_size_stats?mode=layout")
        return error(answer)[1] == "dirStatsDisabledForSpace"

    await until(is_off, 30.0, "statistics off", 0.2)
