"""What all suites share: the stack, and a directory of its own for each test. A plug-in of pytest."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests
from onedatafilerestclient import OnedataFileRESTClient
from onedatafilerestclient.errors import OnedataRESTError


@dataclass(frozen=True)
class Place:
    """A directory of the space's owner. `path` is relative to the space; `host` is the zone's, with port."""

    client: OnedataFileRESTClient
    space: str
    path: str
    token: str
    host: str
    ca_file: str

    def at(self, name: str) -> str:
        """A path in here, relative to the space."""
        return f"{self.path}/{name}"

    def full(self, name: str) -> str:
        """The same with the name of the space before it."""
        return f"{self.space}/{self.path}/{name}"

    def put(self, name: str, content: bytes = b"") -> str:
        """A file with this content; its id."""
        id = str(self.client.create_file(self.space, self.at(name), create_parents=True))
        if content:
            self.client.put_file_content(self.space, content, file_id=id)
        return id

    def get(self, name: str) -> bytes:
        """All of a file."""
        return bytes(self.client.get_file_content(self.space, file_path=self.at(name)))

    def names(self, name: str = "") -> list[str]:
        """Names in a directory in here."""
        path = self.at(name).rstrip("/")
        listed = self.client.list_children(self.space, file_path=path, attributes=["name"])
        return [str(child["name"]) for child in listed["children"]]

    def link(self, name: str, target: str) -> None:
        """A symbolic link. The clients read them, but cannot make them."""
        answer = requests.put(
            f"https://{self.host}/api/v3/oneprovider/data/{self.client.get_space_id(self.space)}/path/{self.at(name)}",
            params={"type": "SYMLNK", "target_file_path": target},
            headers={"X-Auth-Token": self.token},
            verify=self.ca_file,
            timeout=30,
        )
        answer.raise_for_status()

    def client_with(self, token: str) -> OnedataFileRESTClient:
        """A client of whoever has this token."""
        return OnedataFileRESTClient(self.host, token, verify_ssl=self.ca_file)

    def confined(self, *caveats: dict[str, object]) -> str:
        """The owner's token with caveats."""
        answer = requests.post(
            f"https://{self.host}/api/v3/onezone/tokens/confine",
            json={"token": self.token, "caveats": list(caveats)},
            verify=self.ca_file,
            timeout=30,
        )
        answer.raise_for_status()
        return str(answer.json()["token"])


@contextlib.contextmanager
def a_place() -> Iterator[Place]:
    """An empty directory, gone afterwards."""
    host, token, ca_file = (os.environ[name] for name in ("ONEZONE_HOST", "ISTHMUS_TOKEN", "ISTHMUS_CA"))
    client = OnedataFileRESTClient(host, token, verify_ssl=ca_file)
    space = os.environ["ISTHMUS_SPACE"]
    path = f"clients-{secrets.token_hex(6)}"
    client.create_file(space, path, file_type="DIR", mode=0o777)
    try:
        yield Place(client, space, path, token, host, ca_file)
    finally:
        client.remove(space, file_path=path)


@pytest.fixture
def place() -> Iterator[Place]:
    """A place for a test."""
    with a_place() as made:
        yield made


@pytest.fixture
def member(place: Place) -> OnedataFileRESTClient:
    """A client of a plain member of the space."""
    return place.client_with(os.environ["ISTHMUS_TOKEN_MEMBER"])


def refused(call: Callable[[], object]) -> tuple[int, str | None, str | None]:
    """Status, id and errno of the error that a call ends in."""
    with pytest.raises(OnedataRESTError) as raised:
        call()
    error = raised.value
    details = error.details if isinstance(error.details, dict) else {}
    return error.http_code, error.category, details.get("errno")


def errno(call: Callable[[], object]) -> str | None:
    """The errno of the POSIX error that a call ends in, which is 400 whatever it is."""
    status, id, name = refused(call)
    assert (status, id) == (400, "posix")
    return name
