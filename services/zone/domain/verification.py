"""Is this token genuine, still good, and good here? The steps and their order are those of the protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.clock import Clock
from services.zone.domain import caveat_forms
from services.zone.domain.caveats import (
    ZONE_SERVICE,
    Caveat,
    ConsumerCaveat,
    Context,
    DataCaveat,
    Service,
    TimeCaveat,
)
from services.zone.domain.entities import Kind, User, user_ref
from services.zone.domain.errors import ZoneError
from services.zone.domain.identifiers import (
    NOBODY,
    Identifier,
    InviteType,
    Subject,
    SubjectType,
    Token,
    TokenKind,
    decode,
    provider_subject,
)
from services.zone.domain.reach import Reach, reach_of
from services.zone.domain.stores import MembershipStore, ProviderStore, SpaceStore, TokenStore, UserStore
from services.zone.domain.token_errors import (
    BadConsumerToken,
    BadServiceToken,
    NotAnAccessToken,
    NotAnIdentityToken,
    NotAnInviteToken,
    TokenCaveatUnverified,
    TokenInvalid,
    TokenRevoked,
    TokenServiceForbidden,
    TokenSessionInvalid,
    TokenSubjectInvalid,
    UserBlocked,
)
from services.zone.domain.whereabouts import Locator


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is genuine and good. `expires_at_s`: its earliest time caveat, None for never."""

    identifier: Identifier
    subject: Subject
    user: User | None
    caveats: tuple[Caveat, ...]
    expires_at_s: int | None
    #: Of an invitation: what members get; None for the usual set.
    privileges: int | None = None


class Verifier:
    """Checks tokens of all kinds. Two or three reads by key for each."""

    def __init__(
        self,
        *,
        users: UserStore,
        tokens: TokenStore,
        memberships: MembershipStore,
        spaces: SpaceStore,
        providers: ProviderStore,
        locator: Locator,
        clock: Clock,
    ) -> None:
        self._users = users
        self._tokens = tokens
        self._memberships = memberships
        self._spaces = spaces
        self._providers = providers
        self._locator = locator
        self._clock = clock

    def context(
        self,
        *,
        peer_ip: str | None = None,
        interface: str | None = None,
        service: Service | None = None,
        consumer: Subject = NOBODY,
        lenient: frozenset[str] = frozenset(),
    ) -> Context:
        """The circumstances, now."""
        now_s = self._clock.now_ms() // 1000
        return Context(now_s, peer_ip, interface, service, consumer, lenient=lenient, locator=self._locator)

    async def access(
        self, token: Token, context: Context, *, data_caveats: bool, service_access: bool = False
    ) -> Verified:
        """An access token. `data_caveats`: the caller enforces them himself, else they fail the token.

        `service_access`: whether the user may use the acting service is asked, too.
        """
        if token.identifier.type.kind is not TokenKind.ACCESS:
            raise NotAnAccessToken.of(received=token.identifier.type.to_json())
        verified = await self._verify(token, context, data_caveats=data_caveats)
        if verified.identifier.type.session_id:
            # Sessions of the web page are not tokens' business here, so none can be the presented one.
            raise TokenSessionInvalid
        if service_access and context.service is not None and verified.user is not None:
            await self.check_service(verified.user, context.service)
        return verified

    async def identity(self, token: Token, context: Context) -> Verified:
        """An identity token."""
        if token.identifier.type.kind is not TokenKind.IDENTITY:
            raise NotAnIdentityToken.of(received=token.identifier.type.to_json())
        return await self._verify(token, context)

    async def invite(self, token: Token, context: Context, expected: InviteType | None) -> Verified:
        """An invite token, of the expected type unless that is None."""
        type = token.identifier.type
        if type.invite is None or expected not in (None, type.invite):
            word = expected.code if expected else "any"
            raise NotAnInviteToken.of(expectedInviteType=word, received=type.to_json())
        return await self._verify(token, context)

    async def consumer(self, text: str, *, peer_ip: str | None, interface: str | None = None) -> Subject:
        """Whom a consumer token proves; raises BadConsumerToken."""
        try:
            context = self.context(peer_ip=peer_ip, interface=interface)
            return (await self.identity(decode(text), context)).subject
        except ZoneError as error:
            raise BadConsumerToken.of(tokenError=error.nested()) from error

    async def service(self, text: str, *, peer_ip: str | None = None) -> Service:
        """Which service a service token proves; raises BadServiceToken.

        A prefix `opw-` or `opp-` names which service of the provider it is; without one its worker.
        """
        prefix = text[:4]
        code = prefix[:3] if prefix in ("opw-", "opp-") else "opw"
        try:
            token = decode(text.removeprefix(f"{code}-"))
            context = self.context(peer_ip=peer_ip)
            if token.identifier.type.kind is TokenKind.IDENTITY:
                verified = await self.identity(token, context)
            else:
                verified = await self.access(token, context, data_caveats=False)
            if verified.subject.type is not SubjectType.PROVIDER:
                raise TokenSubjectInvalid
        except ZoneError as error:
            raise BadServiceToken.of(tokenError=error.nested()) from error
        return Service(code, verified.subject.id)

    async def check_service(self, user: User, service: Service) -> None:
        """Refuses a user whom the service does not serve."""
        if service == ZONE_SERVICE or service.id == "*":
            return
        if service.code == "opw" and await self.serves(service.id, user.id):
            return
        if service.code == "opp" and await self.administers(user, provider_subject(service.id)):
            return
        raise TokenServiceForbidden.of(service=service.to_json())

    async def administers(self, user: User, subject: Subject) -> bool:
        """Whether the subject is a provider of which the user is the administrator."""
        if subject.type is not SubjectType.PROVIDER:
            return False
        provider = await self._providers.find(subject.id)
        return provider is not None and provider.admin_user_id == user.id

    async def serves(self, provider_id: str, user_id: str) -> bool:
        """Whether the provider supports any space of the user."""
        spaces = (await self._reach(user_id)).ids(Kind.SPACE)
        return provider_id in await self._spaces.providers_of(spaces)

    async def _reach(self, user_id: str) -> Reach:
        member = user_ref(user_id)
        return reach_of(member, await self._memberships.above(member))

    async def _verify(self, token: Token, context: Context, *, data_caveats: bool = False) -> Verified:
        identifier, privileges = await self._authentic(token)
        subject = identifier.subject or NOBODY
        user = await self._living(subject)
        caveats = tuple(caveat_forms.parse_all(token.macaroon.caveats))
        context = await self._with_groups(context, caveats)
        for caveat in caveats:
            _check(caveat, context, identifier.type.kind, data_caveats=data_caveats)
        ends = [caveat.valid_until_s for caveat in caveats if isinstance(caveat, TimeCaveat)]
        return Verified(identifier, subject, user, caveats, min(ends, default=None), privileges)

    async def _with_groups(self, context: Context, caveats: tuple[Caveat, ...]) -> Context:
        """The groups of who presents the token, where a caveat asks for groups."""
        by_group = (each.by_group for each in caveats if isinstance(each, ConsumerCaveat))
        if context.consumer.type is not SubjectType.USER or not any(by_group):
            return context
        groups = (await self._reach(context.consumer.id)).ids(Kind.GROUP)
        return replace(context, consumer_groups=frozenset(groups))

    async def _authentic(self, token: Token) -> tuple[Identifier, int | None]:
        """The identifier, with its subject, of a token that the zone made and did not take back."""
        identifier = token.identifier
        if identifier.generation is not None:
            await self._check_temporary(token, identifier.subject or NOBODY, identifier.generation)
            return identifier, None
        found = await self._tokens.find(identifier.id)
        if found is None:
            raise TokenInvalid
        record, secret = found
        if identifier.subject is None:
            identifier = replace(identifier, subject=record.subject)
        if (identifier.subject, identifier.type) != (record.subject, record.type):
            raise TokenInvalid
        if not token.macaroon.signed_with(secret):
            raise TokenInvalid
        if record.revoked:
            # Told only to who has the genuine token.
            raise TokenRevoked
        return identifier, record.privileges

    async def _check_temporary(self, token: Token, subject: Subject, generation: int) -> None:
        current = await self._tokens.find_temporary_secret(subject)
        if current is None or generation > current.generation:
            raise TokenInvalid
        if generation < current.generation:
            raise TokenRevoked
        if not token.macaroon.signed_with(current.secret):
            raise TokenInvalid

    async def _living(self, subject: Subject) -> User | None:
        """The user, where the subject is one; the subject must exist and not be blocked."""
        if subject.type is SubjectType.PROVIDER:
            if await self._providers.find(subject.id) is None:
                raise TokenSubjectInvalid
            return None
        user = await self._users.find(subject.id) if subject.type is SubjectType.USER else None
        if user is None:
            raise TokenSubjectInvalid
        if user.blocked:
            raise UserBlocked
        return user


def _check(caveat: Caveat, context: Context, kind: TokenKind, *, data_caveats: bool) -> None:
    holds = kind in caveat.tokens and (caveat.kind in context.lenient or caveat.holds(context))
    if isinstance(caveat, DataCaveat) and not data_caveats:
        holds = False
    if not holds:
        raise TokenCaveatUnverified.of(caveat=caveat.to_json())
