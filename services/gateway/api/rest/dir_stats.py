"""`GET /data/{id}/dir_size_stats`: how what lies below a directory went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.metadata.v1 import dir_stats_pb2

from runtime.errors import NoSuchFile, NotADirectory
from runtime.http.declared import Param, choice, flag, integer, optional_integer
from runtime.http.errors import ApiError
from runtime.http.params import Params
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import DirStats
from services.gateway.api.rest.operations import Call
from services.gateway.domain import dir_stats
from services.gateway.domain.dir_stats import METRICS, Layout

MODE = choice("mode", "Which series there are, or what they hold.", ("slice", "layout"), default="slice")


def _read_layout(params: Params) -> Layout | None:
    if params.choice("mode", "slice", ("slice", "layout")) == "layout":
        return None
    value = params.get("layout")
    if value is None:
        raise ApiError("missingRequiredValue", {"key": "layout"})
    if not isinstance(value, dict):
        raise ApiError("badValueJSON", {"key": "layout"})
    for series, metrics in value.items():
        if not isinstance(metrics, list) or not all(isinstance(each, str) for each in metrics):
            raise ApiError("badValueListOfStrings", {"key": f"layout.{series}"})
    return {series: tuple(metrics) for series, metrics in value.items()}


LAYOUT: Param[Layout | None] = Param(
    "layout",
    "Of a slice: which metrics of which series.",
    {"type": "object", "additionalProperties": {"type": "array", "items": {"enum": list(METRICS)}}},
    _read_layout,
    errors=("badValueJSON", "badValueListOfStrings", "missingRequiredValue"),
    in_body=True,
)
START = optional_integer("startTimestamp", "Begin with the window of this second, going back.", low=0)
STOP = optional_integer("stopTimestamp", "End with the window of this second.", low=0)
LIMIT = integer("windowLimit", "Most windows of each metric.", default=1000, low=1, high=1000)
EXTENDED = flag("extendedInfo", "Whether the first and last measurement of a window are told.")


class DirStatsRoutes:
    """Series of one directory, as this provider collected them."""

    def __init__(self, stats: DirStats) -> None:
        self._stats = stats

    async def get(self, call: Call) -> Answer:
        """`GET …/dir_size_stats`."""
        call.check_member()
        if call.file.is_user_root:
            raise ApiError("notSupported")
        series = await self._series(call)
        wanted = call[LAYOUT]
        if wanted is None:
            return json_answer({"layout": {each: list(METRICS) for each in series}})
        missing = dir_stats.missing(wanted, series)
        if missing:
            raise ApiError("timeSeriesCollectionMissingLayout", {"missingLayout": missing})
        return json_answer({"slice": await self._slice(call, wanted)})

    async def _series(self, call: Call) -> tuple[str, ...]:
        try:
            answer = await self._stats.get_dir_stats(
                dir_stats_pb2.GetDirStatsRequest(directory=ref(call.file))
            )
        except NoSuchFile:
            raise ApiError("notFound") from None
        except NotADirectory:
            raise ApiError("posix", {"errno": "enotdir"}) from None
        return dir_stats.series(answer.sums.physical_sizes)

    async def _slice(self, call: Call, wanted: Layout) -> dict[str, Any]:
        windows = {
            metric: await self._windows(call, metric)
            for metric in METRICS
            if any(metric in metrics for metrics in wanted.values())
        }
        return {
            series: {metric: _told(windows[metric], series, extended=call[EXTENDED]) for metric in metrics}
            for series, metrics in wanted.items()
        }

    async def _windows(self, call: Call, metric: str) -> list[dir_stats_pb2.DirStatsWindow]:
        request = dir_stats_pb2.ListDirStatsRequest(
            directory=ref(call.file),
            step_s=METRICS[metric],
            start_s=call[START] or 0,
            stop_s=call[STOP] or 0,
            limit=call[LIMIT],
        )
        return list((await self._stats.list_dir_stats(request)).windows)


def _told(
    windows: list[dir_stats_pb2.DirStatsWindow], series: str, *, extended: bool
) -> list[Mapping[str, Any]]:
    return [
        {
            "timestamp": window.time_s,
            "value": dir_stats.value(series, window.sums),
            "firstMeasurementTimestamp": window.first_s if extended else None,
            "lastMeasurementTimestamp": window.last_s if extended else None,
        }
        for window in windows
    ]
