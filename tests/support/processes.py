"""Real programs run by a test: started, waited for, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

STOP_TIMEOUT_S = 10.0
POLL_S = 0.03


class Program:
    """A program with its log file.

    It dies with the thread that started it (PR_SET_PDEATHSIG), so start it from the main thread: then
    even a SIGKILL of the test run leaves nothing.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[object],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
        self._env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, cwd=self._cwd
            )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_ready(self, is_ready: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Poll until `is_ready()`; raises RuntimeError with the end of the log."""
        for _ in self._attempts(is_ready, timeout_s):
            time.sleep(POLL_S)

    async def become_ready(self, is_ready: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """`wait_ready` for a program that needs something of this event loop to get ready."""
        for _ in self._attempts(is_ready, timeout_s):
            await asyncio.sleep(POLL_S)

    def _attempts(self, is_ready: Callable[[], bool], timeout_s: float) -> Iterator[None]:
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if not self.is_running():
                raise RuntimeError(f"{self.name} ended:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} not ready after {timeout_s:g} s:\n{self.tail()}")
            yield

    def signal(self, number: signal.Signals) -> None:
        if self.is_running():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL. Works on a paused program too."""
        if self._process is None:
            return
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def running(program: Program, is_ready: Callable[[], bool], timeout_s: float = 30.0) -> Iterator[Program]:
    """`program` started and ready; stopped at the end whatever happens."""
    program.start()
    try:
        program.wait_ready(is_ready, timeout_s)
        yield program
    finally:
        program.stop()
