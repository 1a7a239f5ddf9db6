"""What is measured: rows of ways, in shuffled rounds, and ratios taken within each round."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class Wrong(Exception):
    """A way answered with errors or other bytes: its speed means nothing."""


@dataclass(frozen=True)
class Ratio:
    """Isthmus over a peer, both ways of one row. `demand`: the least we owe, or None for information."""

    way: str
    peer: str
    demand: float | None


@dataclass(frozen=True)
class Row:
    """One question. `ways` give a speed in `unit` each time they are called; `before` readies the machine."""

    name: str
    unit: str
    ways: Mapping[str, Callable[[], float]]
    ratios: tuple[Ratio, ...]
    before: Callable[[], None] = lambda: None


@dataclass
class Result:
    """Speeds of all rounds by way."""

    row: Row
    speeds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, way: str) -> float:
        """Median speed."""
        return statistics.median(self.speeds[way])

    def ratio(self, ratio: Ratio) -> float:
        """Median over rounds of the ratio within a round: what disturbs a round disturbs both sides."""
        pairs = zip(self.speeds[ratio.way], self.speeds[ratio.peer], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


@dataclass(frozen=True)
class Limit:
    """A single figure that must stay below a bound, or None for information."""

    name: str
    value: float
    bound: float | None
    unit: str
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether what we owe is kept."""
        return self.bound is None or self.value <= self.bound


def measure(row: Row, rounds: int, say: Callable[[str], None]) -> Result:
    """Runs every way once a round, in another order each round, after one unmeasured round."""
    result = Result(row, {way: [] for way in row.ways})
    for number in range(rounds + 1):
        order = list(row.ways)
        random.shuffle(order)
        for way in order:
            row.before()
            speed = row.ways[way]()
            if number:
                result.speeds[way].append(speed)
        say(f"{row.name}: round {number} of {rounds}" + ("" if number else " (warm-up)"))
    return result
