"""The table, for the terminal and for docs/performance.md."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.rows import Limit, Result

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/performance.md"
INTRODUCTION = """# Performance

Written by `make bench WRITE=1`. Compare only inside this page: every ratio is the median of ratios within
one round, both sides on the same machine within seconds of each other, order shuffled, {rounds} rounds after
one that is not counted. "Same door" means behind an Envoy with the same listener, certificate and limits;
"direct" means plain HTTP without Envoy; "through a door without TLS" is another Envoy before Isthmus's data
ports, so that plain HTTP is met with plain HTTP. All files lie on the same tmpfs; MongoDB's lie on the disk
and every change is journaled before it is acknowledged. Statuses, lengths and bodies of answers are checked,
and a way with a single wrong answer has no number. Memory is touched before writes. Load: one connection in
Python for the large transfers, wrk for the small requests; it uses the same cores. What stands behind
the figures: [where-time-goes.md](where-time-goes.md).

"Its own code, one call and one record each" is Isthmus itself in a stack of its own, without batches
(`bench/one_each.py`). The "bare pipeline" (`bench/unbatched.py`) checks no token and no permission and knows
no path: what one call and one round trip to the database can do at best, for comparison only.
Where all instances are asked directly, each has an even share of the connections.
"""


@dataclass
class Report:
    """What a run found."""

    conditions: dict[str, str]
    rounds: int
    results: list[Result] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything we owe was kept."""
        kept = all(
            ratio.demand is None or result.ratio(ratio) >= ratio.demand
            for result in self.results
            for ratio in result.row.ratios
        )
        return kept and all(limit.holds for limit in self.limits)

    def show(self, console: Console) -> None:
        """Prints both tables."""
        for title, head, rows in self._tables():
            table = Table(*head, title=title, title_justify="left", header_style="bold")
            for row in rows:
                table.add_row(*row)
            console.print(table)

    def write(self) -> None:
        """Replaces docs/performance.md."""
        lines = [INTRODUCTION.format(rounds=self.rounds)]
        lines.append(f"Measured {time.strftime('%Y-%m-%d')}. ")
        lines.append("; ".join(f"{name}: {value}" for name, value in self.conditions.items()) + ".\n")
        for title, head, rows in self._tables():
            lines += [
                f"## {title}\n",
                _line(head),
                _line(["---"] * len(head)),
                *(_line(row) for row in rows),
                "",
            ]
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text("\n".join(lines))

    def _tables(self) -> list[tuple[str, Sequence[str], list[list[str]]]]:
        ratios = [
            [
                result.row.name,
                f"{ratio.way} / {ratio.peer}",
                f"{_speed(result.median(ratio.way))} {result.row.unit}",
                f"{_speed(result.median(ratio.peer))} {result.row.unit}",
                f"{result.ratio(ratio):.2f}",
                *_verdict(ratio.demand, result.ratio(ratio) >= (ratio.demand or 0), "≥"),
            ]
            for result in self.results
            for ratio in result.row.ratios
        ]
        limits = [
            [
                limit.name,
                f"{_speed(limit.value)} {limit.unit}",
                *_verdict(limit.bound, limit.holds, "≤", limit.unit),
                limit.detail,
            ]
            for limit in self.limits
        ]
        return [
            ("Speed", ("what", "who", "Isthmus", "peer", "ratio", "owed", "holds"), ratios),
            ("Memory and rest", ("what", "measured", "owed", "holds", "detail"), limits),
        ]


def _verdict(bound: float | None, holds: bool, sign: str, unit: str = "") -> tuple[str, str]:
    if bound is None:
        return "", ""
    return f"{sign} {bound:g} {unit}".rstrip(), "yes" if holds else "**no**"


def _speed(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
