from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime import telemetry
from runtime.telemetry import _respond

ROOT = Path(__file__).parents[3]


def test_without_an_exporter_nothing_of_tracing_is_imported():
    code = (
        "import sys, runtime.telemetry as t, runtime.rpc.interceptors\n"
        "with t.span('x'): assert t.traceparent() == ''\n"
        "assert not t.tracing()\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": ".:gen"}, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /metrics HTTP/1.1", b"200"),
        (b"GET /metrics?x=1 HTTP/1.1", b"200"),
        (b"POST /metrics HTTP/1.1", b"405"),
        (b"GET / HTTP/1.1", b"404"),
        (b"\x00\xff", b"404"),
    ],
)
def test_only_metrics_are_told(line: bytes, status: bytes):
    assert _respond(line).split(b" ")[1] == status


def test_names_have_the_prefix():
    made = telemetry.counter("test_things", "Things in this test.", ["kind"])
    made.labels("a").inc(2)
    assert b'isthmus_test_things_total{kind="a"} 2.0' in _respond(b"GET /metrics HTTP/1.1")
