"""Log-in by an access token of an identity provider: `<id of the provider>:<token>` in place of a token.

The provider is asked whose it is. What it said is believed for `BELIEVED_S`, never past the token's end, so a
token that was withdrawn there is good here for as long at most. The user himself is looked up for each
request: one who is blocked is refused at once.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import structlog

from runtime.clock import Clock
from services.zone.domain.accounts import Accounts, Arrival
from services.zone.domain.entities import LinkedAccount, User
from services.zone.domain.stores import UserStore
from services.zone.domain.token_errors import BadIdpAccessToken, UserBlocked

log = structlog.get_logger(__name__)

BELIEVED_S = 30.0
#: How long a provider is not asked again about a token that it refused.
REFUSED_S = 5.0
MAX_TOKENS = 2000
#: So many questions to one provider at a time; more wait.
MAX_ASKING = 16
MAX_TOKEN_CHARS = 16_384
#: What may stand behind `Bearer` (RFC 6750).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class VouchedFor:
    """Whose a token is, as its provider says. `ends_at_s`: when it ends; None for not told."""

    account: LinkedAccount
    ends_at_s: int | None = None


class TokenProvider(Protocol):
    """An identity provider. `takes_tokens`: whether its access tokens are good here."""

    id: str
    takes_tokens: bool

    async def vouch(self, token: str) -> VouchedFor:
        """Whose access token it is. Raises BadIdpAccessToken, Unavailable."""
        ...


@dataclass(slots=True)
class _Entry:
    """What is known of one token, and until when (monotonic, s): whose it is, or that it was refused."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    user_id: str = ""
    is_refused: bool = False
    until_s: float = 0.0


class IdpTokens:
    """Finds the users of such tokens."""

    def __init__(
        self, providers: Sequence[TokenProvider], accounts: Accounts, users: UserStore, clock: Clock
    ) -> None:
        self._providers: Mapping[str, TokenProvider] = {
            each.id: each for each in providers if each.takes_tokens
        }
        self._accounts = accounts
        self._users = users
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._asking = {idp: asyncio.Semaphore(MAX_ASKING) for idp in self._providers}

    def takes(self, text: str) -> bool:
        """Whether a text is meant as such a token. No token of ours holds a colon."""
        idp, colon, _ = text.partition(":")
        return bool(colon) and idp in self._providers

    async def user(self, text: str, *, peer_ip: str | None, request_id: str) -> User:
        """Whose it is; one who comes for the first time is made. Raises BadIdpAccessToken, UserBlocked,
        Unavailable."""
        idp, _, token = text.partition(":")
        if len(token) > MAX_TOKEN_CHARS or not _TOKEN.fullmatch(token):
            raise BadIdpAccessToken.of(idp=idp)
        entry = self._entry(text)
        user = await self._known(entry, idp)
        if user is None:
            # Of requests with one token one asks, and the others find the answer.
            async with entry.lock:
                user = await self._known(entry, idp)
                user = user or await self._asked(entry, idp, token, peer_ip, request_id)
        if user.blocked:
            raise UserBlocked
        return user

    def _entry(self, text: str) -> _Entry:
        # A digest, so that no token lies about in memory.
        key = blake2b(text.encode(), digest_size=24).digest()
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_TOKENS:
            self._entries.popitem(last=False)
        return entry

    async def _known(self, entry: _Entry, idp: str) -> User | None:
        if self._clock.monotonic_s() >= entry.until_s:
            return None
        if entry.is_refused:
            raise BadIdpAccessToken.of(idp=idp)
        # None for one who was deleted meanwhile.
        return await self._users.find(entry.user_id)

    async def _asked(self, entry: _Entry, idp: str, token: str, peer_ip: str | None, request_id: str) -> User:
        asked_s = self._clock.monotonic_s()
        try:
            async with self._asking[idp]:
                vouched = await self._providers[idp].vouch(token)
            left_s = self._left_s(vouched)
            if left_s <= 0:
                raise BadIdpAccessToken.of(idp=idp)
        except BadIdpAccessToken:
            entry.is_refused, entry.until_s = True, asked_s + REFUSED_S
            raise
        user = await self._accounts.user_of(Arrival(vouched.account, peer_ip, request_id))
        entry.user_id, entry.is_refused, entry.until_s = user.id, False, asked_s + left_s
        log.info("logged_in_by_idp_token", user_id=user.id, idp=idp)
        return user

    def _left_s(self, vouched: VouchedFor) -> float:
        if vouched.ends_at_s is None:
            return BELIEVED_S
        return min(BELIEVED_S, vouched.ends_at_s - self._clock.now_ms() / 1000)
