"""`make compose-test`: the containers, started by an engine, do their job through Envoy.

Everything it started is gone afterwards: containers, volumes, the engine if it was started here. Where an
upstream image cannot be pulled a stand-in is built, and the last line says so.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

from rich.console import Console

from clients.cli.operator import operator
from clients.cli.settings import load, read_env_file
from clients.http_api import ClientError
from compose.engine import Engine, NoEngine, engine
from compose.layout import STATE
from compose.standins.build import ensure_images
from stack.errors import StackError
from stack.ports import free_port
from stack.smoke import NotWorking, smoke

OUR_IMAGE = "isthmus:local"
SCALE = {"gateway": 3, "metadata": 2, "storage_router": 2}
#: Whose logs are shown when it fails.
OWN = (
    "prepare",
    "register",
    "seed",
    "zone",
    "cluster_manager",
    "metadata",
    "storage_router",
    "gateway",
    "envoy",
)
UP_TIMEOUT_S = 300
SCALE_TIMEOUT_S = 60

console = Console(highlight=False)


def say(text: str) -> None:
    """A line of progress."""
    console.print(f"  {text}", markup=False, soft_wrap=True)


class Suite:
    """One run of the compose file under a name of its own."""

    def __init__(self, docker: Engine, folder: Path) -> None:
        self._docker = docker
        self._project = f"isthmus-test-{uuid.uuid4().hex[:8]}"
        self._env = {"ISTHMUS_PORT": str(free_port())}
        self._folder = folder

    def compose(self, *words: str) -> str:
        """Runs `docker compose …` on this suite; what it printed."""
        return self._docker.compose("--project-name", self._project, *words, env=self._env).stdout

    def up(self) -> None:
        """Builds our image, starts all, waits until every container is healthy."""
        self.compose("build", "--quiet", "prepare")
        say("built the image")
        scale = [word for service, count in SCALE.items() for word in ("--scale", f"{service}={count}")]
        self.compose("up", "--detach", "--pull", "never", "--no-build", *scale)
        say(f"started: {', '.join(f'{service} × {count}' for service, count in SCALE.items())}")
        self._wait_for("seed")

    def _wait_for(self, once: str) -> None:
        deadline = time.monotonic() + UP_TIMEOUT_S
        while time.monotonic() < deadline:
            state = self.compose("ps", "--all", "--format", "{{.Service}} {{.State}} {{.ExitCode}}")
            if f"{once} exited 0" in state:
                return
            failed = [line for line in state.splitlines() if " exited " in line and not line.endswith(" 0")]
            if failed:
                service = failed[0].partition(" ")[0]
                said = self.compose("logs", "--no-color", "--no-log-prefix", "--tail", "1", service).strip()
                raise StackError(f"{failed[0]}: {said}", "The logs are above")
            time.sleep(0.5)
        raise StackError(f"{once} did not end within {UP_TIMEOUT_S} s", "The logs are above")

    def env_file(self) -> Path:
        """The keys of the stack, copied out, as a client on this machine sees them."""
        names = ("secrets/stack.env", "secrets/operator.token", "tls/ca.pem")
        for name in names:
            content = self.compose("run", "--rm", "-T", "--no-deps", "cli", "cat", f"{STATE}/{name}")
            file = self._folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(content.replace(str(STATE), str(self._folder)))
        return self._folder / "secrets/stack.env"

    def down(self) -> None:
        """Removes containers, networks and volumes."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")

    def logs(self) -> str:
        """The last lines of our own containers."""
        return self.compose("logs", "--no-color", "--no-log-prefix", "--tail", "12", *OWN)


def check_file(suite: Suite) -> None:
    """Only the front door is published; our own containers have no rights to spare."""
    services = json.loads(suite.compose("config", "--format", "json"))["services"]
    published = [name for name, service in services.items() if service.get("ports")]
    if published != ["envoy"]:
        raise NotWorking(f"ports of {published} are published, not of envoy alone")
    for name, service in services.items():
        if service["image"] == OUR_IMAGE and not (service["read_only"] and service["cap_drop"] == ["ALL"]):
            raise NotWorking(f"{name} may write to its image or has capabilities")
    user = suite.compose("exec", "-T", "gateway", "id", "-u").strip()
    if user == "0":
        raise NotWorking("the gateway runs as root")
    say("only the HTTPS port is published; nothing of ours runs as root")


def check(suite: Suite) -> None:
    """The same smoke test as everywhere, and that all instances are members."""
    env_file = suite.env_file()
    settings = load({}, env_file)
    smoke(settings, read_env_file(env_file)["ISTHMUS_SPACE"], say)
    deadline = time.monotonic() + SCALE_TIMEOUT_S
    while True:
        with operator(settings) as provider:
            found = [member.service for member in provider.status().members]
        if all(found.count(service) == count for service, count in SCALE.items()):
            break
        if time.monotonic() > deadline:
            raise NotWorking(f"members are {sorted(found)}, not {SCALE}")
        time.sleep(0.5)
    say("every instance is a member")
    say(
        suite.compose("run", "--rm", "-T", "--no-deps", "cli", "isthmus", "ls").strip()
        + " (listed from inside)"
    )


def run(docker: Engine, standins: list[str]) -> None:
    """Up, smoke test, down. Raises what went wrong, after showing the logs."""
    with tempfile.TemporaryDirectory(prefix="isthmus-compose-") as folder:
        suite = Suite(docker, Path(folder))
        started = time.monotonic()
        try:
            suite.up()
            say(f"up after {time.monotonic() - started:.0f} s")
            check_file(suite)
            check(suite)
        except (StackError, ClientError, NotWorking):
            console.print(suite.logs(), markup=False, soft_wrap=True)
            raise
        finally:
            suite.down()
            say("removed containers, networks and volumes")
    note = f" on stand-ins for {', '.join(standins)}" if standins else ""
    console.print(f"[green]compose-test passed[/]{note}")


def main() -> int:
    """0 when it works, 1 when not or when no engine can run."""
    console.print("[bold]Isthmus as containers[/]")
    try:
        with engine(say) as docker:
            run(docker, ensure_images(docker, say))
    except NoEngine as error:
        console.print(f"compose-test cannot run here: {error}", markup=False, soft_wrap=True)
        return 1
    except (StackError, ClientError, NotWorking) as error:
        console.print(f"compose-test failed: {error}", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
