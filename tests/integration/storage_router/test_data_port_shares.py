"""Content by the ids of shares: read as a guest whoever asks, and only read."""

from __future__ import annotations

import json

import pytest

from runtime.http.file_ids import encode
from runtime.identity import GUEST
from services.storage_router.domain.contents import FileRef
from tests.support.data_port import SPACE, RunningPort
from tests.support.raw_http import Answer, RawClient, request_bytes

DATA = "/api/v3/oneprovider/data"
NO_TOKEN = b"x-auth-token: good\r\n"


@pytest.fixture
async def shared(client: RawClient, port: RunningPort) -> str:
    """The path of a file as a share shows it."""
    assert (await client.request("PUT", "/cdmi/space1/file", body=b"0123456789")).status == 201
    [(file, _)] = port.twin.files.values()
    return f"{DATA}/{encode(SPACE, file.file_id, 'share1')}"


async def as_guest(client: RawClient, method: str, target: str, body: bytes | None = None) -> Answer:
    """A request without a token."""
    sent = request_bytes(method, target, {"range": "bytes=2-4"}, body)
    assert NO_TOKEN in sent
    await client.send(sent.replace(NO_TOKEN, b""))
    return await client.answer()


async def test_whoever_asks_is_a_guest(client: RawClient, port: RunningPort, shared: str) -> None:
    with_token = await client.request("GET", f"{shared}/content", {"range": "bytes=2-4"})
    without = await as_guest(client, "GET", f"{shared}/content")
    assert [(each.status, each.body) for each in (with_token, without)] == [(206, b"234")] * 2
    [(file, _)] = port.twin.files.values()
    ref = FileRef(SPACE, file.file_id, follow_last_symlink=True, share_id="share1")
    assert port.twin.located == [(ref, GUEST)] * 2


async def test_a_bad_token_is_refused(client: RawClient, shared: str) -> None:
    answer = await client.request("GET", f"{shared}/content", {"x-auth-token": "bad"})
    assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/path/file"),
        ("GET", "/path"),
        ("PUT", "/path/new"),
        ("PUT", "/content"),
        ("POST", "/children?name=x"),
    ],
)
async def test_all_else_is_not_supported(
    client: RawClient, port: RunningPort, shared: str, method: str, path: str
) -> None:
    answer = await as_guest(client, method, shared + path, None if method == "GET" else b"x")
    assert (answer.status, json.loads(answer.body)["error"]["id"]) == (400, "notSupported")
    assert len(port.stored()) == 1
