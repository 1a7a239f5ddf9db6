"""What must be right before anything is started; each complaint is one line with its remedy."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

from stack.errors import StackError
from stack.layout import Layout, remembered

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 2 << 30


def check_machine(layout: Layout) -> None:
    """Python and disk."""
    if sys.version_info < MIN_PYTHON:
        raise StackError(
            f"Python {sys.version_info.major}.{sys.version_info.minor} is too old",
            "Install Python 3.11 or newer and run: make setup PYTHON=python3.11",
        )
    if shutil.which("setpriv") is None:
        raise StackError("The program setpriv is missing", "Run: apt-get install util-linux")
    free = shutil.disk_usage(_existing(layout.run_dir)).free
    if free < MIN_FREE_BYTES:
        raise StackError(
            f"Only {free >> 20} MiB are free where {layout.run_dir} lies, {MIN_FREE_BYTES >> 20} are needed",
            "Free some space, or set ISTHMUS_RUN_DIR to a folder on another disk",
        )


def check_ports(layout: Layout) -> None:
    """Every port must be free."""
    taken = [
        (name, port) for site in layout.sites for name, port in site.ports().items() if not _is_free(port)
    ]
    if taken:
        name, port = taken[0]
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise StackError(
            f"Port {port} (for {name.split('-')[0]}){more} is taken",
            f"Stop what listens there, or use others: make up ISTHMUS_BASE_PORT={layout.base_port + 1000}",
        )


def check_same_as_before(layout: Layout) -> None:
    """Addresses are written into the databases, so a run folder keeps the ones it was made with."""
    for name, before in remembered(layout.run_dir).items():
        now = getattr(layout, name)
        if now != before:
            raise StackError(
                f"{layout.run_dir} was made for {name} {before}, not {now}",
                "Use the same as before, another ISTHMUS_RUN_DIR, or remove the data with: make clean",
            )


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
