"""Questions about a given token that anybody may ask: the public routes under `/tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime import macaroons
from services.zone.domain import caveat_forms
from services.zone.domain.access import Caller
from services.zone.domain.caveats import INTERFACES, Service
from services.zone.domain.entities import Provider
from services.zone.domain.errors import ZoneError
from services.zone.domain.identifiers import InviteType, Subject, Token, decode
from services.zone.domain.known_scopes import KnownScopes
from services.zone.domain.params import Params
from services.zone.domain.scope import Scope
from services.zone.domain.token_errors import TokenTooLarge
from services.zone.domain.value_errors import BadValueCaveat, BadValueInviteType, BadValueToken
from services.zone.domain.verification import Verified, Verifier


class TokenChecks:
    """Verifies, reads and confines tokens that come as parameters."""

    def __init__(self, verifier: Verifier, scopes: KnownScopes) -> None:
        self._verifier = verifier
        self._scopes = scopes

    async def access(self, caller: Caller, body: Mapping[str, object]) -> Verified:
        """Whether an access token is good under the stated circumstances."""
        params = Params(body)
        token = _token(params)
        peer_ip, interface = self._circumstances(caller, params)
        data_caveats = params.flag("allowDataAccessCaveats")
        service = await self._service(params, peer_ip)
        consumer = await self._consumer(caller, params, peer_ip)
        context = self._verifier.context(
            peer_ip=peer_ip, interface=interface, service=service, consumer=consumer
        )
        return await self._verifier.access(token, context, data_caveats=data_caveats, service_access=True)

    async def identity(self, caller: Caller, body: Mapping[str, object]) -> Verified:
        """Whether an identity token is good."""
        params = Params(body)
        token = _token(params)
        peer_ip, interface = self._circumstances(caller, params)
        consumer = await self._consumer(caller, params, peer_ip)
        context = self._verifier.context(peer_ip=peer_ip, interface=interface, consumer=consumer)
        return await self._verifier.identity(token, context)

    async def invite(self, caller: Caller, body: Mapping[str, object]) -> Verified:
        """Whether an invite token is good."""
        params = Params(body)
        token = _token(params)
        expected = None
        if "expectedInviteType" in params:
            expected = InviteType.find(params.text("expectedInviteType", empty=True))
            if expected is None:
                raise BadValueInviteType.of(key="expectedInviteType")
        peer_ip, _ = self._circumstances(caller, params)
        consumer = await self._consumer(caller, params, peer_ip)
        context = self._verifier.context(peer_ip=peer_ip, consumer=consumer)
        return await self._verifier.invite(token, context, expected)

    async def scope(self, caller: Caller, body: Mapping[str, object]) -> Scope:
        """What data an access token reaches."""
        params = Params(body)
        token = _token(params)
        consumer: Subject | None = None
        if "consumerToken" in params:
            consumer = await self._consumer(caller, params, caller.peer_ip)
        return await self._scopes.infer(token, consumer=consumer, peer_ip=caller.peer_ip)

    async def providers(self, scope: Scope) -> list[Provider]:
        """The providers of a scope."""
        return await self._scopes.providers(scope)

    def examine(self, body: Mapping[str, object]) -> dict[str, Any]:
        """What a token says about itself, believed by nobody."""
        token = _token(Params(body))
        identifier = token.identifier
        return {
            "onezoneDomain": token.macaroon.location,
            "id": identifier.id,
            "persistence": "named" if identifier.generation is None else "temporary",
            "subject": identifier.subject.to_json() if identifier.subject else None,
            "type": identifier.type.to_json(),
            "caveats": [caveat.to_json() for caveat in caveat_forms.parse_all(token.macaroon.caveats)],
        }

    def confine(self, body: Mapping[str, object]) -> str:
        """The token with more caveats."""
        params = Params(body)
        token = _token(params)
        caveats = caveat_forms.list_from_json(params.value("caveats"))
        for caveat in caveats:
            if token.identifier.type.kind not in caveat.tokens:
                raise BadValueCaveat.of(caveat=caveat.to_json())
        try:
            confined = token.macaroon.confined(*(caveat.text for caveat in caveats))
            return macaroons.serialize(confined)
        except macaroons.TokenTooLarge:
            raise TokenTooLarge.of(limit=macaroons.MAX_TOKEN_CHARS) from None

    def _circumstances(self, caller: Caller, params: Params) -> tuple[str | None, str | None]:
        """Address and interface. An absent address is the connection's; `null` is none."""
        if "peerIp" in params:
            peer_ip: str | None = params.ipv4("peerIp")
        else:
            peer_ip = None if params.given("peerIp") else caller.peer_ip
        interface = params.choice("interface", INTERFACES) if "interface" in params else None
        return peer_ip, interface

    async def _service(self, params: Params, peer_ip: str | None) -> Service | None:
        if "serviceToken" not in params:
            return None
        text = params.text("serviceToken", empty=True)
        _decoded("serviceToken", text[4:] if text[:4] in ("opw-", "opp-") else text)
        return await self._verifier.service(text, peer_ip=peer_ip)

    async def _consumer(self, caller: Caller, params: Params, peer_ip: str | None) -> Subject:
        """Absent means the caller, `null` means nobody."""
        if "consumerToken" not in params:
            return Caller().subject if params.given("consumerToken") else caller.subject
        text = params.text("consumerToken", empty=True)
        _decoded("consumerToken", text)
        return await self._verifier.consumer(text, peer_ip=peer_ip)


def _token(params: Params) -> Token:
    return _decoded("token", params.text("token", empty=True))


def _decoded(key: str, text: str) -> Token:
    try:
        return decode(text)
    except ZoneError as error:
        raise BadValueToken.because(key, error) from error
