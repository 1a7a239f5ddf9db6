"""AccessHistoryService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import access_history_pb2, access_history_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.access_books import Access, AccessPoint, Sums, Told
from services.metadata.domain.access_history import AccessHistory


class AccessHistoryServicer(access_history_pb2_grpc.AccessHistoryServiceServicer):
    """Who read and wrote how much, over gRPC."""

    def __init__(self, history: AccessHistory) -> None:
        self._history = history

    async def NoteAccesses(
        self, request: access_history_pb2.NoteAccessesRequest, context: Any
    ) -> access_history_pb2.NoteAccessesResponse:
        accesses = [_from_proto(each) for each in request.accesses]
        told = Told(request.holder, request.sequence, request.time_s, accesses)
        await self._history.note(caller(), told)
        return access_history_pb2.NoteAccessesResponse()

    async def GetAccessHistory(
        self, request: access_history_pb2.GetAccessHistoryRequest, context: Any
    ) -> access_history_pb2.GetAccessHistoryResponse:
        points, known = await self._history.read(caller(), request.space_id, request.user_id, request.step_s)
        return access_history_pb2.GetAccessHistoryResponse(points=map(_to_proto, points), known=known)


def _from_proto(access: access_history_pb2.Access) -> Access:
    sums = Sums(access.read_bytes, access.written_bytes, access.reads, access.writes)
    return Access(access.space_id, access.user_id, sums)


def _to_proto(point: AccessPoint) -> access_history_pb2.AccessPoint:
    return access_history_pb2.AccessPoint(
        time_s=point.time_s,
        read_bytes=point.sums.read_bytes,
        written_bytes=point.sums.written_bytes,
        reads=point.sums.reads,
        writes=point.sums.writes,
        users=point.users,
    )
