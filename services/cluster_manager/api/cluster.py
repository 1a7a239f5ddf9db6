"""The cluster's state, for operators."""

from __future__ import annotations

import math
from collections.abc import Callable

from isthmus.cluster_manager.v1 import cluster_pb2, cluster_pb2_grpc

from runtime.auth import caller
from runtime.errors import PermissionDenied
from runtime.identity import Kind
from services.cluster_manager.domain.cluster import Cluster, Health, Leader, Member

_HEALTH = {
    Health.PASSING: cluster_pb2.MEMBER_HEALTH_PASSING,
    Health.WARNING: cluster_pb2.MEMBER_HEALTH_WARNING,
    Health.CRITICAL: cluster_pb2.MEMBER_HEALTH_CRITICAL,
}
NEVER_MS = 2**53  # age of a view that was never confirmed


class ClusterServicer(cluster_pb2_grpc.ClusterServiceServicer):
    """Decode, ask, encode."""

    def __init__(self, cluster: Cluster, *, provider_id: Callable[[], str], version: str) -> None:
        self._cluster = cluster
        self._provider_id = provider_id
        self._version = version

    async def GetClusterStatus(
        self, request: cluster_pb2.GetClusterStatusRequest, context: object
    ) -> cluster_pb2.GetClusterStatusResponse:
        if caller().kind not in (Kind.OPERATOR, Kind.SERVICE):
            raise PermissionDenied("this is for operators")
        status = await self._cluster.status()
        return cluster_pb2.GetClusterStatusResponse(
            provider_id=self._provider_id(),
            version=self._version,
            members=[_member(member) for member in status.members],
            leaders=[_leader(leader) for leader in status.leaders],
            catalog_age_ms=round(status.age_s * 1000) if math.isfinite(status.age_s) else NEVER_MS,
        )


def _member(member: Member) -> cluster_pb2.Member:
    return cluster_pb2.Member(
        service=member.service,
        instance_id=member.instance_id,
        address=member.address,
        version=member.version,
        health=_HEALTH[member.health],
        health_detail=member.health_detail,
        started_at_ms=member.started_at_ms,
        pid=member.pid,
    )


def _leader(leader: Leader) -> cluster_pb2.Leader:
    return cluster_pb2.Leader(
        duty=leader.duty, instance_id=leader.instance_id, fencing_token=leader.fencing_token
    )
