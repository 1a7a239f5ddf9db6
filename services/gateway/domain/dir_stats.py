"""Series of directory statistics, by the names users know them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

#: Width of a window in seconds, by the name of the metric.
METRICS: Final[Mapping[str, int]] = {"minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400}

Layout = Mapping[str, tuple[str, ...]]

_PHYSICAL: Final = "physical_size_"
_FIXED: Final = (
    "reg_file_and_link_count",
    "dir_count",
    "file_error_count",
    "dir_error_count",
    "logical_size",
    "virtual_size",
)


class Sums(Protocol):
    """What is counted below a directory."""

    @property
    def file_count(self) -> int: ...
    @property
    def dir_count(self) -> int: ...
    @property
    def logical_size(self) -> int: ...
    @property
    def virtual_size(self) -> int: ...
    @property
    def physical_sizes(self) -> Mapping[str, int]: ...


def series(storage_ids: Iterable[str]) -> tuple[str, ...]:
    """All series of a directory that has bytes on these storages."""
    return (*_FIXED, *(f"{_PHYSICAL}{id}" for id in sorted(storage_ids)))


def missing(wanted: Layout, known: Iterable[str]) -> dict[str, list[str]]:
    """What of a layout there is not, by series."""
    there = set(known)
    lacking = {
        name: [metric for metric in metrics if name not in there or metric not in METRICS]
        for name, metrics in wanted.items()
    }
    return {name: metrics for name, metrics in lacking.items() if metrics or (name not in there)}


def value(name: str, sums: Sums) -> int:
    """The value of one series. Nothing fails to be counted, so errors are none."""
    match name:
        case "reg_file_and_link_count":
            return sums.file_count
        case "dir_count":
            return sums.dir_count
        case "logical_size":
            return sums.logical_size
        case "virtual_size":
            return sums.virtual_size
    return sums.physical_sizes.get(name.removeprefix(_PHYSICAL), 0) if name.startswith(_PHYSICAL) else 0
