"""A listing that is kept is sent again while it is true, and for nobody who may not have it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from isthmus.metadata.v1 import files_pb2

from runtime.auth import as_caller, service_identity
from services.gateway.api.rest import listing
from services.gateway.domain.listing_memory import KeptListing, ListingMemory
from tests.support.gateway import GatewayTwin
from tests.support.journal import Journal

API = "/api/v3/oneprovider"
SIX = "&".join(
    f"attributes={name}" for name in ("fileId", "name", "type", "size", "mtime", "posixPermissions")
)


class Told:
    """What the metadata service answered to listings."""

    def __init__(self, gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[files_pb2.ListChildrenResponse] = []
        inner = gateway.metadata.files.ListChildren

        async def noted(request: Any, context: Any) -> files_pb2.ListChildrenResponse:
            answer = await inner(request, context)
            self.answers.append(answer)
            return answer

        monkeypatch.setattr(gateway.metadata.files, "ListChildren", noted)

    def unchanged(self) -> list[bool]:
        """Of each answer since the last time."""
        answers, self.answers = self.answers, []
        return [answer.unchanged for answer in answers]


@pytest.fixture
async def directory(gateway: GatewayTwin) -> str:
    file_id = await gateway.make("d", type="DIR")
    for name in "abc":
        await gateway.make(f"d/{name}", content=b"12345")
    return file_id


@pytest.fixture
def told(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(gateway, monkeypatch)


async def listed(gateway: GatewayTwin, file_id: str, query: str = SIX, who: str = "owner") -> bytes:
    answer = await gateway.http.get(f"{API}/data/{file_id}/children?{query}", headers={"x-auth-token": who})
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_it_is_sent_again_until_something_changes(
    gateway: GatewayTwin, directory: str, told: Told
) -> None:
    first = await listed(gateway, directory)
    assert await listed(gateway, directory) == first
    assert told.unchanged() == [False, True]
    changed = await gateway.http.put(f"{API}/data/{await gateway.id_of('d/b')}", json={"mode": "0600"})
    assert changed.status_code == 204
    second = await listed(gateway, directory)
    assert b'"600"' in second
    assert await listed(gateway, directory) == second
    assert told.unchanged() == [False, True]


async def test_other_questions_have_other_answers(gateway: GatewayTwin, directory: str, told: Told) -> None:
    queries = (
        SIX,
        "attributes=name",
        "limit=2",
        "index=b",
        "index=b&inclusive=false",
        "attribute=mode",
    )
    made = [await listed(gateway, directory, query) for query in queries]
    assert told.unchanged() == [False] * len(queries)
    assert len(set(made)) == len(queries)
    assert [await listed(gateway, directory, query) for query in queries] == made
    assert told.unchanged() == [True] * len(queries)


async def test_who_may_not_list_gets_nothing(gateway: GatewayTwin, directory: str, told: Told) -> None:
    await listed(gateway, directory)
    for token, status in (("member", 200), ("stranger", 403)):
        answer = await gateway.http.get(
            f"{API}/data/{directory}/children?{SIX}", headers={"x-auth-token": token}
        )
        assert answer.status_code == status
    assert told.unchanged() == [False, True]
    await gateway.http.put(f"{API}/data/{directory}", json={"mode": "0700"})
    answer = await gateway.http.get(
        f"{API}/data/{directory}/children?{SIX}", headers={"x-auth-token": "member"}
    )
    assert (answer.status_code, told.unchanged()) == (400, [])
    await listed(gateway, directory)
    assert told.unchanged() == [True]


async def test_everybody_sees_his_own_name_of_the_space_and_his_own_shares(
    gateway: GatewayTwin, directory: str
) -> None:
    body = {"name": "shared", "fileId": await gateway.id_of("d/a")}
    share = await gateway.http.post(f"{API}/shares", json=body)
    assert share.status_code == 201, share.text
    query = "attributes=path&attributes=directShareIds"
    owner = await listed(gateway, directory, query)
    gateway.tokens.identities["member"] = renamed(gateway, "other name")
    member = await listed(gateway, directory, query, "member")
    assert b"/home/d/a" in owner
    assert b"/other name/d/a" in member
    assert await listed(gateway, directory, query) == owner


def renamed(gateway: GatewayTwin, name: str) -> Any:
    identity = gateway.tokens.identities["member"]
    return replace(identity, spaces={"home1": replace(identity.spaces["home1"], name=name)})


async def test_pages_that_are_not_of_one_version_are_not_kept(
    gateway: GatewayTwin, directory: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PAGE_SIZE", 2)
    first = await listed(gateway, directory)
    assert await listed(gateway, directory) == first
    assert told.unchanged() == [False, False, True]
    inner = gateway.metadata.files.ListChildren

    async def changing(request: Any, context: Any) -> files_pb2.ListChildrenResponse:
        answer = await inner(request, context)
        if not request.page_token:
            monkeypatch.setattr(gateway.metadata.files, "ListChildren", inner)
            await asyncio.create_task(gateway.make("d/d"))
        return answer

    await gateway.make("d/aa")
    monkeypatch.setattr(gateway.metadata.files, "ListChildren", changing)
    mixed = await listed(gateway, directory)
    told.unchanged()
    assert b'"d"' in mixed
    assert await listed(gateway, directory) == mixed
    assert not any(told.unchanged())


async def test_sizes_of_directories_are_never_kept(gateway: GatewayTwin, directory: str, told: Told) -> None:
    await gateway.make("d/sub", type="DIR")
    before = await listed(gateway, directory)
    await listed(gateway, directory)
    assert told.unchanged() == [False, True]
    journal = Journal(gateway.metadata.stores)
    journal.note()
    with as_caller(service_identity("test"), b""):
        await gateway.metadata.dir_stats_rules.switch(service_identity("test"), "home1", enabled=True)
    while await gateway.metadata.dir_stats_rules.collect():
        pass
    gateway.clock.advance(60)
    counted = await listed(gateway, directory)
    assert counted != before
    assert await listed(gateway, directory) == counted
    assert told.unchanged() == [False, False]
    # Of files alone, and without sizes, all is as it was.
    for query in ("limit=2&" + SIX, "attributes=name"):
        assert await listed(gateway, directory, query) == await listed(gateway, directory, query)
    assert told.unchanged() == [False, True, False, True]


async def test_what_is_wanted_beside_columns_is_asked_for_each_time(
    gateway: GatewayTwin, directory: str, told: Told
) -> None:
    for query in ("attributes=acl", "attributes=xattr.x"):
        await listed(gateway, directory, query)
        await listed(gateway, directory, query)
    assert told.unchanged() == [False] * 4


def test_the_least_used_go_when_there_is_no_room() -> None:
    memory = ListingMemory(100_000)
    for name in "abcdef":
        memory.put(name, KeptListing("1", bytes(20_000)))
        memory.get("a")
    assert 80_000 < memory.size_bytes <= 100_000
    assert [memory.get(name) is not None for name in "abcdef"] == [True, False, False, True, True, True]
    for name in "abcdef":
        memory.drop(name)
    assert memory.size_bytes == 0


def test_one_answer_is_not_the_whole_memory_and_no_memory_keeps_nothing() -> None:
    memory = ListingMemory(100_000)
    memory.put("a", KeptListing("1", bytes(10)))
    memory.put("a", KeptListing("2", bytes(30_000)))
    assert memory.get("a") is None
    nothing = ListingMemory(0)
    nothing.put("a", KeptListing("1", b""))
    assert nothing.get("a") is None
