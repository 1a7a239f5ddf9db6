"""A whole stack for system and fault tests: all services as processes, reached through Envoy only.

`ISTHMUS_STACK_ENV=.run/stack.env` makes the tests use a stack that runs already (`make up`).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from clients.cli.settings import read_env_file
from stack import control, readiness
from stack.checks import check_ports
from stack.errors import StackError
from stack.layout import Layout, from_environment
from stack.supervisor import State, Supervisor
from tests.support.oidc import write_settings
from tests.support.ports import free_port

PORT_RANGE = range(20_000, 32_000, 100)  # below what the system gives to outgoing connections
RETURN_TIMEOUT_S = 60.0
#: Names an identity provider that the stack knows, and a test that needs it starts.
OIDC_FILE = "oidc.json"
# Ends the stack when the test run is gone, however it ended: the pipe closes even on SIGKILL.
GUARD = "import subprocess, sys; sys.stdin.read(); subprocess.run([sys.executable, '-m', 'stack', 'clean'])"


@dataclass(frozen=True)
class RunningStack:
    """A stack that stores files. `env` is its stack.env."""

    layout: Layout
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.env["ISTHMUS_URL"]

    @property
    def token(self) -> str:
        """Token of the space's owner."""
        return self.env["ISTHMUS_TOKEN"]

    @property
    def member_token(self) -> str:
        """Token of a plain member of the space."""
        return self.env["ISTHMUS_TOKEN_MEMBER"]

    @property
    def space(self) -> str:
        return self.env["ISTHMUS_SPACE"]

    @property
    def space_id(self) -> str:
        return self.env["ISTHMUS_SPACE_ID"]

    @property
    def ca_file(self) -> Path:
        return Path(self.env["ISTHMUS_CA"])

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.env["ISTHMUS_CA"])

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """An HTTP client at the front door; by default the owner's, with `token=""` nobody's."""
        wanted = self.token if token is None else token
        headers = {"x-auth-token": wanted} if wanted else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, verify=self.tls(), timeout=60)

    def pid(self, name: str) -> int:
        """Process id of a program by name, e.g. `gateway-1`, `mongod`, `consul`."""
        return self._state(name).pid

    def kill(self, name: str) -> int:
        """SIGKILL; the supervisor starts it again after about a second. Returns the old process id."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """SIGSTOP for the time of the block: it is there, but does nothing."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Stopped for the time of the block; on return it runs, but may not be ready."""
        self._supervisor.stop([name])
        try:
            yield
        finally:
            self._supervisor.start([name])

    def wait_back(self, name: str, old_pid: int) -> None:
        """Until a killed instance runs again and Consul calls it healthy."""
        service, _, _ = name.partition("-")
        self.wait_until(lambda: self._state(name).is_running and self.pid(name) != old_pid)
        if "-" in name:
            self.wait_until(lambda: readiness.instances_pass(self.layout.first, service))

    def wait_until(self, is_true: Callable[[], bool], timeout_s: float = RETURN_TIMEOUT_S) -> None:
        """Bounded waiting for a condition."""
        deadline = time.monotonic() + timeout_s
        while not is_true():
            assert time.monotonic() < deadline, f"not true after {timeout_s:g} s"
            time.sleep(0.1)

    def names(self) -> list[str]:
        """All programs."""
        return [each.name for each in self._supervisor.states()]

    def log(self, name: str) -> str:
        """All a program has logged."""
        return (self.layout.logs / f"{name}.log").read_text(errors="replace")

    def logs(self) -> dict[str, str]:
        """What all programs have logged, by name."""
        return {file.stem: file.read_text(errors="replace") for file in self.layout.logs.glob("*.log")}

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self.layout)

    def _state(self, name: str) -> State:
        return next(each for each in self._supervisor.states() if each.name == name)


@contextlib.contextmanager
def running_stack(run_dir: Path, *, instances: int = 2) -> Iterator[RunningStack]:
    """A stack of its own in `run_dir`, on ports nobody uses; nothing is left of it afterwards."""
    layout = Layout(run_dir=run_dir, base_port=_free_base_port(run_dir), instances=instances)
    environment = {**os.environ, "ISTHMUS_RUN_DIR": str(run_dir), "ISTHMUS_BASE_PORT": str(layout.base_port)}
    guard = subprocess.Popen(
        [sys.executable, "-c", GUARD],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        oidc_file = run_dir / OIDC_FILE
        write_settings(oidc_file, home=f"http://127.0.0.1:{free_port()}")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("ISTHMUS_OIDC_FILE", str(oidc_file))
            control.up(layout)
        yield RunningStack(layout, read_env_file(layout.stack_env))
    finally:
        control.clean(layout)
        guard.communicate()


@contextlib.contextmanager
def found_stack(stack_env: Path) -> Iterator[RunningStack]:
    """The stack whose stack.env this is. It goes on running."""
    layout = from_environment({"ISTHMUS_RUN_DIR": str(stack_env.resolve().parent)})
    yield RunningStack(layout, read_env_file(stack_env))


def _free_base_port(run_dir: Path) -> int:
    for base_port in random.sample(PORT_RANGE, 20):
        with contextlib.suppress(StackError):
            check_ports(Layout(run_dir=run_dir, base_port=base_port))
            return base_port
    raise RuntimeError("no free range of ports found")
