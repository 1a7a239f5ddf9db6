"""The machine under the measurement: what it is, memory made ready, memory and CPU of processes."""

from __future__ import annotations

import contextlib
import mmap
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MIB = 1 << 20
SAMPLE_S = 0.05


def conditions() -> dict[str, str]:
    """What a reader has to know to judge a number."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        "?",
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "cores": f"{os.cpu_count()} × {model}",
        "memory": f"{psutil.virtual_memory().total / (1 << 30):.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "load before": load,
    }


def touch_memory(size_bytes: int) -> None:
    """Makes the host give us pages before a write is timed.

    On virtual machines freed memory goes back to the host, and the first touch of a new page costs ten
    times a later one: without this the first peer to write looks slow.
    """
    available = psutil.virtual_memory().available
    size = min(size_bytes, available // 2)
    with mmap.mmap(-1, size) as area:
        for offset in range(0, size, mmap.PAGESIZE):
            area[offset] = 1


def resident_bytes(pids: Iterable[int]) -> dict[int, int]:
    """Resident memory by process; those that ended are left out."""
    found = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found[pid] = int(psutil.Process(pid).memory_info().rss)
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += float(times.user + times.system)
    return total


@dataclass
class MemoryWatch:
    """Largest resident size of each process while it runs."""

    pids: Callable[[], list[int]]
    before: dict[int, int] = field(default_factory=dict)
    peak: dict[int, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Samples in a thread for the time of the block."""
        self.before = resident_bytes(self.pids())
        self.peak = dict(self.before)
        over = threading.Event()
        thread = threading.Thread(target=self._sample, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _sample(self, over: threading.Event) -> None:
        while not over.wait(SAMPLE_S):
            for pid, size in resident_bytes(self.before).items():
                self.peak[pid] = max(self.peak[pid], size)

    def growth(self) -> dict[int, int]:
        """Bytes each process grew by at most."""
        return {pid: self.peak[pid] - self.before[pid] for pid in self.before}


def process_name(pid: int) -> str:
    """A short name for a table: the module of a Python process, else the program."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return str(pid)
    if "-m" in words:
        return words[words.index("-m") + 1]
    return Path(words[0]).name if words else str(pid)


def idle(pids: list[int], seconds: float) -> tuple[int, float]:
    """Resident bytes of all, and the share of one core they use while nobody asks anything."""
    before, started = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    used = (cpu_seconds(pids) - before) / (time.monotonic() - started)
    return sum(resident_bytes(pids).values()), used
