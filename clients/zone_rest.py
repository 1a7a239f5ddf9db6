"""A small Python client of a zone's REST API: users, spaces and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from clients.http_api import ClientError, HttpApi, json_object

API = "/api/v3/onezone"


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

    def support_token(self, space_id: str) -> str:
        """A token with which a provider's operator can support the space."""
        return str(self._post(f"/spaces/{quote(space_id)}/providers/token", None)["token"])

    def _get(self, path: str) -> dict[str, Any]:
        return json_object(self._http.request("GET", API + path))

    def _post(self, path: str, body: object) -> dict[str, Any]:
        return json_object(self._http.request("POST", API + path, body=body))

    def _created(self, path: str, body: object) -> str:
        """The new id: the zone tells it as the last part of `location` only."""
        answer = self._http.request("POST", API + path, body=body)
        new_id: str = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        if not new_id:
            raise ClientError(f"{answer.url} did not say the id of what it made")
        return new_id


def _user(got: dict[str, Any]) -> User:
    return User(str(got["userId"]), str(got.get("username") or ""), str(got.get("fullName") or ""))


def _space(got: dict[str, Any]) -> Space:
    providers = {str(key): int(size) for key, size in (got.get("providers") or {}).items()}
    return Space(str(got["spaceId"]), str(got["name"]), providers)


def _token(got: dict[str, Any]) -> NamedToken:
    kind = next(iter(got["type"])) if isinstance(got["type"], dict) else str(got["type"])
    return NamedToken(str(got["id"]), str(got["name"]), kind, bool(got["revoked"]), str(got["token"]))
