"""supervisord keeps the programs of a stack running; this writes its configuration and talks to it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from stack.errors import StackError
from stack.layout import REPO, Layout
from stack.processes import STAGES, Process

MAX_OPEN_FILES = 65_536
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 30.0
RUNNING, FATAL = 20, 200
STOPPED_STATES = (0, 100, FATAL)  # STOPPED, EXITED, FATAL


@dataclass(frozen=True)
class State:
    """One program as supervisord sees it. `since_s`: when it was started, seconds since the epoch."""

    name: str
    state: str
    code: int
    pid: int
    since_s: int

    @property
    def is_running(self) -> bool:
        return self.code == RUNNING


class Supervisor:
    """supervisord of one stack, running or not."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._socket = layout.sockets / "supervisor.sock"
        self._config = layout.run_dir / "supervisord.conf"
        self._pid_file = layout.run_dir / "supervisord.pid"

    def is_running(self) -> bool:
        """Whether it answers."""
        if not self._socket.exists():
            return False
        try:
            return bool(self._call("getState"))
        except (OSError, xmlrpc.client.Error):
            return False

    def was_killed(self) -> bool:
        """Whether the last one ended without taking its leave."""
        return self._pid_file.exists() and not self.is_running()

    def begin(self, processes: Iterable[Process]) -> None:
        """Start supervisord itself; the programs wait for `start`."""
        for folder in (self._layout.logs, self._layout.sockets):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.unlink(missing_ok=True)
        self._config.write_text(configuration(self._layout, processes))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)]
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_running():
            if done.returncode != 0 or time.monotonic() > deadline:
                said = (done.stderr or done.stdout).strip().splitlines()
                raise StackError(
                    f"supervisord does not start ({said[-1] if said else 'no message'})",
                    f"See {self._layout.logs / 'supervisord.log'}",
                )
            time.sleep(0.05)

    def states(self) -> list[State]:
        """All programs."""
        return [
            State(each["name"], each["statename"], each["state"], each["pid"], each["start"])
            for each in self._call("getAllProcessInfo")
        ]

    def start(self, names: Iterable[str]) -> bool:
        """Start those that do not run, without waiting; whether there were any."""
        idle = {each.name for each in self.states() if each.code in STOPPED_STATES}.intersection(names)
        for name in sorted(idle):
            self._call("startProcess", name, False)
        return bool(idle)

    def stop(self, names: Iterable[str]) -> None:
        """Stop programs, all at once, and wait."""
        wanted = set(names)
        for each in self.states():
            if each.name in wanted and each.code not in STOPPED_STATES:
                self._call("stopProcess", each.name, False)
        self._wait(lambda: all(each.code in STOPPED_STATES for each in self.states() if each.name in wanted))

    def check_alive(self) -> None:
        """StackError when a program ends again and again."""
        failed = [each for each in self.states() if each.code == FATAL]
        if failed:
            raise StackError(
                f"{failed[0].name} does not start ({self.last_line(failed[0].name)})",
                f"See {self._layout.logs / failed[0].name}.log",
            )

    def last_line(self, name: str) -> str:
        """The end of a program's log, for messages."""
        try:
            lines = (self._layout.logs / f"{name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return "no log"
        return next((line.strip()[-300:] for line in reversed(lines) if line.strip()), "empty log")

    def end(self) -> None:
        """Stop all programs, those that need others first, then supervisord."""
        by_stage: dict[int, list[str]] = {stage: [] for stage in STAGES}
        for each in self.states():
            by_stage[_stage_of(each.name)].append(each.name)
        for stage in reversed(STAGES):
            self.stop(by_stage[stage])
        pid = int(self._pid_file.read_text())
        self._call("shutdown")
        self._wait(lambda: not _is_alive(pid))

    def _wait(self, is_done: Any) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while not is_done():
            if time.monotonic() > deadline:
                raise StackError(
                    f"Not everything stopped within {STOP_TIMEOUT_S:g} s", "Try again: make down"
                )
            time.sleep(0.05)

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return cast(Any, getattr(proxy.supervisor, method))(*arguments)


def configuration(layout: Layout, processes: Iterable[Process]) -> str:
    """supervisord.conf."""
    sections = [
        _section(
            "supervisord",
            logfile=layout.logs / "supervisord.log",
            logfile_maxbytes="5MB",
            logfile_backups=1,
            pidfile=layout.run_dir / "supervisord.pid",
            minfds=_open_files(),
            **({"user": "root"} if os.geteuid() == 0 else {}),
        ),
        _section("unix_http_server", file=layout.sockets / "supervisor.sock", chmod="0700"),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        *(_program(layout, process) for process in processes),
    ]
    return "\n".join(sections)


def _program(layout: Layout, process: Process) -> str:
    # The death signal: nothing outlives supervisord, even if that is killed.
    command = ["setpriv", "--pdeathsig", "TERM", *process.command]
    return _section(
        f"program:{process.name}",
        command=" ".join(_quoted(word) for word in command),
        environment=",".join(f"{name}={_quoted(value)}" for name, value in process.env.items()),
        directory=REPO,
        autostart="false",
        autorestart="true",
        startsecs=1,
        startretries=8,
        stopwaitsecs=20,
        stopasgroup="true",
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=layout.logs / f"{process.name}.log",
        stdout_logfile_maxbytes="20MB",
        stdout_logfile_backups=1,
        priority=process.stage,
    )


def _section(name: str, /, **values: object) -> str:
    lines = [f"{key} = {value}" for key, value in values.items() if value != ""]
    return "\n".join([f"[{name}]", *lines, ""])


def _quoted(word: str) -> str:
    """One word of a command line or one value of an environment, whatever is in it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _stage_of(name: str) -> int:
    if name.startswith(("mongod", "consul")):
        return STAGES[0]
    return STAGES[1] if name.startswith(("cluster_manager", "zone")) else STAGES[2]


def _open_files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
