"""SpaceService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import spaces_pb2, spaces_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.owner_usage import OwnerUsage
from services.metadata.domain.quotas import Spaces
from services.metadata.domain.stores import Usage
from services.metadata.domain.usage_history import UsageHistory


class SpaceServicer(spaces_pb2_grpc.SpaceServiceServicer):
    """Spaces and their quotas over gRPC."""

    def __init__(self, spaces: Spaces, history: UsageHistory, owners: OwnerUsage) -> None:
        self._spaces = spaces
        self._history = history
        self._owners = owners

    async def EnsureSpace(
        self, request: spaces_pb2.EnsureSpaceRequest, context: Any
    ) -> spaces_pb2.EnsureSpaceResponse:
        usage = await self._spaces.ensure(
            caller(), request.space_id, request.quota_bytes, revision=request.support_revision
        )
        return spaces_pb2.EnsureSpaceResponse(usage=_to_proto(usage))

    async def GetSpaceUsage(
        self, request: spaces_pb2.GetSpaceUsageRequest, context: Any
    ) -> spaces_pb2.GetSpaceUsageResponse:
        usage = await self._spaces.usage(caller(), request.space_id)
        return spaces_pb2.GetSpaceUsageResponse(usage=_to_proto(usage))

    async def RecountSpace(
        self, request: spaces_pb2.RecountSpaceRequest, context: Any
    ) -> spaces_pb2.RecountSpaceResponse:
        recount = await self._spaces.recount(caller(), request.space_id)
        return spaces_pb2.RecountSpaceResponse(
            usage=_to_proto(recount.usage),
            corrected_bytes=recount.corrected_bytes,
            unsettled_bytes=recount.unsettled_bytes,
        )

    async def GetUsageHistory(
        self, request: spaces_pb2.GetUsageHistoryRequest, context: Any
    ) -> spaces_pb2.GetUsageHistoryResponse:
        if request.user_id:
            held = await self._owners.read(caller(), request.space_id, request.user_id, request.step_s)
            return spaces_pb2.GetUsageHistoryResponse(
                points=[
                    spaces_pb2.UsagePoint(time_s=each.time_s, used_bytes=each.held_bytes) for each in held
                ]
            )
        points = await self._history.read(caller(), request.space_id, request.step_s)
        return spaces_pb2.GetUsageHistoryResponse(
            points=[
                spaces_pb2.UsagePoint(
                    time_s=point.time_s, quota_bytes=point.quota_bytes, used_bytes=point.used_bytes
                )
                for point in points
            ]
        )


def _to_proto(usage: Usage) -> spaces_pb2.SpaceUsage:
    return spaces_pb2.SpaceUsage(
        space_id=usage.space_id,
        quota_bytes=usage.quota_bytes,
        used_bytes=usage.used_bytes,
        leased_bytes=usage.leased_bytes,
    )
