"""Statistics of a space in the form of round-robin databases, as the original told them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Series:
    """One column: where it comes from, and its values by the beginning of their step."""

    space_id: str
    provider_id: str
    metric: str
    unit: str
    values: Mapping[int, float]


def rrd(series: Series, step: str, now_s: int) -> Any:
    """The window that ends with the step under way; nothing when no step of it has a value."""
    step_s, count = STEPS[step]
    last = now_s - now_s % step_s
    first = last - (count - 1) * step_s
    rows = [[series.values.get(first + index * step_s)] for index in range(count)]
    if all(value is None for [value] in rows):
        return NO_DATA
    column = f"{series.metric}[{series.unit}]"
    legend = f"space {series.space_id}; metric {series.metric}; oneprovider ID {series.provider_id}; {column}"
    return {
        "about": f"{series.metric} of a space, the last value of each step",
        "meta": {"start": first, "end": last + step_s, "step": step_s, "legend": [legend]},
        "data": rows,
    }


def by_provider(provider_ids: Iterable[str], own_id: str, own: Any) -> list[dict[str, Any]]:
    """One element for each provider of the space."""
    return [{"providerId": id, "rrd": own if id == own_id else NO_DATA} for id in provider_ids]
