"""Invitations: who may issue them, and what it takes to use one.

Using one checks the token, then that this consumer may use it, that its target exists, and that who issued
it is still entitled to: an invitation is worth no more than its issuer is today.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runtime.identity import SpacePrivilege
from services.zone.domain.access import Caller
from services.zone.domain.entities import User
from services.zone.domain.errors import ZoneError
from services.zone.domain.identifiers import (
    Identifier,
    InviteType,
    Subject,
    SubjectType,
    TokenType,
    decode,
)
from services.zone.domain.rights import Rights, Target
from services.zone.domain.stores import GroupStore, SpaceStore, TokenStore, UserStore
from services.zone.domain.target_rules import JOINS, SPACE_RULES, TargetRules
from services.zone.domain.token_errors import (
    InviteTokenConsumerInvalid,
    InviteTokenSubjectNotAuthorized,
    InviteTokenTargetIdInvalid,
    InviteTokenUsageLimitReached,
)
from services.zone.domain.value_errors import BadValueToken
from services.zone.domain.verification import Verifier

#: Who may use an invitation; one to register a provider is for anybody.
_CONSUMERS = {
    **dict.fromkeys(JOINS, SubjectType.USER),
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
        spaces: SpaceStore,
        groups: GroupStore,
        rights: Rights,
        *,
        open_registration: bool,
    ) -> None:
        self._verifier = verifier
        self._users = users
        self._tokens = tokens
        self._spaces = spaces
        self._groups = groups
        self._rights = rights
        self._open_registration = open_registration

    async def check_issuer(self, type: TokenType, issuer: Subject, *, custom: bool) -> None:
        """Refuses who may not issue such an invitation. `custom`: with privileges of his choice."""
        user = await self._users.find(issuer.id) if issuer.type is SubjectType.USER else None
        if type.invite is InviteType.REGISTER_ONEPROVIDER:
            await self._check_registration(type.target_id, user)
            return
        target = await self._target(type)
        if target is None:
            raise InviteTokenTargetIdInvalid.of(id=type.target_id)
        rules, privilege = _privilege(type)
        needed = (privilege, rules.set_privileges) if custom else (privilege,)
        if user is None or not await self._is_entitled(user, target, rules, needed, custom=custom):
            raise InviteTokenSubjectNotAuthorized

    async def _check_registration(self, admin_user_id: str, user: User | None) -> None:
        if await self._users.find(admin_user_id) is None:
            raise InviteTokenTargetIdInvalid.of(id=admin_user_id)
        is_self = user is not None and user.id == admin_user_id
        may = user is not None and "oz_providers_invite" in user.privileges
        if not may and not (self._open_registration and is_self):
            raise InviteTokenSubjectNotAuthorized

    async def _target(self, type: TokenType) -> Target | None:
        """None, too, for harvesters and the like, which are not kept here."""
        if type.invite is InviteType.SUPPORT_SPACE:
            return await self._spaces.find(type.target_id)
        rules, _ = JOINS.get(type.invite, (None, None)) if type.invite else (None, None)
        if rules is None:
            return None
        return await (self._spaces if rules is SPACE_RULES else self._groups).find(type.target_id)

    async def _is_entitled(
        self, user: User, target: Target, rules: TargetRules, needed: tuple[int, ...], *, custom: bool
    ) -> bool:
        mask = await self._rights.of(target, user.id)
        if mask is not None and all(mask >> privilege & 1 for privilege in needed):
            return True
        admin = {f"{rules.admin}_add_relationships"}
        if custom:
            admin.add(f"{rules.admin}_set_privileges")
        return user.privileges.issuperset(admin)

    async def for_member(self, text: str, caller: Caller, invite: InviteType) -> Invitation:
        """An invitation of this type into a space or group."""
        return await self._check(text, caller, invite)

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
        rules, _ = JOINS.get(expected, (SPACE_RULES, None))
        mask = rules.table.member if verified.privileges is None else verified.privileges
        return Invitation(verified.identifier, type.target_id, mask)


def _privilege(type: TokenType) -> tuple[TargetRules, int]:
    """What the issuer needs in the target, and by which rules."""
    if type.invite is None or type.invite not in JOINS:
        return SPACE_RULES, SpacePrivilege.ADD_SUPPORT
    rules, kind = JOINS[type.invite]
    return rules, rules.add[kind]
