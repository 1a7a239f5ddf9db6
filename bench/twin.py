"""A second stack whose services work without batches (`bench.one_each`)."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from bench import load
from bench.rows import Wrong
from bench.subject import Subject, subject
from stack.layout import REPO
from stack.supervisor import Supervisor

#: What a create, or a look at a file, passes through.
REPLACED = ("metadata", "storage_router", "gateway")
READY_TIMEOUT_S = 60
#: An instance trusts what it has in memory a while after it became the one for a space.
SETTLE_S = 7
STOP_TIMEOUT_S = 10


@contextlib.contextmanager
def twin(folder: Path, storage: Path, say: Callable[[str], None]) -> Iterator[Subject]:
    """Such a stack, for the time of the block."""
    with subject(folder / "twin", storage, say) as stack, _one_each(stack, folder):
        _wait_ready(stack)
        yield stack


@contextlib.contextmanager
def _one_each(stack: Subject, folder: Path) -> Iterator[None]:
    """Takes the places of the stack's own processes, with their settings."""
    supervisor = Supervisor(stack.layout)
    states = [each for each in supervisor.states() if each.name.rpartition("-")[0] in REPLACED]
    settings = {each.name: psutil.Process(each.pid).environ() for each in states}
    supervisor.stop(settings)
    with contextlib.ExitStack() as running:
        for name, environment in settings.items():
            running.enter_context(_process(name, environment, folder))
        yield


@contextlib.contextmanager
def _process(name: str, environment: dict[str, str], folder: Path) -> Iterator[None]:
    module = f"services.{name.rpartition('-')[0]}"
    with open(folder / f"twin-{name}.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.one_each", module],
            env=environment,
            cwd=REPO,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(stack: Subject) -> None:
    """Until creates and looks work through its door, some in a row."""
    deadline, in_a_row = time.monotonic() + READY_TIMEOUT_S, 0
    while in_a_row < 10:
        path = stack.door.create.format(name=f"ready-{time.monotonic_ns()}")
        made, _ = load.request(stack.door.target, "POST", path)
        seen, told = load.request(stack.door.target, "GET", path.partition("/children")[0])
        in_a_row = in_a_row + 1 if (made, seen) == (201, 200) else 0
        if time.monotonic() > deadline:
            raise Wrong(f"the twin without batches does not start: {seen} {told[:200]!r}")
        if not in_a_row:
            time.sleep(0.5)
    time.sleep(SETTLE_S)
