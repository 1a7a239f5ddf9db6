"""Progress of transfers: a bar on a terminal, lines for notes, silence for programs."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import (
    Progress as RichProgress,
)

from clients.cli.output import Output


class Bar:
    """One bar for all bytes of a command. A `transfer.Progress`."""

    def __init__(self, label: str, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._total = 0
        shown = output.err.is_terminal and not output.as_json
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=output.err,
            disable=not shown,
        )
        self._task = self._bars.add_task(label, total=0)

    def __enter__(self) -> Bar:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def expect(self, size_bytes: int) -> None:
        """More bytes will come."""
        with self._lock:
            self._total += size_bytes
            self._bars.update(self._task, total=self._total)

    def advance(self, size_bytes: int) -> None:
        """Bytes have moved."""
        self._bars.advance(self._task, size_bytes)

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._output.warn(text)
