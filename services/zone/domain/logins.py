"""Log-in by an account elsewhere: the browser goes to an identity provider and comes back with a code.

What has to be remembered meanwhile travels in a sealed cookie of the browser that began. So the log-in ends
in the same browser or nowhere, nothing has to be kept here, and any instance of the zone can finish it.

An account is recognised by provider and subject only. Never by e-mail or name: whoever can have such an
address at some provider must not become somebody else here.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import orjson
import structlog
from cryptography.fernet import Fernet, InvalidToken

from runtime.clock import Clock
from services.zone.domain.access import Caller
from services.zone.domain.accounts import Accounts, Arrival
from services.zone.domain.entities import LinkedAccount, User
from services.zone.domain.errors import NotFound, Unauthorized, ZoneError
from services.zone.domain.handovers import Handovers, Listener
from services.zone.domain.params import Params
from services.zone.domain.stores import UserStore
from services.zone.domain.token_errors import UserBlocked
from services.zone.domain.tokens import Tokens
from services.zone.domain.value_errors import BadData

log = structlog.get_logger(__name__)

#: How long a user may take at the identity provider.
LOGIN_LIFE_S = 600


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """One log-in under way. `user_id`: to whom the account is linked; empty to log in.

    `port`, `challenge`: the program that waits for it; see `Listener`.
    """

    idp: str
    state: str
    nonce: str
    verifier: str
    user_id: str = ""
    port: int = 0
    challenge: str = ""


class IdentityProvider(Protocol):
    """Where users have accounts."""

    id: str

    async def authorization_url(self, login: PendingLogin) -> str:
        """Where the user logs in; raises Unavailable."""
        ...

    async def account(self, login: PendingLogin, code: str) -> LinkedAccount:
        """Whose account it was; raises BadIdpAccessToken, Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A token for the user, and when it ends (s); or where the browser takes a code for one."""

    user_id: str
    token: str = ""
    ends_at_s: int = 0
    send_to: str = ""


class Logins:
    """Begins and finishes log-ins."""

    def __init__(
        self,
        providers: Sequence[IdentityProvider],
        accounts: Accounts,
        users: UserStore,
        tokens: Tokens,
        handovers: Handovers,
        seal: Fernet,
        clock: Clock,
    ) -> None:
        self._providers: Mapping[str, IdentityProvider] = {each.id: each for each in providers}
        self._accounts = accounts
        self._users = users
        self._tokens = tokens
        self._handovers = handovers
        self._seal = seal
        self._clock = clock

    @property
    def idps(self) -> list[str]:
        """Ids of the identity providers."""
        return sorted(self._providers)

    async def begin(self, caller: Caller, idp: str, query: Mapping[str, object]) -> tuple[str, str]:
        """Where the browser goes, and the cookie it takes along. A user who asks links the account to
        himself. `query` may name a program that the log-in is for; see `Listener.of`."""
        provider = self._require(idp)
        listener = Listener.of(query) or Listener(0, "")
        user_id = ""
        if caller.user is not None:
            caller.allow("update", "od_user", caller.user.id, "linked_accounts")
            user_id = caller.user.id
        state, nonce, verifier = (
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
        )
        login = PendingLogin(idp, state, nonce, verifier, user_id, listener.port, listener.challenge)
        cookie = self._seal.encrypt_at_time(orjson.dumps(asdict(login)), self._now_s())
        return await provider.authorization_url(login), cookie.decode()

    async def finish(
        self, caller: Caller, idp: str, *, state: str, code: str, cookie: str, request_id: str
    ) -> LoggedIn:
        """What the browser is told. An account that is linked, or a user that is made,
        is noted under `request_id`; of `caller` only the address counts.

        Raises BadData for a log-in that this browser did not begin, Unauthorized.
        """
        provider = self._require(idp)
        login = self._opened(cookie)
        if login is None or login.idp != idp or not hmac.compare_digest(login.state.encode(), state.encode()):
            raise BadData.of(key="state")
        try:
            account = await provider.account(login, code)
            arrival = Arrival(account, caller.peer_ip, request_id)
            user = await self._user(arrival, login.user_id)
            if user.blocked:
                raise UserBlocked
        except ZoneError as error:
            raise Unauthorized.because(error) from error
        log.info("logged_in", user_id=user.id, idp=idp)
        if not login.port:
            return await self._with_token(user.id)
        listener = Listener(login.port, login.challenge)
        return LoggedIn(user.id, send_to=listener.address(self._handovers.code(user.id, listener)))

    async def _user(self, arrival: Arrival, link_to: str) -> User:
        if link_to:
            return await self._accounts.link(arrival, link_to)
        return await self._accounts.user_of(arrival)

    async def redeem(self, body: Mapping[str, object]) -> LoggedIn:
        """A token for the program that has a code and its verifier. Raises BadData, Unauthorized."""
        params = Params(body)
        user_id = self._handovers.redeem(params.text("code"), params.text("codeVerifier"))
        user = await self._users.find(user_id)
        if user is None:
            raise BadData.of(key="code")
        if user.blocked:
            raise Unauthorized.because(UserBlocked())
        return await self._with_token(user_id)

    async def _with_token(self, user_id: str) -> LoggedIn:
        token, ends_at_s = await self._tokens.for_login(user_id)
        return LoggedIn(user_id, token, ends_at_s)

    def _require(self, idp: str) -> IdentityProvider:
        provider = self._providers.get(idp)
        if provider is None:
            raise NotFound
        return provider

    def _opened(self, cookie: str) -> PendingLogin | None:
        try:
            text = self._seal.decrypt_at_time(cookie.encode(), LOGIN_LIFE_S, self._now_s())
        except (InvalidToken, UnicodeError):
            return None
        return PendingLogin(**orjson.loads(text))

    def _now_s(self) -> int:
        return self._clock.now_ms() // 1000
