"""Documents whose examples are run as they stand, so that they stay true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.stack import RunningStack

REPO = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_TIMEOUT_S = 60.0
#: A reader sees an error in what curl prints; here it ends the run.
STRICT = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def examples(document: str, language: str) -> list[str]:
    """The code blocks of a document (path from the root) that are in `language`, in their order."""
    text = (REPO / document).read_text()
    return [code for found, code in _BLOCK.findall(text) if found == language]


def example(document: str, language: str, containing: str) -> str:
    """The one code block that contains this text."""
    found = [code for code in examples(document, language) if containing in code]
    assert len(found) == 1, f"{document} has {len(found)} blocks in {language} with {containing!r}"
    return found[0]


def workplace(folder: Path, stack: RunningStack) -> Path:
    """A folder that looks like this repository with the stack's `.run` in it."""
    for entry in REPO.iterdir():
        if entry.name not in (".run", ".git"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".run").symlink_to(stack.layout.run_dir)
    return folder


def run_shell(code: str, folder: Path, *, python: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it as a reader's shell would, but stops at the first command that fails.

    `python` is the one of this test, unless another one is given.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ISTHMUS_", "PYTHON"))}
    tools = {"PATH": f"{(python or Path(sys.executable)).parent}:{own['PATH']}"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=own | tools,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
