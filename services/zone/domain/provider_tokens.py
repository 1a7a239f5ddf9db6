"""Tokens for providers: to prove to each other who they are, and to go on for a user who has left."""

from __future__ import annotations

from services.zone.domain.access import Caller
from services.zone.domain.caveats import (
    AsnCaveat,
    Caveat,
    ConsumerCaveat,
    GeoCaveat,
    InterfaceCaveat,
    IpCaveat,
    Service,
    ServiceCaveat,
    TimeCaveat,
)
from services.zone.domain.entities import User
from services.zone.domain.identifiers import IDENTITY, NOBODY, decode, provider_subject
from services.zone.domain.stores import ProviderStore
from services.zone.domain.token_errors import TokenSubjectInvalid
from services.zone.domain.tokens import Tokens
from services.zone.domain.value_errors import BadValueIdNotFound
from services.zone.domain.verification import Verifier

#: How long an identity token is good: long enough for clocks that differ by some minutes.
IDENTITY_TTL_S = 600
#: What these ask was judged when the user came; nobody comes with the token that is made then.
_OF_THE_REQUEST = (
    TimeCaveat,
    IpCaveat,
    AsnCaveat,
    GeoCaveat,
    InterfaceCaveat,
    ConsumerCaveat,
)


class ProviderTokens:
    """Makes them. `offline_ttl_s`: how long a provider may go on for a user."""

    def __init__(
        self, tokens: Tokens, verifier: Verifier, providers: ProviderStore, *, offline_ttl_s: int
    ) -> None:
        self._tokens = tokens
        self._verifier = verifier
        self._providers = providers
        self._offline_ttl_s = offline_ttl_s

    async def identity(self, caller: Caller, consumer_id: str) -> tuple[str, int]:
        """An identity token of the caller that is good for one other provider only, and when it ends (s)."""
        provider_id = caller.as_provider()
        caller.allow("create", "od_provider", provider_id, "identity_token")
        if await self._providers.find(consumer_id) is None:
            raise BadValueIdNotFound.of(key="providerId")
        until_s = self._tokens.now_s() + IDENTITY_TTL_S
        caveats: list[Caveat] = [TimeCaveat(until_s), ConsumerCaveat((provider_subject(consumer_id).code,))]
        return await self._tokens.temporary(provider_subject(provider_id), IDENTITY, caveats), until_s

    async def offline(
        self,
        caller: Caller,
        text: str,
        *,
        peer_ip: str | None,
        interface: str | None,
        consumer_token: str | None,
    ) -> tuple[str, int, User]:
        """An access token of the user whose token this is, when it ends (s), and the user.

        It reaches what the token reaches, is good for the calling provider only, and ends at once when that
        token is revoked or deleted. Raises TokenError for a token that is not good here and now.
        """
        provider_id = caller.as_provider()
        caller.allow("create", "od_provider", provider_id, "offline_access_token")
        consumer = NOBODY
        if consumer_token:
            consumer = await self._verifier.consumer(consumer_token, peer_ip=peer_ip, interface=interface)
        service = Service("opw", provider_id)
        context = self._verifier.context(
            peer_ip=peer_ip, interface=interface, service=service, consumer=consumer
        )
        verified = await self._verifier.access(decode(text), context, data_caveats=True, service_access=True)
        if verified.user is None:
            raise TokenSubjectInvalid
        until_s = self._tokens.now_s() + self._offline_ttl_s
        caveats: list[Caveat] = [each for each in verified.caveats if not isinstance(each, _OF_THE_REQUEST)]
        caveats += [ServiceCaveat((f"opw-{provider_id}",)), TimeCaveat(until_s)]
        made = await self._tokens.going_on(verified.identifier, verified.subject, caveats)
        return made, until_s, verified.user
