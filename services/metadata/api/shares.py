"""ShareService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import shares_pb2, shares_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.shares import Share, Shares

from .convert import ref_from_proto, type_to_proto


class ShareServicer(shares_pb2_grpc.ShareServiceServicer):
    """Shares over gRPC."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares

    async def CreateShare(
        self, request: shares_pb2.CreateShareRequest, context: Any
    ) -> shares_pb2.CreateShareResponse:
        share = await self._shares.create(
            caller(),
            request.request_id,
            ref_from_proto(request.file),
            request.name,
            request.description,
            peer_ip=request.peer_ip,
        )
        return shares_pb2.CreateShareResponse(share=_to_proto(share))

    async def GetShare(
        self, request: shares_pb2.GetShareRequest, context: Any
    ) -> shares_pb2.GetShareResponse:
        share = await self._shares.get(caller(), request.share_id)
        return shares_pb2.GetShareResponse(share=_to_proto(share))

    async def UpdateShare(
        self, request: shares_pb2.UpdateShareRequest, context: Any
    ) -> shares_pb2.UpdateShareResponse:
        await self._shares.update(
            caller(),
            request.share_id,
            name=request.name if request.HasField("name") else None,
            description=request.description if request.HasField("description") else None,
            peer_ip=request.peer_ip,
        )
        return shares_pb2.UpdateShareResponse()

    async def DeleteShare(
        self, request: shares_pb2.DeleteShareRequest, context: Any
    ) -> shares_pb2.DeleteShareResponse:
        await self._shares.delete(caller(), request.share_id, peer_ip=request.peer_ip)
        return shares_pb2.DeleteShareResponse()


def _to_proto(share: Share) -> shares_pb2.Share:
    return shares_pb2.Share(
        share_id=share.share_id,
        space_id=share.space_id,
        name=share.name,
        description=share.description,
        root_file_id=share.root_file_id,
        root_type=type_to_proto(share.root_type),
    )
