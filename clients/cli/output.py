"""What commands print: tables for people, JSON for programs, one line for an error; and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.http_api import ClientError, RefusedError, UnreachableError

WIDE = 240


class Exit(IntEnum):
    """Exit codes; 2 is also what a wrong option gives."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3


class Output:
    """Standard output and error of one command. With `as_json` standard output holds one JSON text."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # In a pipe or a file nothing says how wide a line may be: do not fold tables there.
        self.out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
        self.err = Console(stderr=True, soft_wrap=True)

    def record(self, value: dict[str, Any]) -> None:
        """One thing."""
        if self.as_json:
            self._json(value)
            return
        width = max((len(name) for name in value), default=0)
        for name, field in value.items():
            self.out.print(Text(f"{name:<{width}}  {_cell(field)}"))

    def rows(self, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        """Many things: `columns` choose and order what a person sees; a program gets all fields."""
        if self.as_json:
            self._json(list(rows))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(row.get(column, ""))) for column in columns))
        self.out.print(table)

    def line(self, text: str) -> None:
        """A plain line for people."""
        if not self.as_json:
            self.out.print(Text(text))

    def warn(self, text: str) -> None:
        """A line on standard error."""
        self.err.print(Text(f"isthmus: {text}"))

    def _json(self, value: object) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def failure(self, error: Exception) -> Exit:
        """Prints an error as one line and says the exit code it means."""
        code = Exit.UNREACHABLE if isinstance(error, UnreachableError) else Exit.FAILED
        self.warn(" ".join(str(error).split()))
        if self.as_json:
            self._json({"error": error_json(error)})
        return code


def error_json(error: Exception) -> dict[str, Any]:
    """An error as programs read it; the envelope's fields when a server refused."""
    if isinstance(error, RefusedError):
        return {
            "id": error.error_id,
            "description": error.description,
            "details": error.details,
            "status": error.status,
        }
    kind = "unreachable" if isinstance(error, UnreachableError) else "failed"
    return {"id": kind, "description": str(error)}


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def size_text(size_bytes: int) -> str:
    """A size for people: 3 significant digits and a binary unit."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} PiB"


__all__ = ["ClientError", "Exit", "Output", "error_json", "size_text"]
