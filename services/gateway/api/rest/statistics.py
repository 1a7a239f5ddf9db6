"""`/metrics/space/{sid}`: how a space is used, as far as one provider has numbers."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.metadata.v1 import spaces_pb2

from runtime.clock import Clock
from runtime.http.declared import choice, required_choice
from runtime.http.errors import ApiError
from runtime.http.file_ids import check_member, space_root
from runtime.identity import SpacePrivilege
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.ports import UsageHistory
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain import statistics
from services.gateway.domain.confined import refuse_confined
from services.gateway.domain.providers import SpaceProviders
from services.gateway.domain.statistics import Series

_ABOUT_METRIC = "What to tell. This provider has numbers of `storage_quota` and `storage_used`."
METRIC = required_choice("metric", _ABOUT_METRIC, statistics.SPACE_METRICS)
USER_METRIC = required_choice("metric", "What to tell. There are no numbers yet.", statistics.USER_METRICS)
STEP = choice(
    "step",
    "Width of a step; a day, a week, a month or a year is told.",
    tuple(statistics.STEPS),
    default="5m",
)


class StatisticsRoutes:
    """Series of numbers by provider."""

    def __init__(self, history: UsageHistory, providers: SpaceProviders, clock: Clock) -> None:
        self._history = history
        self._providers = providers
        self._clock = clock

    async def of_space(self, call: PlainCall) -> Answer:
        """`GET /metrics/space/{sid}`."""
        metric, step = call[METRIC], call[STEP]
        provider_ids = await self._entitled(call)
        if metric not in ("storage_quota", "storage_used"):
            return json_answer(statistics.by_provider(provider_ids, call.provider_id, statistics.NO_DATA))
        space_id = call.path["sid"]
        step_s, _ = statistics.STEPS[step]
        answer = await self._history.get_usage_history(
            spaces_pb2.GetUsageHistoryRequest(space_id=space_id, step_s=step_s)
        )
        quota = metric == "storage_quota"
        values = {
            point.time_s: float(point.quota_bytes if quota else point.used_bytes) for point in answer.points
        }
        series = Series(space_id, call.provider_id, metric, "bytes", values)
        own = statistics.rrd(series, step, self._clock.now_ms() // 1000)
        return json_answer(statistics.by_provider(provider_ids, call.provider_id, own))

    async def of_user(self, call: PlainCall) -> Answer:
        """`GET /metrics/space/{sid}/user/{uid}`: nothing is counted by user, so nobody has data."""
        provider_ids = await self._entitled(call)
        return json_answer(statistics.by_provider(provider_ids, call.provider_id, statistics.NO_DATA))

    async def _entitled(self, call: PlainCall) -> Sequence[str]:
        """The providers of the space, for who may view its statistics."""
        space_id = call.path["sid"]
        refuse_confined(call.identity)
        rights = call.identity.rights_in(space_id)
        if rights is None or not rights.has(SpacePrivilege.VIEW_STATISTICS):
            raise ApiError("forbidden")
        check_member(call.identity, space_root(space_id), provider_id=call.provider_id)
        providers = await self._providers.of_spaces([space_id])
        return [each.provider_id for each in providers.get(space_id, ())]
