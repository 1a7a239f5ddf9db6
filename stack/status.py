"""`make status`: what runs, since when, how large it is, and whether a request works."""

from __future__ import annotations

import os
import time
from pathlib import Path

from clients.cli.settings import read_env_file
from clients.http_api import ClientError
from stack.bootstrap import write_and_read
from stack.layout import Layout
from stack.supervisor import State, Supervisor

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def status(layout: Layout) -> int:
    """Print the state; 0 when all runs and a file can be stored and read, else 1."""
    supervisor = Supervisor(layout)
    if not supervisor.is_running():
        print("nothing runs; start it with: make up")
        return 1
    states = supervisor.states()
    print(f"{'PROGRAM':24} {'STATE':10} {'PID':>8} {'UP':>9} {'MEMORY':>10}")
    for each in states:
        print(_line(each))
    total = sum(_resident_bytes(each.pid) for each in states)
    print(f"{'':24} {'':10} {'':>8} {'':>9} {total >> 20:>6} MiB\n")
    works = _print_sites(layout)
    return 0 if works and all(each.is_running for each in states) else 1


def _line(each: State) -> str:
    up = _duration(time.time() - each.since_s) if each.is_running else "-"
    memory = f"{_resident_bytes(each.pid) >> 20:>6} MiB" if each.is_running else "-"
    return f"{each.name:24} {each.state.lower():10} {each.pid or '-':>8} {up:>9} {memory:>10}"


def _print_sites(layout: Layout) -> bool:
    if not layout.stack_env.exists():
        print("not ready: there is no stack.env yet; see: make logs")
        return False
    known = read_env_file(layout.stack_env)
    works = True
    for site in layout.sites:
        if f"ISTHMUS_URL{site.suffix}" not in known:
            continue
        try:
            write_and_read(site, known["ISTHMUS_TOKEN"])
            print(f"{site.url}  a file was stored, read and removed")
        except ClientError as error:
            print(f"{site.url}  does not work: {error}")
            works = False
    print(f"tokens and addresses: {layout.stack_env}")
    return works


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0
