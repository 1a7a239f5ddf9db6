"""Zone and provider together: rights through groups, tokens narrowed and taken away, on every road."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.zone_rest import ZoneClient
from runtime.http.file_ids import decode
from runtime.macaroons import deserialize
from tests.support.folder import API, CLIENT, Folder, errno
from tests.support.load import until
from tests.support.stack import RunningStack
from tests.system.test_permissions import (
    ACL_ROADS,
    DELETING,
    METADATA_READING,
    METADATA_WRITING,
    READING,
    WRITING,
    Road,
    described,
)

ZONE = "/api/v3/onezone"
#: The zone promises 2 s; the rest is for a busy machine.
FELT_S = 10.0

CHANGING: Mapping[str, Road] = {
    **{f"write {name}": road for name, road in WRITING.items()},
    **{f"metadata {name}": road for name, road in METADATA_WRITING.items()},
    **{f"acl {name}": road for name, road in ACL_ROADS.items()},
    **{f"delete {name}": road for name, road in DELETING.items()},
}
LOOKING: Mapping[str, Road] = {
    **READING,
    **{f"metadata {name}": road for name, road in METADATA_READING.items()},
}


def made(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    new_id: str = answer.headers["location"].rpartition("/")[2]
    return new_id


@dataclass
class Stranger:
    """A user who is no member of anything yet."""

    user_id: str
    username: str
    token: str
    http: httpx.AsyncClient


@pytest.fixture
async def admin(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """The zone's administrator."""
    password = Path(stack.env["ISTHMUS_ADMIN_PASSWORD_FILE"]).read_text().strip()
    async with httpx.AsyncClient(
        base_url=stack.url, auth=("admin", password), verify=stack.tls(), timeout=60
    ) as http:
        yield http


@pytest.fixture
async def stranger(stack: RunningStack, admin: httpx.AsyncClient) -> AsyncIterator[Stranger]:
    name = f"u-{secrets.token_hex(6)}"
    body = {"username": name, "password": "password1"}
    user_id = made(await admin.post(f"{ZONE}/users", json=body))

    def token() -> str:
        with ZoneClient(stack.url, basic=(name, "password1"), ca_file=stack.ca_file) as zone:
            return zone.create_token("t1")[1]

    text = await asyncio.to_thread(token)
    async with stack.client(text) as http:
        yield Stranger(user_id, name, text, http)
    await admin.delete(f"{ZONE}/users/{user_id}")


async def felt(http: httpx.AsyncClient, url: str, status: int, *, in_a_row: int = 12) -> None:
    """Every instance comes to answer so: enough requests in a row meet them all."""
    good = 0

    async def is_so() -> bool:
        nonlocal good
        good = good + 1 if (await http.get(url)).status_code == status else 0
        return good >= in_a_row

    await until(is_so, FELT_S, f"{status} for {url}", 0.01)


async def test_two_users_walk_through_a_space_by_rights_of_their_groups(
    owner: httpx.AsyncClient, admin: httpx.AsyncClient, stranger: Stranger, folder: Folder
) -> None:
    id = await folder.put("a", b"hello", mode="666")
    content = f"{API}/data/{id}/content"
    assert (await stranger.http.get(content)).status_code == 401
    readers = made(await owner.post(f"{ZONE}/spaces/{folder.space_id}/groups", json={"name": "readers"}))
    team = made(await owner.post(f"{ZONE}/groups/{readers}/children", json={"name": "team"}))
    path = f"{ZONE}/spaces/{folder.space_id}/groups/{readers}"
    await owner.patch(f"{path}/privileges", json={"revoke": ["space_write_data"]})
    made(await admin.put(f"{ZONE}/groups/{team}/users/{stranger.user_id}"))
    await felt(stranger.http, content, 200)
    assert errno(await stranger.http.put(content, content=b"mine")) in ("eacces", "eperm")
    assert (await stranger.http.get(folder.cdmi("a"))).content == b"hello"
    await owner.patch(f"{path}/privileges", json={"grant": ["space_write_data"]})

    async def may_write() -> bool:
        return (await stranger.http.put(content, content=b"ours")).status_code == 204

    await until(may_write, FELT_S, "right to write")
    assert (await owner.get(content)).content == b"ours"
    assert (await owner.delete(f"{ZONE}/groups/{readers}/children/{team}")).status_code == 204
    await felt(stranger.http, content, 401)
    await owner.delete(f"{ZONE}/groups/{team}")
    await owner.delete(f"{ZONE}/groups/{readers}")


async def test_revoked_token_is_refused_on_every_road(
    owner: httpx.AsyncClient, stack: RunningStack, folder: Folder
) -> None:
    id = await described(folder)
    named = await owner.post(f"{ZONE}/user/tokens/named", json={"name": f"t-{secrets.token_hex(6)}"})
    token_id, token = named.json()["tokenId"], named.json()["token"]
    async with stack.client(token) as http:
        for name, road in LOOKING.items():
            assert (await road(http, folder, id)).status_code < 300, name
        await owner.patch(f"{ZONE}/tokens/named/{token_id}", json={"revoked": True})
        await felt(http, f"{API}/data/{id}/content", 401)
        await felt(http, f"{API}/data/{id}", 401)
        for name, road in {**LOOKING, **CHANGING}.items():
            answer = await road(http, folder, id)
            assert answer.status_code == 401, name
            assert answer.json()["error"]["details"]["authError"]["id"] == "tokenRevoked", name
    await owner.delete(f"{ZONE}/tokens/named/{token_id}")


async def test_blocked_user_is_shut_out_of_provider_and_zone(
    owner: httpx.AsyncClient, admin: httpx.AsyncClient, stranger: Stranger, folder: Folder
) -> None:
    made(await admin.put(f"{ZONE}/spaces/{folder.space_id}/users/{stranger.user_id}"))
    url = f"{API}/data/{folder.id}"
    await felt(stranger.http, url, 200)
    await admin.patch(f"{ZONE}/users/{stranger.user_id}/access_block", json={"blocked": True})
    await felt(stranger.http, url, 401)
    refused = (await stranger.http.get(f"{ZONE}/user")).json()["error"]["details"]["authError"]
    assert refused["id"] == "userBlocked"


async def confined(http: httpx.AsyncClient, stack: RunningStack, *caveats: dict[str, Any]) -> str:
    answer = await http.post(f"{ZONE}/tokens/confine", json={"token": stack.token, "caveats": list(caveats)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


@pytest.mark.parametrize("road", list(CHANGING))
async def test_readonly_token_changes_nothing_on_any_road(
    owner: httpx.AsyncClient, stack: RunningStack, folder: Folder, road: str
) -> None:
    id = await described(folder)
    async with stack.client(await confined(owner, stack, {"type": "data.readonly"})) as http:
        assert errno(await CHANGING[road](http, folder, id)) == "eacces"
        assert (await http.get(f"{API}/data/{id}/content")).content == b"xyz"


async def test_a_readonly_token_gets_no_ticket_to_write(
    owner: httpx.AsyncClient, guest: httpx.AsyncClient, stack: RunningStack, folder: Folder
) -> None:
    id = await folder.put("a", b"xyz")
    async with stack.client(await confined(owner, stack, {"type": "data.readonly"})) as http:
        reading = await http.post(f"{API}/data/{id}/ticket", json={"method": "GET"})
        writing = await http.post(f"{API}/data/{id}/ticket", json={"method": "PUT"})
    assert (await guest.get(reading.json()["url"])).content == b"xyz"
    assert errno(writing) == "eacces"
    assert (await folder.http.get(folder.cdmi("a"))).content == b"xyz"


def allowed(kind: str, folder: Folder, object_id: str) -> dict[str, Any]:
    """The caveat that leaves only `folder/in`."""
    if kind == "objectid":
        return {"type": "data.objectid", "whitelist": [object_id]}
    path = f"/{folder.space_id}/{folder.name}/in"
    return {"type": "data.path", "whitelist": [base64.b64encode(path.encode()).decode()]}


@pytest.mark.parametrize("kind", ["path", "objectid"])
async def test_token_for_a_directory_opens_nothing_beside_it(
    owner: httpx.AsyncClient, stack: RunningStack, folder: Folder, kind: str
) -> None:
    outside = await described(folder)
    inside = await folder.put("in/b", b"hello", create_parents="true")
    directory = (await folder.lookup("in")).json()["fileId"]
    token = await confined(owner, stack, allowed(kind, folder, directory))
    async with stack.client(token) as http:
        assert (await http.get(f"{API}/data/{inside}/content")).content == b"hello"
        assert (await http.get(folder.cdmi("in/b"))).content == b"hello"
        assert (await http.put(f"{API}/data/{inside}/content", content=b"changed")).status_code == 204
        for name, road in {**LOOKING, **CHANGING}.items():
            assert errno(await road(http, folder, outside)) == "eacces", name
        beside = f"{API}/data/{stack.space_id}/path/{folder.name}/new?type=REG"
        assert errno(await http.put(beside, headers=CLIENT)) == "eacces"
        listed = (await http.get(f"{API}/data/{folder.id}/children")).json()["children"]
        assert [decode(each["file_id"]) for each in listed] == [decode(directory)]
    assert (await folder.http.get(folder.cdmi("a"))).content == b"xyz"


async def test_caveats_of_several_steps_all_hold(
    owner: httpx.AsyncClient, stack: RunningStack, folder: Folder
) -> None:
    await folder.put("in/b", b"hello", create_parents="true")
    await folder.put("out", b"secret")
    directory = (await folder.lookup("in")).json()["fileId"]
    wide = await confined(owner, stack, allowed("path", folder, directory), {"type": "data.readonly"})
    elsewhere = base64.b64encode(f"/{folder.space_id}/{folder.name}/out".encode()).decode()
    nothing_left = await owner.post(
        f"{ZONE}/tokens/confine",
        json={"token": wide, "caveats": [{"type": "data.path", "whitelist": [elsewhere]}]},
    )
    assert len(deserialize(nothing_left.json()["token"]).caveats) == 3
    async with stack.client(nothing_left.json()["token"]) as http:
        for path in ("in/b", "out"):
            assert errno(await http.get(folder.cdmi(path))) == "eacces", path


async def test_confined_token_reaches_little_at_the_zone(
    owner: httpx.AsyncClient, stack: RunningStack
) -> None:
    async with stack.client(await confined(owner, stack, {"type": "data.readonly"})) as http:
        assert (await http.get(f"{ZONE}/user")).status_code == 200
        assert (await http.get(f"{ZONE}/spaces/{stack.space_id}")).status_code == 200
        for path in ("/user/spaces", "/user/effective_groups", f"/spaces/{stack.space_id}/users"):
            answer = await http.get(ZONE + path)
            assert answer.status_code == 401, path
            assert answer.json()["error"]["details"]["authError"]["id"] == "tokenCaveatUnverified"


async def test_shares_lead_from_the_zone_to_the_provider(guest: httpx.AsyncClient) -> None:
    answer = await guest.get(f"{ZONE}/shares/data/00/children")
    assert (answer.status_code, answer.json()["error"]["id"]) == (400, "badData")
