"""How a process starts and ends, with real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.auth import ClusterKey

ROOT = Path(__file__).parents[3]
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts the twin; whatever is left of it is killed afterwards."""
    ClusterKey.generate(tmp_path / "cluster.key")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "ISTHMUS_INSTANCE_ID": "twin-1",
        "ISTHMUS_CLUSTER_KEY_FILE": str(tmp_path / "cluster.key"),
        "ISTHMUS_COLOUR": "blue",
        "ISTHMUS_DRAIN_S": "0",
    }
    started = []

    def begin(fault: str = "", **changes: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.process_twin", fault],
            cwd=ROOT,
            env={**environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for told in process.stdout:
        if told.strip() == line:
            return
    raise AssertionError(f"the process never told {line!r}")


def wait_for_log(process: subprocess.Popen[str], event: str) -> None:
    assert process.stderr is not None
    assert any(event in line for line in process.stderr), f"{event} was never logged"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_parts_stop_in_reverse_on_a_signal(run: Run, signum: int):
    process = run()
    wait_for(process, "ready")
    process.send_signal(signum)
    told, _ = process.communicate(timeout=20)
    assert told.split("\n")[:2] == ["stop b", "stop a"]
    assert process.returncode == 0


def test_what_is_there_after_the_start_is_not_searched_for_garbage(run: Run):
    process = run("garbage")
    wait_for(process, "ready")
    # Its last part has started, but that is told a moment before the start is over.
    wait_for_log(process, "process_started")
    process.terminate()
    told, _ = process.communicate(timeout=20)
    assert told.splitlines()[0] == "spared"


def test_a_missing_setting_is_one_clear_line(run: Run):
    process = run(ISTHMUS_COLOUR="", ISTHMUS_GRPC_PORT="high")
    told, complaint = process.communicate(timeout=20)
    assert told == ""
    assert complaint.startswith("twin: bad settings: ISTHMUS_GRPC_PORT: ")
    assert complaint.count("\n") == 1
    assert "ISTHMUS_COLOUR: Field required" in complaint
    assert process.returncode == 2


def test_an_absent_key_file_is_one_clear_line(run: Run, tmp_path: Path):
    process = run(ISTHMUS_CLUSTER_KEY_FILE=str(tmp_path / "absent"))
    _, complaint = process.communicate(timeout=20)
    assert complaint.splitlines()[-1].endswith("absent: No such file or directory")
    assert "Traceback" not in complaint
    assert process.returncode == 2


def test_a_part_that_cannot_start_ends_the_process(run: Run):
    process = run("start-b")
    told, complaint = process.communicate(timeout=20)
    assert told.split() == ["start", "a", "start", "b", "stop", "b", "stop", "a"]
    assert "process_failed" in complaint
    assert process.returncode == 1


def test_a_part_that_fails_to_stop_keeps_no_other_from_it(run: Run):
    process = run("stop-b")
    wait_for(process, "ready")
    process.terminate()
    told, complaint = process.communicate(timeout=20)
    assert "stop a" in told
    assert "part_stop_failed" in complaint


def test_a_signal_ends_a_start_that_hangs(run: Run):
    process = run("hang-b")
    wait_for(process, "start b")
    process.terminate()
    told, _ = process.communicate(timeout=20)
    assert told.split("\n")[:2] == ["stop b", "stop a"]
    assert process.returncode == 0


def test_every_line_of_the_log_is_json(run: Run):
    process = run()
    wait_for(process, "ready")
    process.terminate()
    _, logged = process.communicate(timeout=20)
    lines = [json.loads(line) for line in logged.splitlines()]
    assert [each["event"] for each in lines] == ["process_started", "process_stopping", "process_stopped"]
    assert {each["instance_id"] for each in lines} == {"twin-1"}
