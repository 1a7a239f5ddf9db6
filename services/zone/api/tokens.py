"""TokenService: what a provider asks about its users' tokens."""

from __future__ import annotations

from typing import Any

from isthmus.zone.v1 import tokens_pb2, tokens_pb2_grpc

from runtime.auth import to_proto
from services.zone.api.provider_door import ProviderDoor
from services.zone.domain.scope import Scopes


class TokenServicer(tokens_pb2_grpc.TokenServiceServicer):
    """Decode, ask, encode."""

    def __init__(self, scopes: Scopes, door: ProviderDoor) -> None:
        self._scopes = scopes
        self._door = door

    async def VerifyAccessToken(
        self, request: tokens_pb2.VerifyAccessTokenRequest, context: Any
    ) -> tokens_pb2.VerifyAccessTokenResponse:
        identity, user = await self._scopes.identify(
            request.token,
            provider_id=self._door.current().as_provider(),
            peer_ip=request.peer_ip or None,
            interface=request.interface or None,
            consumer_token=request.consumer_token or None,
            data_caveats=request.allow_data_caveats,
        )
        return tokens_pb2.VerifyAccessTokenResponse(
            identity=to_proto(identity), full_name=user.full_name, username=user.username or ""
        )
