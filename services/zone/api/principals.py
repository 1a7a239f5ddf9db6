"""PrincipalService: names behind ids."""

from __future__ import annotations

from typing import Any

from isthmus.zone.v1 import principals_pb2, principals_pb2_grpc

from services.zone.api.provider_door import ProviderDoor
from services.zone.domain.principals import Principals
from services.zone.domain.value_errors import BadValueNotInRange

_MAX_IDS = 1000


class PrincipalServicer(principals_pb2_grpc.PrincipalServiceServicer):
    """Decode, ask, encode."""

    def __init__(self, principals: Principals, door: ProviderDoor) -> None:
        self._principals = principals
        self._door = door

    async def ListPrincipalNames(
        self, request: principals_pb2.ListPrincipalNamesRequest, context: Any
    ) -> principals_pb2.ListPrincipalNamesResponse:
        for key in ("user_ids", "group_ids"):
            if len(getattr(request, key)) > _MAX_IDS:
                raise BadValueNotInRange.of(key=key, low=0, high=_MAX_IDS)
        users, groups = await self._principals.names(
            self._door.current(), request.space_id, user_ids=request.user_ids, group_ids=request.group_ids
        )
        return principals_pb2.ListPrincipalNamesResponse(user_names=users, group_names=groups)
