"""A tree of 50,000 entries is deleted: out of sight at once, and gone from everywhere in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from clients.cli.operator import operator
from tests.support.folder import API, CLIENT, errno
from tests.support.load import until
from tests.support.own_space import OwnSpace, make_space, operator_settings
from tests.support.stack import RunningStack

log = structlog.get_logger(__name__)

DIRECTORIES, IN_EACH = 50, 1000
AT_ONCE = 4
SIZE = 5003
#: Longest to remove it all, on a machine that does much else.
REMOVED_S = 400.0


@pytest.fixture
async def space(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    return await make_space(stack, tmp_path)


async def make(http: httpx.AsyncClient, parent_id: str, names: list[str], type: str) -> list[str]:
    """New entries of one directory; their ids."""
    operations = [
        {"operation": "create", "parentFileId": parent_id, "name": name, "type": type} for name in names
    ]
    answer = await http.post(f"{API}/data/bulk", json={"operations": operations}, headers=CLIENT)
    assert answer.status_code == 200, answer.text
    return [result["fileId"] for result in answer.json()["results"]]


async def make_tree(http: httpx.AsyncClient, space_id: str) -> str:
    """`big` with directories full of files, the last of which has content; its id."""
    [big] = await make(http, space_id, ["big"], "DIR")
    directories = iter(await make(http, big, [f"d{number}" for number in range(DIRECTORIES)], "DIR"))
    lasts: list[str] = []

    async def work(rest: Iterator[str]) -> None:
        for directory in rest:
            files = await make(http, directory, [f"f{number}" for number in range(IN_EACH)], "REG")
            lasts.append(files[-1])

    await asyncio.gather(*(work(directories) for _ in range(AT_ONCE)))
    for file_id in lasts:
        assert (await http.put(f"{API}/data/{file_id}/content", content=bytes(SIZE))).status_code == 204
    return big


def used_bytes(space: OwnSpace) -> int:
    """What counts against the quota, as an operator is told."""
    with operator(operator_settings(space.stack)) as provider:
        return provider.space_usage(space.account.space_id).used_bytes


@pytest.mark.timeout(2 * REMOVED_S)
async def test_a_deleted_tree_is_out_of_sight_at_once_and_gone_in_the_end(
    stack: RunningStack, space: OwnSpace
) -> None:
    space_id = space.account.space_id
    async with space.account.client() as http:
        big = await make_tree(http, space_id)
        await until(lambda: used_bytes(space) == DIRECTORIES * SIZE, REMOVED_S, "such usage", 0.5)
        began_s = time.perf_counter()
        assert (await http.delete(f"{API}/data/{big}")).status_code == 204
        answered_s = time.perf_counter() - began_s
        assert len(space.storage_files()) == DIRECTORIES, "the answer waited for the work"
        assert errno(await http.get(f"{API}/data/{space_id}/path/big/d0/f0")) == "enoent"

        # Whoever takes the name, or has another tree back, has nothing to do with what is being removed.
        kept = await make_small(http, space_id, "kept")
        assert (await http.delete(f"{API}/data/{kept}")).status_code == 204
        again = await make_small(http, space_id, "big")
        began_s = time.perf_counter()
        assert (await http.delete(f"{API}/data/{big}/trash")).status_code == 204
        assert errno(await http.post(f"{API}/data/{big}/restore")) == "enoent"
        await until(lambda: len(space.storage_files()) < DIRECTORIES, REMOVED_S, "removal under way", 0.1)
        assert (await http.post(f"{API}/data/{kept}/restore")).status_code == 200

        await until(lambda: len(space.storage_files()) == 2, REMOVED_S, "removal from the storage", 0.5)
        await until(lambda: used_bytes(space) == 2 * SIZE, REMOVED_S, "bytes given back", 0.5)
        log.info("removed", answered_s=answered_s, took_s=time.perf_counter() - began_s)
        for directory in (kept, again):
            assert (await http.get(f"{API}/data/{directory}/path/file")).content == bytes(SIZE)


async def make_small(http: httpx.AsyncClient, space_id: str, name: str) -> str:
    """A directory with one file that has content; its id."""
    [directory] = await make(http, space_id, [name], "DIR")
    assert (await http.put(f"{API}/data/{directory}/path/file", content=bytes(SIZE))).status_code == 201
    return directory
