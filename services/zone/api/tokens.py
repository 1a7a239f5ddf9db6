"""TokenService: what a provider asks about its users' tokens."""

from __future__ import annotations

from typing import Any

from isthmus.zone.v1 import tokens_pb2, tokens_pb2_grpc

from runtime.auth import to_proto
from runtime.request import request_id
from services.zone.api.provider_door import ProviderDoor
from services.zone.domain.audit import AuditLog, OnBehalfOf
from services.zone.domain.provider_tokens import ProviderTokens
from services.zone.domain.scope import Scopes


class TokenServicer(tokens_pb2_grpc.TokenServiceServicer):
    """Decode, ask, encode."""

    def __init__(
        self, scopes: Scopes, provider_tokens: ProviderTokens, audit: AuditLog, door: ProviderDoor
    ) -> None:
        self._scopes = scopes
        self._provider_tokens = provider_tokens
        self._audit = audit
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

    async def CreateIdentityToken(
        self, request: tokens_pb2.CreateIdentityTokenRequest, context: Any
    ) -> tokens_pb2.CreateIdentityTokenResponse:
        caller = self._door.current()
        token, until_s = await self._provider_tokens.identity(caller, request.consumer_provider_id)
        return tokens_pb2.CreateIdentityTokenResponse(token=token, expires_at_s=until_s)

    async def CreateOfflineAccessToken(
        self, request: tokens_pb2.CreateOfflineAccessTokenRequest, context: Any
    ) -> tokens_pb2.CreateOfflineAccessTokenResponse:
        caller = self._door.current()
        token, until_s, user = await self._provider_tokens.offline(
            caller,
            request.token,
            peer_ip=request.peer_ip or None,
            interface=request.interface or None,
            consumer_token=request.consumer_token or None,
        )
        # Whose it is shows only now, and it is of use to nobody before it is handed out.
        behalf = OnBehalfOf(user.id, request.peer_ip)
        details = {"validUntil": until_s}
        noted = self._audit.noted(
            caller, "create_offline_token", (user.id,), details, request_id=request_id(), behalf=behalf
        )
        async with noted:
            return tokens_pb2.CreateOfflineAccessTokenResponse(token=token, expires_at_s=until_s)
