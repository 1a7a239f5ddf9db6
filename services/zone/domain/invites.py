"""Invitations: who may issue them, and what it takes to use one.

Using one checks the token, then that this consumer may use it, that its target exists, and that who issued
it is still entitled to: an invitation is worth no more than its issuer is today.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runtime.identity import SpacePrivilege as P
from services.zone.domain.access import Caller
from services.zone.domain.errors import ZoneError
from services.zone.domain.identifiers import (
    Identifier,
    InviteType,
    Subject,
    SubjectType,
    TokenType,
    decode,
)
from services.zone.domain.privileges import SPACE_MEMBER
from services.zone.domain.spaces import Spaces
from services.zone.domain.stores import SpaceStore, TokenStore, UserStore
from services.zone.domain.token_errors import (
    InviteTokenConsumerInvalid,
    InviteTokenSubjectNotAuthorized,
    InviteTokenTargetIdInvalid,
    InviteTokenUsageLimitReached,
)
from services.zone.domain.value_errors import BadValueToken
from services.zone.domain.verification import Verifier

_SPACE_INVITES = {InviteType.USER_JOIN_SPACE: P.ADD_USER, InviteType.SUPPORT_SPACE: P.ADD_SUPPORT}
_CONSUMERS = {
    InviteType.USER_JOIN_SPACE: SubjectType.USER,
    InviteType.SUPPORT_SPACE: SubjectType.PROVIDER,
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that was found good. `privileges`: mask for new members."""

    identifier: Identifier
    target_id: str
    privileges: int


class Invites:
    """The rules of invitations. `open_registration`: any user may invite providers, not only who has
    `oz_providers_invite`."""

    def __init__(
        self,
        verifier: Verifier,
        users: UserStore,
        tokens: TokenStore,
        spaces: Spaces,
        space_store: SpaceStore,
        *,
        open_registration: bool,
    ) -> None:
        self._verifier = verifier
        self._users = users
        self._tokens = tokens
        self._spaces = spaces
        self._space_store = space_store
        self._open_registration = open_registration

    async def check_issuer(self, type: TokenType, issuer: Subject, *, custom: bool) -> None:
        """Refuses who may not issue such an invitation. `custom`: with privileges of his choice."""
        user = await self._users.find(issuer.id) if issuer.type is SubjectType.USER else None
        if type.invite is InviteType.REGISTER_ONEPROVIDER:
            if await self._users.find(type.target_id) is None:
                raise InviteTokenTargetIdInvalid.of(id=type.target_id)
            is_self = user is not None and user.id == type.target_id
            may = user is not None and "oz_providers_invite" in user.privileges
            if not may and not (self._open_registration and is_self):
                raise InviteTokenSubjectNotAuthorized
            return
        privilege = _SPACE_INVITES.get(type.invite) if type.invite else None
        space = await self._space_store.find(type.target_id) if privilege is not None else None
        if privilege is None or space is None:
            # Groups, harvesters and the like are not kept here, so no such target exists.
            raise InviteTokenTargetIdInvalid.of(id=type.target_id)
        if user is None:
            raise InviteTokenSubjectNotAuthorized
        rights = await self._spaces.rights(space, user.id)
        needed = (privilege, P.SET_PRIVILEGES) if custom else (privilege,)
        is_member = rights is not None and all(rights.has(one) for one in needed)
        if not is_member and not user.privileges.issuperset(_admin_privileges(custom=custom)):
            raise InviteTokenSubjectNotAuthorized

    async def for_space(self, text: str, caller: Caller) -> Invitation:
        """An invitation of a user into a space."""
        return await self._check(text, caller, InviteType.USER_JOIN_SPACE)

    async def for_support(self, text: str, caller: Caller) -> Invitation:
        """A request to a provider to support a space."""
        return await self._check(text, caller, InviteType.SUPPORT_SPACE)

    async def for_registration(self, text: str, caller: Caller) -> Invitation:
        """An invitation of a provider into the zone; anybody may use it."""
        return await self._check(text, caller, InviteType.REGISTER_ONEPROVIDER)

    @asynccontextmanager
    async def used(self, invitation: Invitation) -> AsyncIterator[None]:
        """Counts one use around what it is used for; a use that came to nothing does not count."""
        identifier = invitation.identifier
        if identifier.generation is not None:
            yield
            return
        if not await self._tokens.count_use(identifier.id):
            raise InviteTokenUsageLimitReached
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                await self._tokens.uncount_use(identifier.id)

    async def _check(self, text: str, caller: Caller, expected: InviteType) -> Invitation:
        try:
            token = decode(text)
            context = self._verifier.context(peer_ip=caller.peer_ip, consumer=caller.subject)
            verified = await self._verifier.invite(token, context, expected)
        except ZoneError as error:
            raise BadValueToken.because("token", error) from error
        consumer = _CONSUMERS.get(expected)
        if consumer is not None and caller.subject.type is not consumer:
            raise InviteTokenConsumerInvalid.of(consumer=caller.subject.to_json())
        type = verified.identifier.type
        custom = verified.privileges is not None
        await self.check_issuer(type, verified.subject, custom=custom)
        mask = SPACE_MEMBER if verified.privileges is None else verified.privileges
        return Invitation(verified.identifier, type.target_id, mask)


def _admin_privileges(*, custom: bool) -> set[str]:
    needed = {"oz_spaces_add_relationships"}
    return needed | {"oz_spaces_set_privileges"} if custom else needed
