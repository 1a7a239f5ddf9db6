"""Shares through the front door: a manager, a plain member, and guests who read by the ids alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.folder import API, CLIENT, Folder, errno, error
from tests.support.stack import RunningStack


@pytest.fixture
async def shared(folder: Folder) -> AsyncIterator[dict[str, str]]:
    """A shared directory with a file and a closed file, as the zone and we tell of it."""
    await folder.put("pub/a.txt", b"0123456789", create_parents="true")
    await folder.put("pub/closed", b"secret", mode="660")
    directory = (await folder.lookup("pub")).json()["fileId"]
    made = await folder.http.post(f"{API}/shares", json={"name": "results", "rootFileId": directory})
    assert made.status_code == 201, made.text
    share_id = made.json()["shareId"]
    yield (await folder.http.get(f"{API}/shares/{share_id}")).json()
    await folder.http.delete(f"{API}/shares/{share_id}")


async def children(guest: httpx.AsyncClient, root: str) -> dict[str, str]:
    """Ids by name."""
    answer = await guest.get(f"{API}/data/{root}/children")
    assert answer.status_code == 200, answer.text
    return {child["name"]: child["fileId"] for child in answer.json()["children"]}


async def test_guests_read_what_is_shared(guest: httpx.AsyncClient, shared: dict[str, str]) -> None:
    told = (await guest.get(f"{API}/data/{shared['rootFileId']}")).json()
    assert (told["posixPermissions"], told["parentFileId"]) == ("005", None)
    found = await children(guest, shared["rootFileId"])
    content = await guest.get(f"{API}/data/{found['a.txt']}/content", headers={"range": "bytes=2-4"})
    assert (content.status_code, content.content) == (206, b"234")


async def test_the_bits_of_others_count_for_content(
    guest: httpx.AsyncClient, owner: httpx.AsyncClient, shared: dict[str, str]
) -> None:
    found = await children(guest, shared["rootFileId"])
    for client in (guest, owner):
        assert errno(await client.get(f"{API}/data/{found['closed']}/content")) == "eacces"


async def test_nothing_can_be_written(guest: httpx.AsyncClient, shared: dict[str, str]) -> None:
    root = shared["rootFileId"]
    file = (await children(guest, root))["a.txt"]
    refused = [
        await guest.put(f"{API}/data/{file}/content", content=b"x"),
        await guest.post(f"{API}/data/{root}/children?name=x", content=b"x"),
        await guest.put(f"{API}/data/{root}/path/x", content=b"x"),
        await guest.get(f"{API}/data/{root}/path/a.txt"),
        await guest.delete(f"{API}/data/{file}"),
        await guest.put(f"{API}/data/{file}", json={"mode": "777"}),
    ]
    assert [error(answer) for answer in refused] == [(400, "notSupported", None)] * len(refused)


async def test_an_ended_share_leads_nowhere(
    owner: httpx.AsyncClient, guest: httpx.AsyncClient, shared: dict[str, str]
) -> None:
    file = (await children(guest, shared["rootFileId"]))["a.txt"]
    assert (await owner.delete(f"{API}/shares/{shared['shareId']}")).status_code == 204
    for path in ("", "/content"):
        assert errno(await guest.get(f"{API}/data/{file}{path}")) == "enoent"
    assert error(await owner.get(f"{API}/shares/{shared['shareId']}")) == (404, "notFound", None)


async def test_only_managers_end_or_rename(
    owner: httpx.AsyncClient, member: httpx.AsyncClient, shared: dict[str, str]
) -> None:
    path = f"{API}/shares/{shared['shareId']}"
    assert (await member.get(path)).json()["name"] == "results"
    assert errno(await member.delete(path)) == "eperm"
    assert error(await member.patch(path, json={"name": "mine"})) == (403, "forbidden", None)
    assert (await owner.patch(path, json={"name": "renamed"})).status_code == 204
    assert (await owner.get(path)).json()["name"] == "renamed"


async def test_a_bad_token_is_refused_even_here(stack: RunningStack, shared: dict[str, str]) -> None:
    async with stack.client("bad") as stranger:
        for path in ("", "/content", "/children"):
            answer = await stranger.get(f"{API}/data/{shared['rootFileId']}{path}")
            assert error(answer)[:2] == (401, "unauthorized")


async def test_spaces_of_a_user_are_listed(stack: RunningStack, member: httpx.AsyncClient) -> None:
    listed = (await member.get(f"{API}/spaces", headers=CLIENT)).json()
    told = (await member.get(f"{API}/spaces/{stack.space_id}")).json()
    assert told in listed
    assert told["name"] == stack.space
    assert [each["providerId"] for each in told["providers"]] == [stack.env["ISTHMUS_PROVIDER_ID"]]
