"""What README.md tells a newcomer to type works as it stands there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.client_packages import INSTALLING_TIMEOUT_S, client_python
from tests.support.documents import REPO, STRICT, example, run_shell, workplace
from tests.support.folder import API, V
from tests.support.stack import RunningStack

README = "README.md"
MADE = ("docs/readme.md", "docs/hello.txt", "from-python.txt", "photos/sea.jpg")


@pytest.fixture
async def place(stack: RunningStack, tmp_path: Path) -> AsyncIterator[Path]:
    """Where the reader stands; what the examples make in the space is gone afterwards."""
    yield workplace(tmp_path, stack)
    async with stack.client() as client:
        for path in MADE:
            await client.delete(f"{API}/data/{stack.space_id}/path/{path}")
        for folder in ("docs", "photos"):
            listed = await client.get(f"/cdmi/{stack.space}/{folder}/?children", headers=V)
            if listed.is_success and not listed.json()["children"]:
                await client.delete(f"{API}/data/{stack.space_id}/path/{folder}")


async def run(code: str, place: Path, python: Path | None = None) -> str:
    """What it prints."""
    done = await asyncio.to_thread(run_shell, STRICT + code, place, python=python)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_the_curl_lines_work(stack: RunningStack, place: Path) -> None:
    printed = await run(example(README, "sh", containing="curl --cacert"), place)
    assert '"name":"docs"' in printed
    assert (REPO / README).read_text()[:100] in printed
    assert '"children":["readme.md"]' in printed
    async with stack.client() as client:
        assert (await client.get(f"/cdmi/{stack.space}/docs/hello.txt")).text == "hello"


@pytest.mark.timeout(INSTALLING_TIMEOUT_S)
async def test_the_python_lines_work(place: Path) -> None:
    first_line, *_ = example(README, "sh", containing="curl --cacert").splitlines()
    snippet = example(README, "python", containing="OnedataFileRESTClient")
    printed = await run(f"{first_line}\npython - <<'END'\n{snippet}END\n", place, client_python())
    assert printed == "b'hello'\n"


async def test_the_lines_for_the_command_line_work(place: Path) -> None:
    (place / "photos").mkdir()
    (place / "photos/sea.jpg").write_bytes(b"blue")
    printed = await run(example(README, "sh", containing=".venv/bin/isthmus"), place)
    assert "sea.jpg" in printed
