"""Who sends a request to the zone: by token, by name and password, or nobody."""

from __future__ import annotations

from services.zone.domain.access import GUEST, Caller, SpaceOfObject
from services.zone.domain.caveats import ZONE_SERVICE, ServiceCaveat
from services.zone.domain.errors import Unauthorized, ZoneError
from services.zone.domain.identifiers import NOBODY, decode, user_subject
from services.zone.domain.passwords import Passwords
from services.zone.domain.stores import UserStore
from services.zone.domain.token_errors import BasicAuthDisabled, TokenCaveatUnverified, UserBlocked
from services.zone.domain.verification import Verifier

_SERVICE_IS_CHECKED_HERE = frozenset({"service"})


class Authenticator:
    """Makes a Caller of credentials; every failure is Unauthorized with its reason nested."""

    def __init__(
        self, verifier: Verifier, users: UserStore, passwords: Passwords, space_of_object: SpaceOfObject
    ) -> None:
        self._verifier = verifier
        self._users = users
        self._passwords = passwords
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
        return Caller(user_subject(user.id), user, peer_ip=peer_ip, space_of_object=self._space_of_object)

    async def _by_token(
        self,
        text: str,
        peer_ip: str | None,
        interface: str | None,
        service_token: str | None,
        consumer_token: str | None,
    ) -> Caller:
        verifier = self._verifier
        service, consumer = ZONE_SERVICE, NOBODY
        if service_token is not None:
            service = await verifier.service(service_token, peer_ip=peer_ip)
        if consumer_token is not None:
            consumer = await verifier.consumer(consumer_token, peer_ip=peer_ip, interface=interface)
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
