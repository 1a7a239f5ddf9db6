"""DistributionService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import distribution_pb2, distribution_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.distribution import Distribution

from .convert import file_to_proto, location_to_proto, ref_from_proto


class DistributionServicer(distribution_pb2_grpc.DistributionServiceServicer):
    """Replicas over gRPC."""

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    async def GetReplica(
        self, request: distribution_pb2.GetReplicaRequest, context: Any
    ) -> distribution_pb2.GetReplicaResponse:
        file, location = await self._distribution.replica(caller(), ref_from_proto(request.file))
        return distribution_pb2.GetReplicaResponse(
            file=file_to_proto(file), location=None if location is None else location_to_proto(location)
        )
