"""The groups, or the spaces, of a zone: both have members, invitations and privileges, in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from clients.http_api import ClientError, HttpApi, json_object

API = "/api/v3/onezone"
Word = Literal["groups", "spaces"]
MemberWord = Literal["user", "group"]


@dataclass(frozen=True, slots=True)
class Member:
    """A direct member of a group or space."""

    kind: MemberWord
    member_id: str
    name: str
    privileges: list[str]


class Things:
    """What of one kind the caller is a member of. Methods raise what `HttpApi` raises."""

    def __init__(self, http: HttpApi, word: Word) -> None:
        self._http = http
        self._word = word
        self._member_paths = {"user": "users", "group": "groups" if word == "spaces" else "children"}

    def create(self, name: str, *, of_group: str = "", **fields: str) -> str:
        """Makes one of the caller's own, or of a group of his; gives its id."""
        path = f"/groups/{quote(of_group)}/{self._word}" if of_group else f"/user/{self._word}"
        return self._created(path, {"name": name, **fields})

    def all(self) -> list[dict[str, Any]]:
        """Details of all, also of those he reaches through groups."""
        ids = self._get(f"/user/effective_{self._word}")[self._word]
        return [self._get(f"/user/effective_{self._word}/{quote(each)}") for each in ids]

    def find(self, wanted: str) -> str:
        """The id of what is called so, or has this id. Raises ClientError for none and for several."""
        key = f"{self._word[:-1]}Id"
        found = [str(each[key]) for each in self.all() if wanted in (each[key], each["name"])]
        if len(found) > 1:
            raise ClientError(f"you have several {self._word} called {wanted}: give the id of one")
        # Administrators also handle what they are no members of, and know it by its id.
        return found[0] if found else wanted

    def get(self, thing_id: str) -> dict[str, Any]:
        """Details of one."""
        return self._get(f"/{self._word}/{quote(thing_id)}")

    def change(self, thing_id: str, **fields: str) -> None:
        """Sets name and the like."""
        self._http.request("PATCH", f"{API}/{self._word}/{quote(thing_id)}", body=fields)

    def delete(self, thing_id: str) -> None:
        """Ends it for everybody."""
        self._http.request("DELETE", f"{API}/{self._word}/{quote(thing_id)}")

    def invite(self, thing_id: str, kind: MemberWord) -> str:
        """A token with which somebody can join."""
        path = f"{API}/{self._word}/{quote(thing_id)}/{self._member_paths[kind]}/token"
        return str(json_object(self._http.request("POST", path))["token"])

    def join(self, token: str, *, as_group: str = "") -> str:
        """Joins by an invitation, oneself or with a group; gives the id of what was joined."""
        own = "parents" if self._word == "groups" else "spaces"
        path = f"/groups/{quote(as_group)}/{own}/join" if as_group else f"/user/{self._word}/join"
        return self._created(path, {"token": token})

    def leave(self, thing_id: str) -> None:
        """Ends the caller's own membership."""
        self._http.request("DELETE", f"{API}/user/{self._word}/{quote(thing_id)}")

    def members(self, thing_id: str) -> list[Member]:
        """All direct members with what they were given."""
        found: list[Member] = []
        kinds: tuple[MemberWord, ...] = ("user", "group")
        for kind in kinds:
            base = f"/{self._word}/{quote(thing_id)}/{self._member_paths[kind]}"
            for member_id in self._get(base)[f"{kind}s"]:
                told = self._get(f"{base}/{quote(member_id)}")
                name = str(told.get("username") or told.get("fullName") or told["name"])
                given = self._get(f"{base}/{quote(member_id)}/privileges")["privileges"]
                found.append(Member(kind, member_id, name, given))
        return found

    def find_member(self, thing_id: str, wanted: str) -> tuple[MemberWord, str]:
        """Kind and id of the direct member with this name or id. Raises ClientError."""
        names = [each for each in self.members(thing_id) if wanted in (each.member_id, each.name)]
        if len(names) != 1:
            raise ClientError(f"{'several members are' if names else 'no direct member is'} called {wanted}")
        return names[0].kind, names[0].member_id

    def add(self, thing_id: str, kind: MemberWord, member_id: str) -> None:
        """Makes somebody a member by id."""
        self._http.request("PUT", self._path(thing_id, kind, member_id))

    def remove(self, thing_id: str, kind: MemberWord, member_id: str) -> None:
        """Ends a direct membership."""
        self._http.request("DELETE", self._path(thing_id, kind, member_id))

    def change_privileges(
        self, thing_id: str, kind: MemberWord, member_id: str, *, grant: list[str], revoke: list[str]
    ) -> None:
        """Takes privileges of a direct member away, then gives some."""
        body = {"grant": grant, "revoke": revoke}
        self._http.request("PATCH", f"{self._path(thing_id, kind, member_id)}/privileges", body=body)

    def _path(self, thing_id: str, kind: MemberWord, member_id: str) -> str:
        return f"{API}/{self._word}/{quote(thing_id)}/{self._member_paths[kind]}/{quote(member_id)}"

    def _get(self, path: str) -> dict[str, Any]:
        return json_object(self._http.request("GET", API + path))

    def _created(self, path: str, body: object) -> str:
        return created_id(self._http.request("POST", API + path, body=body))


def created_id(answer: Any) -> str:
    """The id of what was made: the zone tells it as the last part of `location` only."""
    new_id: str = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
    if not new_id:
        raise ClientError(f"{answer.url} did not say the id of what it made")
    return new_id
