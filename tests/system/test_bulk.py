"""Many operations in one request through the front door: as its page has it, and with instances killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tests.support.documents import example, run_shell, workplace
from tests.support.folder import API, Folder
from tests.support.stack import RunningStack

PAGE = "docs/bulk.md"


async def test_the_lines_of_its_page_work(
    stack: RunningStack, owner: httpx.AsyncClient, tmp_path: Path
) -> None:
    place = workplace(tmp_path, stack)
    code = example(PAGE, "sh", containing="bulk()") + example(PAGE, "sh", containing='"atomic": true')
    try:
        done = await asyncio.to_thread(run_shell, code, place)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count('"done":true') == 2, done.stdout
        assert done.stdout.count('"fileId"') == 4, done.stdout
        assert '"errno":"enoent"' in done.stdout
    finally:
        for name in ("run-1", "notes.txt", "old-notes.txt"):
            await owner.delete(f"{API}/data/{stack.space_id}/path/{name}")


async def test_a_thousand_files_are_made_at_once(folder: Folder, owner: httpx.AsyncClient) -> None:
    operations = [
        {"operation": "create", "parentFileId": folder.id, "name": f"f{number:04}"} for number in range(1000)
    ]
    answer = await owner.post(f"{API}/data/bulk", json={"operations": operations})
    assert answer.status_code == 200, answer.text
    made = [result["fileId"] for result in answer.json()["results"]]
    listed = await owner.get(f"{API}/data/{folder.id}/children?limit=1000")
    assert [child["fileId"] for child in listed.json()["children"]] == made


async def test_many_bulks_at_once_give_each_name_once(folder: Folder, owner: httpx.AsyncClient) -> None:
    operations = [
        {"operation": "create", "parentFileId": folder.id, "name": f"f{number}"} for number in range(50)
    ]
    answers = await asyncio.gather(
        *(owner.post(f"{API}/data/bulk", json={"operations": operations}) for _ in range(8))
    )
    results = [answer.json()["results"] for answer in answers]
    for name in zip(*results, strict=True):
        assert sum("fileId" in result for result in name) == 1
        assert all("fileId" in result or result["error"]["details"] == {"errno": "eexist"} for result in name)
