"""A small Python client of a zone's REST API: users, spaces and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from clients.http_api import ClientError, HttpApi, json_object
from clients.zone_things import API, Things, Word, created_id


@dataclass(frozen=True, slots=True)
class User:
    """An account of the zone."""

    user_id: str
    username: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Space:
    """A space. `providers`: bytes promised to it, by provider id."""

    space_id: str
    name: str
    providers: dict[str, int]


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A record of a token. `token` is the token itself: a secret."""

    token_id: str
    name: str
    kind: str
    revoked: bool
    token: str


class ZoneClient:
    """One zone, as one user: by token, or by name and password. Methods raise what `HttpApi` raises."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        basic: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = HttpApi(url, token=token, basic=basic, ca_file=ca_file, transport=transport)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> ZoneClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def things(self, word: Word) -> Things:
        """The caller's groups, or spaces, with what is common to both."""
        return Things(self._http, word)

    def current_user(self) -> User:
        """Who the credentials stand for."""
        return _user(self._get("/user"))

    def create_user(self, username: str, password: str, *, full_name: str = "") -> str:
        """Makes a user with basic log-in; gives the id. Needs the privilege to create users."""
        body = {"username": username, "password": password}
        if full_name:
            body["fullName"] = full_name
        return self._created("/users", body)

    def users(self) -> list[User]:
        """All users. Needs the privilege to list them."""
        return [_user(self._get(f"/users/{quote(user_id)}")) for user_id in self._get("/users")["users"]]

    def user(self, user_id: str) -> User:
        """One user. Needs the privilege to view users."""
        return _user(self._get(f"/users/{quote(user_id)}"))

    def find_user(self, wanted: str) -> str:
        """The id of a user by name or id. By name needs the privilege to list users. Raises ClientError."""
        found = [user.user_id for user in self.users() if wanted in (user.user_id, user.username)]
        if len(found) != 1:
            raise ClientError(f"there is no user called {wanted}")
        return found[0]

    def set_blocked(self, user_id: str, *, blocked: bool) -> None:
        """Blocks a user, or lets him in again."""
        body = {"blocked": blocked}
        self._http.request("PATCH", f"{API}/users/{quote(user_id)}/access_block", body=body)

    def set_password(self, user_id: str, password: str) -> None:
        """A new password for any user, who may log in with it."""
        body = {"newPassword": password, "basicAuthEnabled": True}
        self._http.request("PATCH", f"{API}/users/{quote(user_id)}/basic_auth", body=body)

    def delete_user(self, user_id: str) -> None:
        """The account with its memberships and tokens."""
        self._http.request("DELETE", f"{API}/users/{quote(user_id)}")

    def admin_privileges(self, user_id: str, *, grant: list[str], revoke: list[str]) -> list[str]:
        """Changes the privileges over the zone where something is given; tells those he has then."""
        path = f"/users/{quote(user_id)}/privileges"
        if grant or revoke:
            self._http.request("PATCH", API + path, body={"grant": grant, "revoke": revoke})
        return [str(each) for each in self._get(path)["privileges"]]

    def create_space(self, name: str) -> str:
        """Makes a space owned by the caller; gives its id."""
        return self._created("/user/spaces", {"name": name})

    def spaces(self) -> list[Space]:
        """The caller's spaces, also through groups."""
        ids = self._get("/user/effective_spaces")["spaces"]
        return [_space(self._get(f"/user/effective_spaces/{quote(space_id)}")) for space_id in ids]

    def space_names(self, token: str) -> dict[str, str]:
        """Names, by id, of the spaces a token opens: one request, and no credentials but the token."""
        got = self._post("/tokens/infer_access_token_scope", {"token": token})
        scope = got.get("dataAccessScope") or {"spaces": {}}
        return {space_id: str(space["name"]) for space_id, space in scope["spaces"].items()}

    def create_token(self, name: str, *, caveats: list[dict[str, Any]] | None = None) -> tuple[str, str]:
        """Makes a named access token of the caller: its id and the token."""
        got = self._post("/user/tokens/named", {"name": name, "caveats": caveats or []})
        return str(got["tokenId"]), str(got["token"])

    def tokens(self) -> list[NamedToken]:
        """The caller's named tokens."""
        ids = self._get("/user/tokens/named")["tokens"]
        return [_token(self._get(f"/tokens/named/{quote(token_id)}")) for token_id in ids]

    def find_token(self, wanted: str) -> NamedToken:
        """The caller's token with this name or id. Raises ClientError."""
        found = [token for token in self.tokens() if wanted in (token.token_id, token.name)]
        if not found:
            raise ClientError(f"you have no token called {wanted}")
        return found[0]

    def set_revoked(self, token_id: str, *, revoked: bool) -> None:
        """Makes a token good for nothing, or good again."""
        self._http.request("PATCH", f"{API}/tokens/named/{quote(token_id)}", body={"revoked": revoked})

    def delete_token(self, token_id: str) -> None:
        """Ends a token for good."""
        self._http.request("DELETE", f"{API}/tokens/named/{quote(token_id)}")

    def revoke_temporary_tokens(self) -> None:
        """Makes a new secret for the caller's temporary tokens: all that exist are good for nothing."""
        self._http.request("DELETE", f"{API}/user/tokens/temporary")

    def confine(self, token: str, caveats: list[dict[str, Any]]) -> str:
        """The token with more caveats."""
        return str(self._post("/tokens/confine", {"token": token, "caveats": caveats})["token"])

    def examine(self, token: str) -> dict[str, Any]:
        """What a token says about itself."""
        return self._post("/tokens/examine", {"token": token})

    def scope(self, token: str) -> dict[str, Any]:
        """What data a token reaches, and where; raises RefusedError for one that is not good."""
        return self._post("/tokens/infer_access_token_scope", {"token": token})

    def providers(self) -> list[dict[str, Any]]:
        """Details of the providers of the caller's spaces; for administrators of all."""
        everybody = "oz_providers_list" in self._get("/user/privileges")["privileges"]
        base = "/providers" if everybody else "/user/effective_providers"
        return [self._get(f"{base}/{quote(each)}") for each in self._get(base)["providers"]]

    def registration_token(self) -> str:
        """A token with which a provider can join the zone; the caller becomes its administrator."""
        return str(self._post("/user/clusters/provider_registration_token", None)["token"])

    def delete_provider(self, provider_id: str) -> None:
        """Ends a provider's registration with all its supports."""
        self._http.request("DELETE", f"{API}/providers/{quote(provider_id)}")

    def audit(self, *, who: str, about: str, limit: int) -> list[dict[str, Any]]:
        """The latest changes in the zone. Needs the privilege to view privileges."""
        chosen = {"who": who, "about": about, "limit": str(limit)}
        query = urlencode({key: value for key, value in chosen.items() if value})
        return list(self._get(f"/audit?{query}")["notes"])

    def support_token(self, space_id: str) -> str:
        """A token with which a provider's operator can support the space."""
        return str(self._post(f"/spaces/{quote(space_id)}/providers/token", None)["token"])

    def _get(self, path: str) -> dict[str, Any]:
        return json_object(self._http.request("GET", API + path))

    def _post(self, path: str, body: object) -> dict[str, Any]:
        return json_object(self._http.request("POST", API + path, body=body))

    def _created(self, path: str, body: object) -> str:
        return created_id(self._http.request("POST", API + path, body=body))


def _user(got: dict[str, Any]) -> User:
    return User(str(got["userId"]), str(got.get("username") or ""), str(got.get("fullName") or ""))


def _space(got: dict[str, Any]) -> Space:
    providers = {str(key): int(size) for key, size in (got.get("providers") or {}).items()}
    return Space(str(got["spaceId"]), str(got["name"]), providers)


def _token(got: dict[str, Any]) -> NamedToken:
    kind = next(iter(got["type"])) if isinstance(got["type"], dict) else str(got["type"])
    return NamedToken(str(got["id"]), str(got["name"]), kind, bool(got["revoked"]), str(got["token"]))
