"""Who calls by gRPC: a provider, by its root token or one derived from it."""

from __future__ import annotations

from contextvars import ContextVar

from runtime.errors import Unauthenticated
from runtime.identity import Identity, Kind
from runtime.rpc.interceptors import Metadata
from services.zone.domain.access import Caller
from services.zone.domain.authentication import Authenticator
from services.zone.domain.errors import Unauthorized

_BEARER = "Bearer "
_caller: ContextVar[Caller] = ContextVar("zone_rpc_caller")


class UnknownProvider(Unauthenticated):
    """The zone does not accept this provider. The fact `about` tells it from a bad token of a user."""

    reason = "UNKNOWN_PROVIDER"

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message, **{"about": "provider", **facts})


class ProviderDoor:
    """Authenticates calls; `current` is the caller of the one under way."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def authenticate(self, metadata: Metadata) -> tuple[Identity, bytes]:
        """For RpcServer. Raises UnknownProvider."""
        header = metadata.get("authorization", "")
        if not isinstance(header, str) or not header.startswith(_BEARER):
            raise UnknownProvider
        try:
            caller = await self._authenticator.by_token(header[len(_BEARER) :], peer_ip=None, interface=None)
        except Unauthorized as error:
            raise UnknownProvider(cause=error.details.get("authError", {}).get("id", "")) from error
        if caller.provider_id is None:
            raise UnknownProvider
        # The task of a call has a context of its own, so callers never mix.
        _caller.set(caller)
        return Identity(kind=Kind.SERVICE, subject_id=f"provider {caller.provider_id}"), b""

    @staticmethod
    def current() -> Caller:
        """The provider that calls."""
        return _caller.get()
