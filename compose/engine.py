"""A Docker engine and Compose v2 to test with: those that are here, else started and fetched for the test.

An engine that was started here has all it keeps in one folder, which is removed with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stack import binaries
from stack.errors import StackError
from stack.packages import ensure_programs

Say = Callable[[str], None]

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
#: Compose v2 where the engine comes without it; Debian 13 has it, Debian 12 has not.
COMPOSE = binaries.Pin(
    name="docker-compose",
    version="2.26.1",
    package="docker-compose",
    sha256="47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea",
    member="usr/libexec/docker/cli-plugins/docker-compose",
    suite="trixie",
)


class NoEngine(StackError):
    """No container engine can run here; says why and what would help."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine. `environment` is what its commands need."""

    environment: dict[str, str]
    compose_command: tuple[str, ...]

    def docker(
        self, *words: str, timeout_s: int = 600, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Runs `docker …`; StackError with its last line when it fails."""
        return self._run(["docker", *words], timeout_s, options)

    def compose(
        self, *words: str, timeout_s: int = 1200, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs `docker compose …` in the project's root."""
        return self._run([*self.compose_command, *words], timeout_s, {"cwd": binaries.REPO}, env)

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image of that name already."""
        words = ["docker", "image", "inspect", name]
        return subprocess.run(words, env=self.environment, capture_output=True, check=False).returncode == 0

    def _run(
        self,
        command: list[str],
        timeout_s: int,
        options: dict[str, object],
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(  # type: ignore[call-overload]  # options are those of subprocess.run
            command,
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            **options,
        )
        if done.returncode != 0:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise StackError(
                f"{' '.join(command[:4])} failed: {' | '.join(lines[-5:])}", "Read the lines above"
            )
        assert isinstance(done, subprocess.CompletedProcess)  # noqa: S101 - tells mypy what the overloads hide
        return done


@contextlib.contextmanager
def engine(say: Say) -> Iterator[Engine]:
    """The engine of this machine, or one started for the time of the block. Raises NoEngine."""
    if _answers(dict(os.environ)):
        say("using the Docker engine of this machine")
        yield Engine(dict(os.environ), _compose(dict(os.environ), say))
        return
    _require_dockerd(say)
    folder = Path(tempfile.mkdtemp(prefix="isthmus-engine-"))
    environment = {**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock", "DOCKER_CONFIG": str(folder)}
    with open(folder / "dockerd.log", "wb") as log:
        daemon = subprocess.Popen(_dockerd_command(folder), stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(daemon, folder, environment)
        say("started a Docker engine for this test")
        yield Engine(environment, _compose(environment, say))
    finally:
        _stop(daemon)
        _remove(folder)


def _dockerd_command(folder: Path) -> list[str]:
    return [
        "dockerd",
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/dockerd.pid",
        f"--host=unix://{folder}/docker.sock",
    ]


def _answers(environment: dict[str, str]) -> bool:
    if shutil.which("docker") is None:
        return False
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(words, env=environment, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _require_dockerd(say: Say) -> None:
    if os.geteuid() != 0:
        raise NoEngine(
            "No Docker engine answers, and only root can start one", "Start Docker, or run this as root"
        )
    try:
        ensure_programs({"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables"}, say)
    except StackError as error:
        raise NoEngine(error.problem, error.remedy) from error


def _compose(environment: dict[str, str], say: Say) -> tuple[str, ...]:
    """`docker compose` where the plugin is installed, else a fetched one: the plugin runs by itself too."""
    words = ["docker", "compose", "version"]
    if subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0:
        return ("docker", "compose")
    return (str(binaries.ensure_pin(COMPOSE, say)),)


def _wait(daemon: subprocess.Popen[bytes], folder: Path, environment: dict[str, str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            break
        if (folder / "docker.sock").exists() and _answers(environment):
            return
        time.sleep(0.3)
    lines = (folder / "dockerd.log").read_text(errors="replace").strip().splitlines()
    raise NoEngine(
        f"dockerd cannot run here: {lines[-1] if lines else 'it says nothing'}",
        "Start a Docker engine yourself",
    )


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _remove(folder: Path) -> None:
    """Network namespaces stay mounted below the folder after the engine: unmount, then remove."""
    for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
        where = line.split()[1]
        if where.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", where], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
