"""`/metrics/space/{sid}`: how a space, or a user in it, is used here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.metadata.v1 import access_history_pb2, spaces_pb2

from runtime.clock import Clock
from runtime.http.declared import choice, required_choice
from runtime.http.errors import ApiError
from runtime.http.file_ids import check_member, space_root
from runtime.identity import SpacePrivilege
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.ports import AccessHistory, UsageHistory
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain import statistics
from services.gateway.domain.confined import refuse_confined
from services.gateway.domain.providers import SpaceProviders
from services.gateway.domain.statistics import Source

_ABOUT_METRIC = (
    "What to tell. `data_access`: bytes of content read and written; `block_access`: requests that did; "
    "`connected_users`: users with a request about the space within five minutes. No provider has numbers of "
    "`remote_transfer`: none fetches content from another one."
)
METRIC = required_choice("metric", _ABOUT_METRIC, statistics.SPACE_METRICS)
USER_METRIC = required_choice(
    "metric",
    "What to tell, as of a space. `storage_used`: bytes of the files that the user owns, counted once a "
    "minute, or less often where that would take more than a fiftieth of the time.",
    statistics.USER_METRICS,
)
STEP = choice(
    "step",
    "Width of a step; a day, a week, a month or a year is told.",
    tuple(statistics.STEPS),
    default="5m",
)


class StatisticsRoutes:
    """Series of numbers by provider."""

    def __init__(
        self, usage: UsageHistory, accesses: AccessHistory, providers: SpaceProviders, clock: Clock
    ) -> None:
        self._usage = usage
        self._accesses = accesses
        self._providers = providers
        self._clock = clock

    async def of_space(self, call: PlainCall) -> Answer:
        """`GET /metrics/space/{sid}`."""
        return await self._tell(call, call[METRIC], call[STEP], user_id="")

    async def of_user(self, call: PlainCall) -> Answer:
        """`GET /metrics/space/{sid}/user/{uid}`."""
        return await self._tell(call, call[USER_METRIC], call[STEP], user_id=call.path["uid"])

    async def _tell(self, call: PlainCall, metric: str, step: str, *, user_id: str) -> Answer:
        provider_ids = await self._entitled(call)
        source = Source(call.path["sid"], call.provider_id, metric, user_id)
        own = statistics.NO_DATA
        if metric in statistics.ACCESS_COLUMNS:
            own = await self._access(source, step)
        elif metric in ("storage_quota", "storage_used"):
            own = await self._storage(source, step)
        return json_answer(statistics.by_provider(provider_ids, call.provider_id, own))

    async def _storage(self, source: Source, step: str) -> Any:
        step_s, _ = statistics.STEPS[step]
        answer = await self._usage.get_usage_history(
            spaces_pb2.GetUsageHistoryRequest(space_id=source.space_id, step_s=step_s, user_id=source.user_id)
        )
        quota = source.metric == "storage_quota"
        values = {
            point.time_s: float(point.quota_bytes if quota else point.used_bytes) for point in answer.points
        }
        return statistics.usage_rrd(source, values, step, self._clock.now_ms() // 1000)

    async def _access(self, source: Source, step: str) -> Any:
        step_s, _ = statistics.STEPS[step]
        answer = await self._accesses.get_access_history(
            access_history_pb2.GetAccessHistoryRequest(
                space_id=source.space_id, user_id=source.user_id, step_s=step_s
            )
        )
        if not answer.known:
            return statistics.NO_DATA
        return statistics.access_rrd(source, answer.points, step, self._clock.now_ms() // 1000)

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
