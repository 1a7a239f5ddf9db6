"""Tokens as things their subjects keep: named ones with a record, temporary ones by generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from runtime.clock import Clock
from services.zone.domain import caveat_forms, names
from services.zone.domain.access import Caller
from services.zone.domain.caveats import Caveat, Service, ServiceCaveat, TimeCaveat
from services.zone.domain.entities import NamedToken
from services.zone.domain.errors import NotFound
from services.zone.domain.identifiers import (
    ACCESS,
    Identifier,
    InviteType,
    Subject,
    TokenKind,
    TokenType,
    encode,
    invitation,
    user_subject,
)
from services.zone.domain.ids import new_id, new_secret
from services.zone.domain.invites import Invites
from services.zone.domain.params import Params
from services.zone.domain.stores import Taken, TokenStore
from services.zone.domain.target_rules import JOINS
from services.zone.domain.token_errors import (
    InviteTokenSubjectNotAuthorized,
    TokenInvalid,
    TokenTimeCaveatRequired,
)
from services.zone.domain.value_errors import (
    BadValueCaveat,
    BadValueIdentifierOccupied,
    BadValueTextTooLarge,
)
from services.zone.domain.verification import Verifier

log = structlog.get_logger(__name__)

MAX_METADATA_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """`location`: domain of the zone, put into each token. Times in seconds."""

    location: str
    max_temporary_ttl_s: int
    support_token_ttl_s: int
    login_token_ttl_s: int


class Tokens:
    """Makes, lists, changes and ends tokens."""

    def __init__(
        self,
        store: TokenStore,
        invites: Invites,
        verifier: Verifier,
        settings: TokenSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._invites = invites
        self._verifier = verifier
        self._settings = settings
        self._clock = clock

    # --- named ---

    async def create_named(
        self, caller: Caller, subject: Subject, body: Mapping[str, object]
    ) -> tuple[str, str]:
        """Id and text of a new named token of the subject."""
        await self._allow(caller, "create", subject)
        params = Params(body)
        name = names.check_name(params.text("name", empty=True))
        type = self._type(params)
        caveats = self._caveats(params, type)
        custom = params.record("customMetadata")
        _check_size(custom)
        limit, privileges = None, None
        if type.invite is not None:
            if params.given("usageLimit") and params.value("usageLimit") != "infinity":
                limit = params.integer("usageLimit", low=1)
            privileges = _privileges(params, type.invite)
        await self._check_entitled(caller, subject, type, caveats, custom=privileges is not None)
        token = NamedToken(
            id=new_id(),
            name=name,
            subject=subject,
            type=type,
            caveats=tuple(caveat.text for caveat in caveats),
            custom=custom,
            revoked=params.flag("revoked"),
            created_at_ms=self._clock.now_ms(),
            usage_limit=limit,
            privileges=privileges,
        )
        return token.id, await self.keep(token)

    async def keep(self, token: NamedToken) -> str:
        """Stores a token whose values are checked already; gives its text."""
        secret = new_secret()
        # Made before it is kept, so that what does not fit the format leaves no record.
        text = encode(self._settings.location, token.identifier, secret, token.caveats)
        try:
            await self._store.create(token, secret)
        except Taken:
            raise BadValueIdentifierOccupied.of(key="name") from None
        log.info("token_created", token_id=token.id, subject=token.subject.code, type=token.type.code)
        return text

    async def invite(self, caller: Caller, type: TokenType) -> str:
        """An invitation of the caller's under a name made up for it; the caller is entitled already."""
        token_id = new_id()
        caveats: tuple[str, ...] = ()
        if type.invite is InviteType.SUPPORT_SPACE:
            until_s = self.now_s() + self._settings.support_token_ttl_s
            caveats = (TimeCaveat(until_s).text,)
        token = NamedToken(
            id=token_id,
            name=f"invite {type.code.split(':')[0]} {token_id[:12]}",
            subject=caller.subject,
            type=type,
            caveats=caveats,
            created_at_ms=self._clock.now_ms(),
        )
        return await self.keep(token)

    async def registration_token(self, caller: Caller, admin_user_id: str) -> str:
        """An invitation for a provider of which this user will be the administrator."""
        caller.allow("create", "od_user", admin_user_id, "provider_registration_token")
        type = invitation(InviteType.REGISTER_ONEPROVIDER, admin_user_id)
        try:
            await self._invites.check_issuer(type, caller.subject, custom=False)
        except InviteTokenSubjectNotAuthorized:
            # Here it is the caller's right, not that of an invitation that somebody brings.
            caller.require(False)
        return await self.invite(caller, type)

    async def list_ids(self, caller: Caller, subject: Subject) -> list[str]:
        """Named tokens of a subject."""
        await self._allow(caller, "get", subject)
        return await self._store.list_ids(subject)

    async def list_all(self, caller: Caller) -> list[str]:
        """Named tokens of everybody."""
        caller.allow("get", "od_token", aspect="list")
        caller.require_admin("oz_tokens_manage")
        return await self._store.list_ids(None)

    async def delete_all(self, caller: Caller, subject: Subject) -> None:
        """All named tokens of a subject."""
        await self._allow(caller, "delete", subject)
        await self._store.delete_all(subject)
        log.info("tokens_deleted", subject=subject.code)

    async def get(self, caller: Caller, token_id: str) -> tuple[NamedToken, str]:
        """The record of a token, and its text."""
        token, secret = await self._require(token_id)
        caller.allow("get", "od_token", token_id)
        await self._demand(caller, token.subject)
        return token, self._text(token, secret)

    async def get_by_name(self, caller: Caller, subject: Subject, name: str) -> tuple[NamedToken, str]:
        """The same by name."""
        await self._allow(caller, "get", subject)
        found = await self._store.find_by_name(subject, name)
        if found is None:
            raise NotFound
        token, secret = await self._require(found.id)
        return token, self._text(token, secret)

    async def is_revoked(self, caller: Caller, token_id: str) -> bool:
        """For the subject, and for providers that serve him."""
        token, _ = await self._require(token_id)
        caller.allow("get", "od_token", token_id, "status")
        if caller.provider_id is None or caller.subject == token.subject:
            await self._demand(caller, token.subject)
        else:
            caller.require(await self._verifier.serves(caller.provider_id, token.subject.id))
        return token.revoked

    async def update(self, caller: Caller, token_id: str, body: Mapping[str, object]) -> None:
        """Name, custom metadata, and whether it is revoked."""
        token, _ = await self._require(token_id)
        caller.allow("update", "od_token", token_id)
        await self._demand(caller, token.subject)
        params = Params(body)
        params.at_least_one("name", "customMetadata", "revoked")
        changes: dict[str, Any] = {}
        if "name" in params:
            changes["name"] = names.check_name(params.text("name", empty=True))
        if "customMetadata" in params:
            changes["custom"] = params.record("customMetadata")
            _check_size(changes["custom"])
        if "revoked" in params:
            changes["revoked"] = params.boolean("revoked")
        try:
            await self._store.update(token_id, changes)
        except Taken:
            raise BadValueIdentifierOccupied.of(key="name") from None
        log.info("token_changed", token_id=token_id, fields=sorted(changes))

    async def delete(self, caller: Caller, token_id: str) -> None:
        """Ends the token for good."""
        token, _ = await self._require(token_id)
        caller.allow("delete", "od_token", token_id)
        await self._demand(caller, token.subject)
        await self._store.delete(token_id)
        log.info("token_deleted", token_id=token_id)

    # --- temporary ---

    async def create_temporary(self, caller: Caller, subject: Subject, body: Mapping[str, object]) -> str:
        """The text of a token that is kept nowhere; it must end by a time caveat."""
        await self._allow(caller, "create", subject)
        params = Params(body)
        type = self._type(params)
        caveats = self._caveats(params, type)
        ends = [caveat.valid_until_s for caveat in caveats if isinstance(caveat, TimeCaveat)]
        limit_s = self._settings.max_temporary_ttl_s
        if not ends or min(ends) > self.now_s() + limit_s:
            raise TokenTimeCaveatRequired.of(maxTtl=limit_s)
        await self._check_entitled(caller, subject, type, caveats, custom=False)
        return await self.temporary(subject, type, caveats)

    async def for_login(self, user_id: str) -> tuple[str, int]:
        """A temporary access token for who has just logged in, and when it ends (s)."""
        until_s = self.now_s() + self._settings.login_token_ttl_s
        return await self.temporary(user_subject(user_id), ACCESS, [TimeCaveat(until_s)]), until_s

    async def temporary(self, subject: Subject, type: TokenType, caveats: Sequence[Caveat]) -> str:
        """The text of a temporary token whose values are checked already."""
        current = await self._store.temporary_secret(subject, new_secret())
        identifier = Identifier(new_id(), type, subject, current.generation)
        texts = tuple(caveat.text for caveat in caveats)
        return encode(self._settings.location, identifier, current.secret, texts)

    async def going_on(self, identifier: Identifier, subject: Subject, caveats: Sequence[Caveat]) -> str:
        """The text of a token like a verified one with other caveats, which ends when that one is revoked.

        TokenInvalid for a named one that was deleted meanwhile.
        """
        if identifier.generation is not None:
            return await self.temporary(subject, identifier.type, caveats)
        found = await self._store.find(identifier.id)
        if found is None:
            raise TokenInvalid
        token, secret = found
        texts = tuple(caveat.text for caveat in caveats)
        return encode(self._settings.location, token.identifier, secret, texts)

    async def generation(self, caller: Caller, subject: Subject) -> int:
        """The generation of temporary tokens that is good now."""
        await self._allow(caller, "get", subject)
        return (await self._store.temporary_secret(subject, new_secret())).generation

    async def revoke_temporary(self, caller: Caller, subject: Subject) -> None:
        """Ends all temporary tokens of a subject at once."""
        await self._allow(caller, "delete", subject)
        # There must be a first generation to leave behind.
        await self._store.temporary_secret(subject, new_secret())
        generation = await self._store.renew_temporary_secret(subject, new_secret())
        log.info("temporary_tokens_revoked", subject=subject.code, generation=generation)

    # --- shared ---

    def now_s(self) -> int:
        """By the clock that time caveats are held against."""
        return self._clock.now_ms() // 1000

    async def _allow(self, caller: Caller, op: str, subject: Subject) -> None:
        caller.allow(op, "od_token", aspect=f"{subject.type.value}_tokens")
        await self._demand(caller, subject)

    async def _demand(self, caller: Caller, subject: Subject) -> None:
        """For the subject itself, who administers it as a provider, and administrators of the zone."""
        may = not caller.is_guest and (caller.subject == subject or caller.is_admin("oz_tokens_manage"))
        if not may and caller.user is not None:
            may = await self._verifier.administers(caller.user, subject)
        caller.require(may)

    async def _require(self, token_id: str) -> tuple[NamedToken, str]:
        found = await self._store.find(token_id)
        if found is None:
            raise NotFound
        return found

    def _text(self, token: NamedToken, secret: str) -> str:
        return encode(self._settings.location, token.identifier, secret, token.caveats)

    @staticmethod
    def _type(params: Params) -> TokenType:
        return TokenType.from_json(params.value("type")) if "type" in params else ACCESS

    @staticmethod
    def _caveats(params: Params, type: TokenType) -> list[Caveat]:
        caveats = caveat_forms.list_from_json(params.value("caveats") if "caveats" in params else None)
        for caveat in caveats:
            if type.kind not in caveat.tokens:
                raise BadValueCaveat.of(caveat=caveat.to_json())
        return caveats

    async def _check_entitled(
        self, caller: Caller, subject: Subject, type: TokenType, caveats: list[Caveat], *, custom: bool
    ) -> None:
        """Refuses invitations the subject may not issue, and services it may not use."""
        if type.kind is TokenKind.INVITE:
            await self._invites.check_issuer(type, subject, custom=custom)
        if caller.user is None or caller.subject != subject:
            return
        for caveat in caveats:
            for element in caveat.whitelist if isinstance(caveat, ServiceCaveat) else ():
                code, _, service_id = element.partition("-")
                await self._verifier.check_service(caller.user, Service(code, service_id))


def _privileges(params: Params, invite: InviteType) -> int | None:
    if "privileges" not in params:
        return None
    if invite not in JOINS:
        params.texts("privileges", allowed=())
        return None
    table = JOINS[invite][0].table
    return table.mask_of_names(params.texts("privileges", allowed=table.names))


def _check_size(custom: Mapping[str, object]) -> None:
    if len(orjson.dumps(custom)) > MAX_METADATA_BYTES:
        raise BadValueTextTooLarge.of(key="customMetadata", limit=MAX_METADATA_BYTES)
