"""Onedata's own clients in an environment of their own, made once from a lock file with hashes.

They and what stands on top of them (pandas, pyarrow, zarr) are no part of this project: its packages and
theirs shall not meet.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from stack.binaries import tools_dir

LOCK = Path(__file__).resolve().parents[1] / "system/clients/requirements.lock"
INSTALL_TIMEOUT_S = 600
#: For a test that may be the one that installs them.
INSTALLING_TIMEOUT_S = INSTALL_TIMEOUT_S + 120


def client_python() -> Path:
    """Their Python. Needs PyPI, or a mirror of it, the first time for each version of the lock."""
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = tools_dir() / f"clients-{wanted}"
    python = place / "bin/python"
    place.parent.mkdir(parents=True, exist_ok=True)
    # Test processes may come at the same time; the others wait for the first.
    with (place.parent / "clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = place / "done"
        if not done.exists():
            _run([sys.executable, "-m", "venv", "--clear", place])
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "--require-hashes", "--no-deps", "--requirement", LOCK])
            done.touch()
    return python


def _run(command: list[str | Path]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    assert ran.returncode == 0, f"Onedata's clients cannot be installed from PyPI: {ran.stderr}"
