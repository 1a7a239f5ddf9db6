"""What data a token reaches: the one call file clients make, and the one a provider makes."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.identity import DataCaveats, Identity, SpaceRights
from runtime.identity import Kind as IdentityKind
from services.zone.domain import caveat_forms
from services.zone.domain.access import SpaceOfObject, allows_space
from services.zone.domain.caveats import (
    DataCaveat,
    ObjectIdCaveat,
    PathCaveat,
    ReadonlyCaveat,
    Service,
    ServiceCaveat,
)
from services.zone.domain.entities import Kind, Space, User, user_ref
from services.zone.domain.identifiers import NOBODY, Subject, Token, decode
from services.zone.domain.reach import Reach
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import Spaces
from services.zone.domain.token_errors import TokenSubjectInvalid
from services.zone.domain.verification import Verified, Verifier

_NOT_ASKED_FOR_SCOPE = frozenset({"service", "interface"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token reaches. `spaces` None: the subject has no data of its own.

    `provider_ids` are of those that support the spaces and are meant by the token. `rests_on`: what the
    answer depends on, as changes name it.
    """

    valid_until_s: int | None
    readonly: bool
    spaces: tuple[Space, ...] | None
    provider_ids: frozenset[str]
    rests_on: frozenset[str]


class Scopes:
    """Answers what a token is worth, in a few reads by index."""

    def __init__(
        self,
        verifier: Verifier,
        spaces: Spaces,
        rights: Rights,
        space_of_object: SpaceOfObject,
    ) -> None:
        self._verifier = verifier
        self._spaces = spaces
        self._rights = rights
        self._space_of_object = space_of_object

    async def infer(self, token: Token, *, consumer: Subject | None, peer_ip: str | None) -> Scope:
        """The scope of an access token. `consumer` None: used by its own subject."""
        if consumer is None:
            consumer = token.identifier.subject or NOBODY
        context = self._verifier.context(peer_ip=peer_ip, consumer=consumer, lenient=_NOT_ASKED_FOR_SCOPE)
        verified = await self._verifier.access(token, context, data_caveats=True)
        readonly = any(isinstance(caveat, ReadonlyCaveat) for caveat in verified.caveats)
        if verified.user is None:
            return Scope(verified.expires_at_s, readonly, None, frozenset(), _rests_on(verified, None))
        reach = await self._rights.reach(user_ref(verified.user.id))
        spaces = [
            space
            for space in await self._spaces.many(reach.ids(Kind.SPACE))
            if allows_space(verified.caveats, space.id, self._space_of_object)
        ]
        wanted = {support.provider_id for space in spaces for support in space.supports}
        wanted = {provider_id for provider_id in wanted if _serves(verified, provider_id)}
        rests_on = _rests_on(verified, reach)
        return Scope(verified.expires_at_s, readonly, tuple(spaces), frozenset(wanted), rests_on)

    async def identify(
        self,
        text: str,
        *,
        provider_id: str,
        peer_ip: str | None,
        interface: str | None,
        consumer_token: str | None,
        data_caveats: bool,
    ) -> tuple[Identity, User]:
        """Who the token stands for and what he may do, as this provider needs it. Raises TokenError.

        `expires_at_ms` is 0 for a token without end.
        """
        consumer = NOBODY
        if consumer_token:
            consumer = await self._verifier.consumer(consumer_token, peer_ip=peer_ip, interface=interface)
        context = self._verifier.context(
            peer_ip=peer_ip, interface=interface, service=Service("opw", provider_id), consumer=consumer
        )
        verified = await self._verifier.access(decode(text), context, data_caveats=data_caveats)
        if verified.user is None:
            raise TokenSubjectInvalid
        reach = await self._rights.reach(user_ref(verified.user.id))
        identity = Identity(
            kind=IdentityKind.USER,
            subject_id=verified.user.id,
            group_ids=tuple(reach.ids(Kind.GROUP)),
            spaces=await self._rights_of(reach, provider_id),
            caveats=_data_caveats(verified),
            expires_at_ms=(verified.expires_at_s or 0) * 1000,
            token_id=verified.identifier.id,
        )
        return identity, verified.user

    async def _rights_of(self, reach: Reach, provider_id: str) -> dict[str, SpaceRights]:
        spaces = await self._spaces.many(reach.ids(Kind.SPACE))
        return {
            space.id: SpaceRights(
                name=space.name,
                privileges=reach.privileges[space.ref],
                owner=reach.member.id in space.owners,
                supported=any(support.provider_id == provider_id for support in space.supports),
            )
            for space in spaces
        }


def _rests_on(verified: Verified, reach: Reach | None) -> frozenset[str]:
    codes = [verified.subject.code, f"tok-{verified.identifier.id}"]
    codes += [target.code for target in reach.privileges] if reach is not None else []
    return frozenset(codes)


def _serves(verified: Verified, provider_id: str) -> bool:
    service = Service("opw", provider_id)
    return all(caveat.covers(service) for caveat in verified.caveats if isinstance(caveat, ServiceCaveat))


def _data_caveats(verified: Verified) -> DataCaveats | None:
    if not any(isinstance(caveat, DataCaveat) for caveat in verified.caveats):
        return None
    return DataCaveats(
        readonly=any(isinstance(caveat, ReadonlyCaveat) for caveat in verified.caveats),
        paths=tuple(
            tuple(caveat_forms.path_text(path) for path in caveat.whitelist)
            for caveat in verified.caveats
            if isinstance(caveat, PathCaveat)
        ),
        object_ids=tuple(
            caveat.whitelist for caveat in verified.caveats if isinstance(caveat, ObjectIdCaveat)
        ),
    )
