"""Debian packages that a command needs and may install: without starting any service of theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from stack.errors import StackError

INSTALL_TIMEOUT_S = 900
POLICY = Path("/usr/sbin/policy-rc.d")


def ensure_programs(programs: dict[str, str], say: Callable[[str], None]) -> None:
    """Has each program at hand: by name, with the package it comes in. StackError tells what to install."""
    missing = {program: package for program, package in programs.items() if shutil.which(program) is None}
    if not missing:
        return
    names = sorted(set(missing.values()))
    remedy = f"Run: sudo apt-get install {' '.join(names)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StackError(f"{', '.join(missing)} is not installed", remedy)
    say(f"installing {' '.join(names)}")
    install(names)
    still = [program for program in missing if shutil.which(program) is None]
    if still:
        raise StackError(
            f"{', '.join(still)} could not be installed by apt-get", f"Check the network. {remedy}"
        )


def install(names: list[str]) -> None:
    """Installs packages; Debian would start the servers among them on their default ports."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for words in (command, ["apt-get", "-qq", "update"], command):
            done = subprocess.run(
                words, capture_output=True, env=environment, timeout=INSTALL_TIMEOUT_S, check=False
            )
            if words is command and done.returncode == 0:
                return
    finally:
        if ours:
            POLICY.unlink()
