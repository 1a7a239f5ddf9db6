"""What docs/cdmi.md tells a reader to type works as it stands there, line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.documents import examples, run_shell, workplace
from tests.support.folder import V
from tests.support.stack import RunningStack

PAGE = "docs/cdmi.md"


@pytest.fixture
async def place(stack: RunningStack, tmp_path: Path) -> AsyncIterator[Path]:
    """Where the reader stands. What a walk that stops half-way has made is gone afterwards."""
    yield workplace(tmp_path, stack)
    async with stack.client() as client:
        for name in ("walk", "walk-copy"):
            await client.delete(f"/cdmi/{stack.space}/{name}/", headers=V)


async def test_the_walk_works_line_by_line(stack: RunningStack, place: Path) -> None:
    preparation, *steps = examples(PAGE, "sh")
    marked = "".join(f"echo '@@{number}'\n{step}" for number, step in enumerate(steps))
    done = await asyncio.to_thread(run_shell, preparation + marked, place)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = dict(enumerate(part.partition("\n")[2] for part in done.stdout.split("@@")[1:]))
    assert '"cdmi_create_container":"true"' in printed[0]
    assert json.loads(printed[1])["metadata"]["project"] == "sea"
    assert '"value":"first"' in printed[3]
    assert '"value":"irs"' in printed[3]
    assert printed[3].endswith("first# Isthmus")
    assert '"children":["bytes","notes.txt","readme.md"]' in printed[4]
    assert '{"completionStatus":"Processing"}' in printed[5]
    assert f"/cdmi/{stack.space}/walk/" in printed[5]
    assert printed[6] == '{"metadata":{"colour":"red"}}'
    assert '"cdmi_hash":"ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc"' in printed[7]
    assert '"objectName":"moved"' in printed[8]
    assert '"acemask":"0x7019B"' in printed[9]
    assert '"sensor":"b"' in printed[10]
    assert "\n\nIsthmus\n--" in printed[10].replace("\r", "")
    assert "/walk/parts" in printed[10]
    assert printed[11].startswith('{"objectName":"readme.md"}')
    assert '"ref?"' in printed[11]
    assert '"value":["first job"]' in printed[12]
    assert '{"queueValues":"0-2","value":["first job","second job"]}' in printed[12]
    assert '{"queueValues":"2-3","mimetype":["image/png","text/plain"],"value":["AAEC",' in printed[12]
    assert '"objectName":"tree/"' in printed[13]
    async with stack.client() as client:
        for name in ("walk", "walk-copy"):
            assert (await client.get(f"/cdmi/{stack.space}/{name}/", headers=V)).status_code == 404
