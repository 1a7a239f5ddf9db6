"""Who calls by gRPC: a provider, by its root token or one derived from it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextvars import ContextVar

from runtime.clock import Clock
from runtime.errors import Unauthenticated
from runtime.identity import Identity, Kind
from runtime.rpc.interceptors import Metadata
from services.zone.domain.access import Caller
from services.zone.domain.authentication import Authenticator
from services.zone.domain.errors import Unauthorized

_BEARER = "Bearer "
_KEEP_S = 2.0
_MAX_KNOWN = 1000
_caller: ContextVar[Caller] = ContextVar("zone_rpc_caller")


class UnknownProvider(Unauthenticated):
    """The zone does not accept this provider. The fact `about` tells it from a bad token of a user."""

    reason = "UNKNOWN_PROVIDER"

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message, **{"about": "provider", **facts})


class ProviderDoor:
    """Authenticates calls; `current` is the caller of the one under way.

    Providers ask much and seldom change, so a verdict on a provider's token is kept as short as providers
    themselves keep theirs on users' tokens.
    """

    def __init__(self, authenticator: Authenticator, clock: Clock) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def authenticate(self, metadata: Metadata) -> tuple[Identity, bytes]:
        """For RpcServer. Raises UnknownProvider."""
        header = metadata.get("authorization", "")
        if not isinstance(header, str) or not header.startswith(_BEARER):
            raise UnknownProvider
        caller = await self._caller_of(header[len(_BEARER) :])
        # The task of a call has a context of its own, so callers never mix.
        _caller.set(caller)
        return Identity(kind=Kind.SERVICE, subject_id=f"provider {caller.provider_id}"), b""

    @staticmethod
    def current() -> Caller:
        """The provider that calls."""
        return _caller.get()

    async def _caller_of(self, token: str) -> Caller:
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.get(digest)
        now_s = self._clock.monotonic_s()
        if known is not None and now_s < known[1]:
            return known[0]
        caller = await self._verified(token)
        self._known[digest] = (caller, now_s + _KEEP_S)
        self._known.move_to_end(digest)
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return caller

    async def _verified(self, token: str) -> Caller:
        try:
            caller = await self._authenticator.by_token(token, peer_ip=None, interface=None)
        except Unauthorized as error:
            raise UnknownProvider(cause=error.details.get("authError", {}).get("id", "")) from error
        if caller.provider_id is None:
            raise UnknownProvider
        return caller
