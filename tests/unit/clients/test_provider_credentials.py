"""Who a provider is to its zone, while an operator replaces the file that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.zone_client import LOOK_EVERY_S, ProviderCredentials
from runtime.macaroons import Macaroon, deserialize, serialize
from runtime.secret_file import write_secret

NOW_S = 1_700_000_000.0
Write = Callable[..., None]


def _token(identifier: str) -> str:
    return serialize(Macaroon.create("zone.example.org", identifier, "secret"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "provider.json"


@pytest.fixture
def write(file: Path) -> Write:
    def put(identifier: str, provider_id: str = "p1") -> None:
        fields = {"provider_id": provider_id, "root_token": _token(identifier), "name": "krakow"}
        domains = {"domain": "op.example.org", "zone_domain": "zone.example.org"}
        write_secret(file, json.dumps({**fields, **domains}).encode())

    return put


def _root_of(token: str) -> str:
    return deserialize(token).identifier


def test_replaced_file_is_followed(file: Path, write: Write) -> None:
    write("old")
    credentials = ProviderCredentials.load(file)
    assert _root_of(credentials.call_token(NOW_S)) == "old"
    write("new")
    assert _root_of(credentials.call_token(NOW_S + LOOK_EVERY_S)) == "new"


def test_file_replaced_before_the_first_call_is_followed_too(file: Path, write: Write) -> None:
    write("old")
    credentials = ProviderCredentials.load(file)
    write("new")
    assert _root_of(credentials.call_token(NOW_S)) == "new"


def test_clock_that_goes_back_does_not_stop_the_looking(file: Path, write: Write) -> None:
    write("old")
    credentials = ProviderCredentials.load(file)
    credentials.call_token(NOW_S)
    write("new")
    assert _root_of(credentials.call_token(NOW_S - 86_400)) == "new"


@pytest.mark.parametrize("content", [b"", b"{", b"{}", None])
def test_unusable_file_changes_nothing_and_a_good_one_is_taken_later(
    file: Path, write: Write, content: bytes | None
) -> None:
    write("old")
    credentials = ProviderCredentials.load(file)
    credentials.call_token(NOW_S)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert _root_of(credentials.call_token(NOW_S + LOOK_EVERY_S)) == "old"
    write("new")
    assert _root_of(credentials.call_token(NOW_S + 2 * LOOK_EVERY_S)) == "new"


def test_file_of_another_provider_is_not_taken(file: Path, write: Write) -> None:
    write("old")
    credentials = ProviderCredentials.load(file)
    write("theirs", provider_id="p2")
    assert _root_of(credentials.call_token(NOW_S)) == "old"
    assert credentials.provider_id == "p1"
