"""ShareService: what providers tell the zone about the shares their users make."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from isthmus.zone.v1 import shares_pb2, shares_pb2_grpc

from runtime.request import request_id
from services.zone.api.provider_door import ProviderDoor
from services.zone.domain.audit import AuditLog, OnBehalfOf, Outcome
from services.zone.domain.entities import Share
from services.zone.domain.shares import Shares
from services.zone.domain.value_errors import BadData

_TYPES = {"file": shares_pb2.SHARE_ROOT_TYPE_REGULAR, "dir": shares_pb2.SHARE_ROOT_TYPE_DIRECTORY}
_FROM_PROTO = {number: name for name, number in _TYPES.items()}

_Change = shares_pb2.CreateShareRequest | shares_pb2.UpdateShareRequest | shares_pb2.DeleteShareRequest


class ShareServicer(shares_pb2_grpc.ShareServiceServicer):
    """Decode, ask, encode."""

    def __init__(self, shares: Shares, audit: AuditLog, door: ProviderDoor) -> None:
        self._shares = shares
        self._audit = audit
        self._door = door

    async def CreateShare(
        self, request: shares_pb2.CreateShareRequest, context: Any
    ) -> shares_pb2.CreateShareResponse:
        caller = self._door.current()
        wanted = _from_proto(request.share)
        details = {"name": wanted.name, "rootFileId": wanted.root_file_id, "creatorId": wanted.creator_id}
        about = (wanted.id, wanted.space_id)
        async with self._noted("create_share", about, details, request) as outcome:
            share, made = await self._shares.create(caller, wanted)
            outcome.unchanged = not made
        return shares_pb2.CreateShareResponse(share=_to_proto(share))

    async def GetShare(
        self, request: shares_pb2.GetShareRequest, context: Any
    ) -> shares_pb2.GetShareResponse:
        share = await self._shares.get(self._door.current(), request.share_id)
        return shares_pb2.GetShareResponse(share=_to_proto(share))

    async def UpdateShare(
        self, request: shares_pb2.UpdateShareRequest, context: Any
    ) -> shares_pb2.UpdateShareResponse:
        body: dict[str, object] = {
            name: getattr(request, name) for name in ("name", "description") if request.HasField(name)
        }
        async with self._noted("update_share", (request.share_id,), body, request) as outcome:
            share = await self._shares.update(self._door.current(), request.share_id, body)
            outcome.also_about.append(share.space_id)
        return shares_pb2.UpdateShareResponse()

    async def DeleteShare(
        self, request: shares_pb2.DeleteShareRequest, context: Any
    ) -> shares_pb2.DeleteShareResponse:
        async with self._noted("delete_share", (request.share_id,), {}, request) as outcome:
            share = await self._shares.delete(self._door.current(), request.share_id)
            outcome.also_about += [share.space_id] if share is not None else []
            outcome.unchanged = share is None
        return shares_pb2.DeleteShareResponse()

    def _noted(
        self, action: str, about: tuple[str, ...], details: Mapping[str, object], request: _Change
    ) -> AbstractAsyncContextManager[Outcome]:
        behalf = OnBehalfOf(request.on_behalf_of.user_id, request.on_behalf_of.peer_ip)
        caller = self._door.current()
        return self._audit.noted(caller, action, about, details, request_id=request_id(), behalf=behalf)


def _to_proto(share: Share) -> shares_pb2.Share:
    return shares_pb2.Share(
        share_id=share.id,
        space_id=share.space_id,
        name=share.name,
        description=share.description,
        root_file_id=share.root_file_id,
        root_type=_TYPES[share.root_type],
        creator_id=share.creator_id,
        created_at_ms=share.created_at_ms,
    )


def _from_proto(share: shares_pb2.Share) -> Share:
    root_type = _FROM_PROTO.get(share.root_type)
    if root_type is None:
        raise BadData.of(key="fileType")
    return Share(
        id=share.share_id,
        space_id=share.space_id,
        name=share.name,
        description=share.description,
        root_file_id=share.root_file_id,
        root_type=root_type,
        creator_id=share.creator_id,
    )
