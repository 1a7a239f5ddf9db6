"""What README.md tells a newcomer to type works as it stands there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.documents import REPO, example, run_shell, workplace
from tests.support.folder import API, V
from tests.support.stack import RunningStack

README = "README.md"
# Onedata's own client, as it is: from PyPI, with what it needs, beside the packages of this project.
CLIENT = "onedatafilerestclient==25.2.0"
INSTALL_TIMEOUT_S = 120
# A reader sees an error in what curl prints; here it ends the run.
STRICT = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
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


@pytest.fixture(scope="module")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Onedata's client in it. Needs PyPI, or a mirror of it."""
    folder = tmp_path_factory.mktemp("client")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, CLIENT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{CLIENT} cannot be installed from PyPI: {done.stderr}"
    return folder


async def run(code: str, place: Path, modules: Path | None = None) -> str:
    """What it prints."""
    done = await asyncio.to_thread(run_shell, STRICT + code, place, modules=modules)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_the_curl_lines_work(stack: RunningStack, place: Path) -> None:
    printed = await run(example(README, "sh", containing="curl --cacert"), place)
    assert '"name":"docs"' in printed
    assert (REPO / README).read_text()[:100] in printed
    assert '"children":["readme.md"]' in printed
    async with stack.client() as client:
        assert (await client.get(f"/cdmi/{stack.space}/docs/hello.txt")).text == "hello"


async def test_the_python_lines_work(place: Path, client_package: Path) -> None:
    first_line, *_ = example(README, "sh", containing="curl --cacert").splitlines()
    snippet = example(README, "python", containing="OnedataFileRESTClient")
    printed = await run(f"{first_line}\npython - <<'END'\n{snippet}END\n", place, client_package)
    assert printed == "b'hello'\n"


async def test_the_lines_for_the_command_line_work(place: Path) -> None:
    (place / "photos").mkdir()
    (place / "photos/sea.jpg").write_bytes(b"blue")
    printed = await run(example(README, "sh", containing=".venv/bin/isthmus"), place)
    assert "sea.jpg" in printed
