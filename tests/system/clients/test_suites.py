"""Onedata's own Python clients, as they come from PyPI, and what people put on top of them.

Each suite is a run of pytest in the clients' own environment; it talks to the stack as any user would.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.client_packages import INSTALLING_TIMEOUT_S, client_python
from tests.support.stack import RunningStack

SUITES = Path(__file__).parent / "suites"
SUITE_TIMEOUT_S = 400


@pytest.mark.timeout(SUITE_TIMEOUT_S + INSTALLING_TIMEOUT_S)
@pytest.mark.parametrize(
    "suite", ["file_client", "file_client_content", "fsspec_client", "pyfilesystem_client"]
)
def test_the_clients_work_unchanged(stack: RunningStack, suite: str) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "ISTHMUS"))}
    ran = subprocess.run(
        [client_python(), "-B", "-m", "pytest", "-c", SUITES / "pytest.ini", SUITES / f"{suite}.py"],
        cwd=SUITES,
        env=plain | dict(stack.env),
        capture_output=True,
        text=True,
        timeout=SUITE_TIMEOUT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
