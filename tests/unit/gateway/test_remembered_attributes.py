"""Attributes that are asked for again and again come from the gateway's memory, as long as they are true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from isthmus.metadata.v1 import files_pb2

from services.gateway.domain import attribute_memory
from services.metadata.domain.grants import QUIET_MS
from tests.support.gateway import GatewayTwin
from tests.support.waiting import until

DATA = "/api/v3/oneprovider/data"
JSON = {"content-type": "application/json"}


class Look:
    """Looks at one file, and at what the metadata service is asked meanwhile."""

    def __init__(self, gateway: GatewayTwin, file_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gateway = gateway
        self.file_id = file_id
        self.asked: list[files_pb2.GetFileRequest] = []
        inner = gateway.metadata.files.GetFile

        async def noted(request: files_pb2.GetFileRequest, context: Any) -> files_pb2.GetFileResponse:
            self.asked.append(request)
            return await inner(request, context)

        monkeypatch.setattr(gateway.metadata.files, "GetFile", noted)

    async def at(self, query: str = "", *, who: str = "owner", file_id: str = "") -> tuple[int, bytes]:
        """How often metadata was asked, and the answer."""
        before = len(self.asked)
        url = f"{DATA}/{file_id or self.file_id}{query}"
        answer = await self.gateway.http.get(url, headers={"x-auth-token": who})
        assert answer.headers["content-type"] == "application/json" or answer.status_code >= 400
        return len(self.asked) - before, answer.content

    async def remembered(self, query: str = "", *, who: str = "owner") -> bytes:
        """The answer, once it is remembered."""

        async def known() -> bool:
            return (await self.at(query, who=who))[0] == 0

        await until(known)
        return (await self.at(query, who=who))[1]


@pytest.fixture
async def look(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> Look:
    file_id = await gateway.make("f", content=b"12345")
    gateway.clock.advance(QUIET_MS / 1000)
    return Look(gateway, file_id, monkeypatch)


async def test_what_is_asked_again_and_again_is_remembered(look: Look):
    first = (await look.at())[1]
    assert look.asked[-1].lease_id == ""
    assert await look.remembered() == first
    assert look.asked[-1].lease_id != ""


async def test_what_is_asked_once_begins_no_lease(look: Look):
    await look.at()
    await look.at("?attributes=size")
    await look.at(who="member")
    assert look.gateway.remembered._memory._spaces == {}


async def test_each_selection_and_each_caller_is_another_question(look: Look):
    await look.remembered()
    assert (await look.at("?attributes=size"))[0] == 1
    assert (await look.at(who="member"))[0] == 1
    assert json.loads(await look.remembered("?attributes=size")) == {"size": 5}
    assert (await look.at())[0] == 0


async def test_who_may_not_know_is_not_told(look: Look):
    await look.remembered()
    assert b"forbidden" in (await look.at(who="stranger"))[1]
    answer = await look.gateway.http.get(f"{DATA}/{look.file_id}", headers={"x-auth-token": ""})
    assert answer.status_code == 401


async def test_a_change_is_seen_at_once(look: Look):
    await look.remembered("?attributes=posixPermissions")
    answer = await look.gateway.http.put(f"{DATA}/{look.file_id}", json={"mode": "600"})
    assert answer.status_code == 204
    assert json.loads((await look.at("?attributes=posixPermissions"))[1]) == {"posixPermissions": "600"}


async def test_a_removed_file_is_gone(look: Look):
    await look.remembered()
    assert (await look.gateway.http.delete(f"{DATA}/{look.file_id}")).status_code == 204
    assert b"enoent" in (await look.at())[1]


async def test_what_is_shared_is_not_remembered(look: Look):
    body = {"fileId": look.file_id, "name": "share"}
    made = await look.gateway.http.post("/api/v3/oneprovider/shares", json=body)
    share = await look.gateway.http.get(f"/api/v3/oneprovider/shares/{made.json()['shareId']}")
    root_id = share.json()["rootFileId"]
    for _ in range(5):
        assert (await look.at(file_id=root_id))[0] == 1
    assert len(look.gateway.remembered) == 0


async def test_sizes_are_asked_for_only_where_they_are_told(look: Look):
    await look.at("?attributes=mtime")
    await look.at("?attributes=size")
    await look.at()
    assert [request.without_sum for request in look.asked] == [True, False, False]


async def test_times_are_asked_for_only_where_they_are_told(look: Look):
    await look.at("?attributes=mtime")
    await look.at("?attributes=size")
    await look.at()
    assert [request.without_times for request in look.asked] == [False, True, False]


async def test_ids_of_paths_are_remembered(look: Look):
    url = "/api/v3/oneprovider/lookup-file-id/home/f"

    async def asks() -> int:
        before = len(look.asked)
        answer = await look.gateway.http.post(url)
        assert answer.json() == {"fileId": look.file_id}
        return len(look.asked) - before

    async def known() -> bool:
        return await asks() == 0

    await until(known)
    assert (await look.gateway.http.delete(f"{DATA}/{look.file_id}")).status_code == 204
    answer = await look.gateway.http.post(url)
    assert answer.json()["error"]["details"] == {"errno": "enoent"}


async def test_what_was_asked_once_is_bounded(look: Look, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attribute_memory, "MAX_ASKED", 2)
    for query in ("", "?attributes=size", "?attributes=mtime", "?attributes=name"):
        await look.at(query)
    assert len(look.gateway.remembered._asked) <= 2
