"""Who sends a request to the zone: by token, ours or an identity provider's, by password, or nobody."""

from __future__ import annotations

from services.zone.domain.access import GUEST, Caller, SpaceOfObject
from services.zone.domain.caveats import ZONE_SERVICE, Service, ServiceCaveat
from services.zone.domain.entities import User
from services.zone.domain.errors import Unauthorized, ZoneError
from services.zone.domain.identifiers import NOBODY, Subject, decode, user_subject
from services.zone.domain.idp_tokens import IdpTokens
from services.zone.domain.passwords import Passwords
from services.zone.domain.stores import UserStore
from services.zone.domain.token_errors import BasicAuthDisabled, TokenCaveatUnverified, UserBlocked
from services.zone.domain.verification import Verifier

_SERVICE_IS_CHECKED_HERE = frozenset({"service"})


class Authenticator:
    """Makes a Caller of credentials; every failure is Unauthorized with its reason nested."""

    def __init__(
        self,
        verifier: Verifier,
        users: UserStore,
        passwords: Passwords,
        idp_tokens: IdpTokens,
        space_of_object: SpaceOfObject,
    ) -> None:
        self._verifier = verifier
        self._users = users
        self._passwords = passwords
        self._idp_tokens = idp_tokens
        self._space_of_object = space_of_object

    def guest(self, peer_ip: str | None) -> Caller:
        """Nobody."""
        return Caller(peer_ip=peer_ip) if peer_ip else GUEST

    async def by_token(
        self,
        token: str,
        *,
        peer_ip: str | None,
        interface: str | None,
        service_token: str | None = None,
        consumer_token: str | None = None,
    ) -> Caller:
        """The subject of an access token. Its data and API caveats are held against each operation."""
        try:
            return await self._by_token(token, peer_ip, interface, service_token, consumer_token)
        except ZoneError as error:
            raise Unauthorized.because(error) from error

    def is_of_idp(self, token: str) -> bool:
        """Whether what was shown as a token is one of an identity provider, for `by_idp_token`."""
        return self._idp_tokens.takes(token)

    async def by_idp_token(
        self,
        token: str,
        *,
        peer_ip: str | None,
        interface: str | None,
        service_token: str | None = None,
        consumer_token: str | None = None,
        request_id: str,
    ) -> Caller:
        """The user whose access token of an identity provider it is. A user made by it is noted."""
        try:
            service, _ = await self._with(peer_ip, interface, service_token, consumer_token)
            user = await self._idp_tokens.user(token, peer_ip=peer_ip, request_id=request_id)
            await self._verifier.check_service(user, service)
        except ZoneError as error:
            raise Unauthorized.because(error) from error
        return self._as_user(user, peer_ip)

    async def by_password(self, username: str, password: str, *, peer_ip: str | None) -> Caller:
        """A user who may log in with a password."""
        user = await self._users.find_by_username(username)
        stored = await self._users.password_hash(user.id) if user is not None else None
        try:
            await self._passwords.check(username, password, stored, peer_ip=peer_ip or "")
            if user is None or not user.basic_auth_enabled:
                raise BasicAuthDisabled
            if user.blocked:
                raise UserBlocked
        except ZoneError as error:
            raise Unauthorized.because(error) from error
        return self._as_user(user, peer_ip)

    def _as_user(self, user: User, peer_ip: str | None) -> Caller:
        return Caller(user_subject(user.id), user, peer_ip=peer_ip, space_of_object=self._space_of_object)

    async def _with(
        self,
        peer_ip: str | None,
        interface: str | None,
        service_token: str | None,
        consumer_token: str | None,
    ) -> tuple[Service, Subject]:
        """The service that acts, and who has the token from its subject."""
        service, consumer = ZONE_SERVICE, NOBODY
        if service_token is not None:
            service = await self._verifier.service(service_token, peer_ip=peer_ip)
        if consumer_token is not None:
            consumer = await self._verifier.consumer(consumer_token, peer_ip=peer_ip, interface=interface)
        return service, consumer

    async def _by_token(
        self,
        text: str,
        peer_ip: str | None,
        interface: str | None,
        service_token: str | None,
        consumer_token: str | None,
    ) -> Caller:
        verifier = self._verifier
        service, consumer = await self._with(peer_ip, interface, service_token, consumer_token)
        context = verifier.context(
            peer_ip=peer_ip,
            interface=interface,
            service=service,
            consumer=consumer,
            lenient=_SERVICE_IS_CHECKED_HERE,
        )
        verified = await verifier.access(decode(text), context, data_caveats=True, service_access=True)
        for caveat in verified.caveats:
            if not isinstance(caveat, ServiceCaveat) or caveat.covers(service):
                continue
            # A token meant for a provider's worker may still read at the zone what that worker needs.
            if service != ZONE_SERVICE or not caveat.only_providers:
                raise TokenCaveatUnverified.of(caveat=caveat.to_json())
        return Caller(verified.subject, verified.user, verified.caveats, peer_ip, self._space_of_object)
