"""Every example of docs/clients.md works as it stands there, and prints what its reader expects."""

from __future__ import annotations

import asyncio
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.client_packages import INSTALLING_TIMEOUT_S, client_python
from tests.support.documents import STRICT, example, examples, run_shell, workplace
from tests.support.folder import API
from tests.support.own_space import make_space
from tests.support.stack import RunningStack

PAGE = "docs/clients.md"
#: What each example in Python prints, by a text that only it has.
PRINTS = {
    "import requests": r"True\n400 \{'errno': 'enoent'\}\n",
    "OnedataFileRESTClient(": r"b'1ab4'\n\[\{'name': 'data.bin', 'size': 10\}\]\n10\n"
    r"400 posix \{'errno': 'enoent'\}\n",
    "import pandas": r"499500\n\(1000, 1\)\n",
    "import zarr": r"3\n\(10, 10\)\n\['\w+/tables/runs.csv'\] True\n",
    "OnedataRESTFS(": r"\['/books/old/one.txt'\]\nOnce OVER a time\n",
}


#: What they make in the space.
MADE = ("trip", "from-requests.md", "lab", "tables", "arrays", "library")


@pytest.fixture(autouse=True)
def _clean(stack: RunningStack) -> Iterator[None]:
    """Examples remove what they make, unless they fail."""
    yield
    http = httpx.Client(base_url=stack.url, headers={"x-auth-token": stack.token}, verify=stack.tls())
    with http:
        for name in MADE:
            http.delete(f"{API}/data/{stack.space_id}/path/{name}")


def run(code: str, stack: RunningStack, folder: Path) -> str:
    """What it prints, after the page's first line."""
    first = example(PAGE, "sh", containing="stack.env")
    ran = run_shell(STRICT + first + code, workplace(folder, stack), python=client_python())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.timeout(INSTALLING_TIMEOUT_S)
def test_the_curl_lines_work(stack: RunningStack, tmp_path: Path) -> None:
    printed = run(example(PAGE, "sh", containing="trip.tar"), stack, tmp_path)
    with tarfile.open(tmp_path / "trip.tar") as archive:
        assert archive.getnames() == ["trip", "trip/notes.md"]
    for told in ('"fileId"', '"name":"notes.md"', '"isLast":true', "# Isthmus", "7"):
        assert told in printed


@pytest.mark.timeout(INSTALLING_TIMEOUT_S)
async def test_the_lines_for_files_of_others_work(stack: RunningStack, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "work"
    (archive / "raw").mkdir(parents=True)
    folder.mkdir()
    for name in ("run1", "run2"):
        (archive / f"raw/{name}.dat").write_text(f"bytes of {name}")
    space = await make_space(stack, archive, imported=True)
    code = example(PAGE, "sh", containing="data/register")
    for word, meant in (("SPACE_ID", space.account.space_id), ("STORAGE_ID", space.storage_id)):
        assert f"={word}" in code
        code = code.replace(f"={word}", f"={meant}")
    printed = await asyncio.to_thread(run, code, stack, folder)
    assert printed.count('"fileId"') == 2
    assert printed.endswith("bytes of run2")


@pytest.mark.timeout(INSTALLING_TIMEOUT_S)
def test_the_python_lines_work(stack: RunningStack, tmp_path: Path) -> None:
    """In the order of the page: one example reads what the one before has written."""
    for number, code in enumerate(examples(PAGE, "python")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (expected,) = [prints for text, prints in PRINTS.items() if text in code]
        printed = run(f"python - <<'END'\n{code}END\n", stack, folder)
        assert re.fullmatch(expected, printed), printed
    assert number + 1 == len(PRINTS)
