"""Leases that metadata gives on what it tells of a space, for those who remember it (docs/decisions/0019)."""

from __future__ import annotations

from isthmus.metadata.v1 import contents_pb2, files_pb2

from clients.metadata import MetadataClient
from runtime.leased_memory import MAX_AGE_S, Grant, Renewal
from runtime.request import bind

#: Renewals are nobody's request: the context of a trace that is not recorded.
_UNTRACED = f"00-{'1' * 32}-{'1' * 16}-00"


class MetadataLessor:
    """`Lessor` over the multiplexed stream. `holder`: a name of this process that no other ever has."""

    def __init__(self, metadata: MetadataClient, holder: str) -> None:
        self._metadata = metadata
        self._holder = holder

    async def renew_lease(self, space_id: str, lease_id: str, confirmed: int) -> Renewal | None:
        request = contents_pb2.RenewLeaseRequest(
            space_id=space_id, holder=self._holder, lease_id=lease_id, confirmed=confirmed
        )
        with bind(traceparent=_UNTRACED):
            told = await self._metadata.renew_lease(request)
        if not told.lease_id:
            return None
        return Renewal(
            told.lease_id, told.number, told.lease_ms / 1000, tuple(told.file_ids), told.everything
        )


def granted(
    answer: contents_pb2.LocateContentResponse | files_pb2.GetFileResponse, lease_id: str
) -> Grant | None:
    """The leave to remember an answer under the lease it was asked for under, if it came with one."""
    if not answer.HasField("grant"):
        return None
    grant = answer.grant
    max_age_s = grant.max_age_ms / 1000 or MAX_AGE_S
    return Grant(lease_id, grant.number, tuple(grant.file_ids), max_age_s)
