"""Statistics of a space in the form of round-robin databases, as the original told them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

SPACE_METRICS: Final = (
    "storage_quota",
    "storage_used",
    "data_access",
    "block_access",
    "connected_users",
    "remote_transfer",
)
USER_METRICS: Final = ("storage_used", "data_access", "block_access", "remote_transfer")

#: Seconds of a step, and how many steps are told.
STEPS: Final[Mapping[str, tuple[int, int]]] = {
    "5m": (300, 288),
    "1h": (3600, 168),
    "1d": (86_400, 31),
    "1m": (30 * 86_400, 12),
}

#: What a provider has no numbers of.
NO_DATA: Final = ""


class AccessPoint(Protocol):
    """Sums of the step that began then."""

    @property
    def time_s(self) -> int: ...
    @property
    def read_bytes(self) -> int: ...
    @property
    def written_bytes(self) -> int: ...
    @property
    def reads(self) -> int: ...
    @property
    def writes(self) -> int: ...
    @property
    def users(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a metric of accesses. Of a rate the average is told, else the last value.

    `of`: its number in the sums of one step.
    """

    name: str
    unit: str
    of: Callable[[AccessPoint], int]
    rate: bool = True


ACCESS_COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    "data_access": (
        Column("data_access_read", "bytes/s", lambda point: point.read_bytes),
        Column("data_access_write", "bytes/s", lambda point: point.written_bytes),
    ),
    "block_access": (
        Column("block_access_read", "iops/s", lambda point: point.reads),
        Column("block_access_write", "iops/s", lambda point: point.writes),
    ),
    "connected_users": (Column("connected_users", "users_count", lambda point: point.users, rate=False),),
}


@dataclass(frozen=True, slots=True)
class Source:
    """What the numbers are about, and at which provider."""

    space_id: str
    provider_id: str
    metric: str
    user_id: str = ""

    @property
    def whom(self) -> str:
        """Of whom the numbers are, in words."""
        return "a user in a space" if self.user_id else "a space"

    def legend(self, column: str, unit: str) -> str:
        """What a column is called."""
        user = f"; user {self.user_id}" if self.user_id else ""
        about = f"space {self.space_id}; metric {self.metric}{user}; oneprovider ID {self.provider_id}"
        return f"{about}; {column}[{unit}]"


def usage_rrd(source: Source, values: Mapping[int, float], step: str, now_s: int) -> Any:
    """The window that ends with the step under way; nothing when no step of it has a value.

    `values`: bytes by the beginning of their step.
    """
    times = _times(step, now_s)
    rows = [[values.get(time_s)] for time_s in times]
    if all(value is None for [value] in rows):
        return NO_DATA
    about = f"{source.metric} of {source.whom}, the last value of each step"
    return _rrd(about, times, [source.legend(source.metric, "bytes")], rows)


def access_rrd(source: Source, points: Iterable[AccessPoint], step: str, now_s: int) -> Any:
    """The same of what was read and written: what is not told of did not happen.

    Of a rate the average of each step is told; of the step under way, over the time since it began.
    """
    columns, times = ACCESS_COLUMNS[source.metric], _times(step, now_s)
    by_time = {point.time_s: point for point in points}
    rows = [
        [_value(column, by_time.get(time_s), min(times.step, now_s - time_s + 1)) for column in columns]
        for time_s in times
    ]
    kind = "the average" if columns[0].rate else "the last value"
    about = f"{source.metric} of {source.whom}, {kind} of each step"
    return _rrd(about, times, [source.legend(column.name, column.unit) for column in columns], rows)


def by_provider(provider_ids: Iterable[str], own_id: str, own: Any) -> list[dict[str, Any]]:
    """One element for each provider of the space."""
    return [{"providerId": id, "rrd": own if id == own_id else NO_DATA} for id in provider_ids]


def _times(step: str, now_s: int) -> range:
    """Beginnings of the steps of a window."""
    step_s, count = STEPS[step]
    last = now_s - now_s % step_s
    return range(last - (count - 1) * step_s, last + step_s, step_s)


def _value(column: Column, point: AccessPoint | None, lasted_s: int) -> float:
    value = 0.0 if point is None else float(column.of(point))
    return value / lasted_s if column.rate else value


def _rrd(about: str, times: range, legend: list[str], rows: Sequence[Sequence[float | None]]) -> Any:
    meta = {"start": times.start, "end": times.stop, "step": times.step, "legend": legend}
    return {"about": about, "meta": meta, "data": rows}
