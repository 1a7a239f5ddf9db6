"""An OpenID Connect provider as the zone needs it: where to log in, and whose account it was.

Authorization code with PKCE. Authlib does the protocol; here stands what is asked of it, and what of an
answer is believed: only an ID token that the provider signed for us, for this very log-in.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from runtime.errors import Unavailable
from services.zone.domain.entities import LinkedAccount
from services.zone.domain.idp_tokens import VouchedFor
from services.zone.domain.logins import PendingLogin
from services.zone.domain.token_errors import BadIdpAccessToken

log = structlog.get_logger(__name__)

TIMEOUT_S = 10.0
#: How long what the provider says about itself, and its keys, are believed; clocks may differ by the leeway.
KEEP_S = 3600.0
LEEWAY_S = 60
MAX_TEXTS = 100
MAX_TEXT_CHARS = 1000

#: Signatures anybody with the provider's public key can check. Never `none`, never a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]


class IdentityProviderAway(Unavailable):
    """The identity provider does not answer."""

    reason = "IDENTITY_PROVIDER_AWAY"


class OidcSettings(BaseModel):
    """One identity provider, as the operator's file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    issuer: str
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    scope: str = "openid profile email"
    #: Clients of the provider whose access tokens log in at the zone: their ids, asked for by introspection.
    #: `*`: any of its clients, told by the user info alone. Empty: no access token logs in.
    access_token_clients: tuple[str, ...] = ()

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("an issuer is reached by https")
        return issuer


class OidcProvider:
    """Answers IdentityProvider. `redirect_uri`: where the provider sends the browser back to."""

    def __init__(self, settings: OidcSettings, *, redirect_uri: str) -> None:
        self.id = settings.id
        self.takes_tokens = bool(settings.access_token_clients)
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._about: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._known_until_s = 0.0

    async def authorization_url(self, login: PendingLogin) -> str:
        """Where the user logs in. Raises IdentityProviderAway."""
        async with self._client() as client:
            await self._learn(client)
            url, _ = client.create_authorization_url(
                self._about["authorization_endpoint"],
                state=login.state,
                nonce=login.nonce,
                code_verifier=login.verifier,
            )
            return str(url)

    async def account(self, login: PendingLogin, code: str) -> LinkedAccount:
        """Whose account it was. Raises BadIdpAccessToken for an answer that proves nothing,
        IdentityProviderAway."""
        async with self._client() as client:
            await self._learn(client)
            try:
                token = await client.fetch_token(
                    self._about["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=login.verifier,
                )
                claims = await self._verified(client, token, login.nonce)
                return self._account(claims, await self._user_info(client, str(claims["sub"])))
            except (AuthlibBaseError, JoseError, KeyError, TypeError, ValueError) as error:
                log.warning("login_not_proved", idp=self.id, error=type(error).__name__)
                raise BadIdpAccessToken.of(idp=self.id) from error
            except httpx2.HTTPError as error:
                raise IdentityProviderAway(idp=self.id) from error

    async def vouch(self, token: str) -> VouchedFor:
        """Whose access token it is; it must be one of a client that is trusted with that.

        Raises BadIdpAccessToken, IdentityProviderAway.
        """
        async with self._client() as client:
            await self._learn(client)
            try:
                about = await self._introspected(client, token)
                client.token = {"access_token": token, "token_type": "Bearer"}
                info = await _get(client, self._about["userinfo_endpoint"], withhold_token=False)
                if about.get("sub") not in (None, info["sub"]):
                    raise ValueError("introspection and user info speak of two users")
                ends_at_s = about.get("exp")
                return VouchedFor(self._account(info, {}), None if ends_at_s is None else int(ends_at_s))
            except (AuthlibBaseError, KeyError, TypeError, ValueError) as error:
                log.warning("idp_token_not_proved", idp=self.id, error=type(error).__name__)
                raise BadIdpAccessToken.of(idp=self.id) from error
            except httpx2.HTTPStatusError as error:
                if error.response.status_code not in (400, 401, 403):
                    raise IdentityProviderAway(idp=self.id) from error
                raise BadIdpAccessToken.of(idp=self.id) from error
            except httpx2.HTTPError as error:
                raise IdentityProviderAway(idp=self.id) from error

    async def _introspected(self, client: AsyncOAuth2Client, token: str) -> Mapping[str, Any]:
        """What the provider says of a token (RFC 7662). One that just any service got from a user must not
        be a log-in as him here, and user info does not tell which service it was."""
        trusted = self._settings.access_token_clients
        if "*" in trusted:
            return {}
        answer = await client.introspect_token(self._about["introspection_endpoint"], token=token)
        if answer.is_error:
            # It is we that it does not serve.
            log.warning("introspection_refused", idp=self.id, status=answer.status_code)
            raise IdentityProviderAway(idp=self.id)
        about = answer.json()
        if not isinstance(about, dict) or about.get("active") is not True:
            raise ValueError("not a token that is good now")
        if about.get("client_id") not in trusted:
            raise ValueError("a token of another client")
        return about

    def _client(self) -> AsyncOAuth2Client:
        settings = self._settings
        return AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            scope=settings.scope,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )

    async def _learn(self, client: AsyncOAuth2Client) -> None:
        """What the provider says about itself, and its keys."""
        if time.monotonic() < self._known_until_s:
            return
        issuer = self._settings.issuer
        try:
            about = await _get(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if about.get("issuer") != issuer:
                raise ValueError("it speaks of another issuer")
            told: Any = await _get(client, about["jwks_uri"])
            keys = KeySet.import_key_set(told)
        except (httpx2.HTTPError, JoseError, KeyError, TypeError, ValueError) as error:
            log.warning("identity_provider_away", idp=self.id, error=str(error))
            raise IdentityProviderAway(idp=self.id) from error
        self._about, self._keys, self._known_until_s = about, keys, time.monotonic() + KEEP_S

    async def _verified(
        self, client: AsyncOAuth2Client, token: Mapping[str, Any], nonce: str
    ) -> Mapping[str, Any]:
        try:
            decoded = self._decode(token["id_token"])
        except (JoseError, ValueError):
            # Keys are changed now and then; one that is new is looked for once.
            self._known_until_s = 0.0
            await self._learn(client)
            decoded = self._decode(token["id_token"])
        settings = self._settings
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {"iss": {"essential": True, "value": settings.issuer}, "aud": {"value": settings.client_id}},
            {"nonce": nonce, "client_id": settings.client_id, "access_token": token.get("access_token")},
        )
        claims.validate(leeway=LEEWAY_S)
        return dict(decoded.claims)

    def _decode(self, text: str) -> jwt.Token:
        assert self._keys is not None  # noqa: S101 -- learned before
        return jwt.decode(text, self._keys, algorithms=_ALGORITHMS)

    async def _user_info(self, client: AsyncOAuth2Client, subject: str) -> Mapping[str, Any]:
        """What else it tells about the user; it must be the same one."""
        endpoint = self._about.get("userinfo_endpoint")
        told = await _get(client, endpoint, withhold_token=False) if endpoint else {}
        return told if told.get("sub") == subject else {}

    def _account(self, claims: Mapping[str, Any], info: Mapping[str, Any]) -> LinkedAccount:
        known = {**claims, **info}
        verified = known.get("email_verified") is True
        return LinkedAccount(
            idp=self.id,
            subject_id=_text(claims["sub"]),
            full_name=_text(known.get("name", "")),
            username=_text(known.get("preferred_username", "")) or None,
            emails=(_text(known["email"]),) if verified and known.get("email") else (),
            entitlements=_texts(known.get("groups")),
        )


async def _get(client: AsyncOAuth2Client, url: str, *, withhold_token: bool = True) -> dict[str, Any]:
    answer = await client.request("GET", url, withhold_token=withhold_token)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def _text(value: object) -> str:
    return str(value)[:MAX_TEXT_CHARS]


def _texts(value: object) -> tuple[str, ...]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(_text(each) for each in value[:MAX_TEXTS]) if is_list else ()  # type: ignore[index]  # it is a list
