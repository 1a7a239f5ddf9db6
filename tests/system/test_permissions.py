"""Who may do what: the owner of a space and a plain member, on every road to a file."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from clients.zone_rest import ZoneClient
from runtime.http.file_ids import encode
from tests.support.folder import API, OBJECT, Folder, V, errno
from tests.support.load import until
from tests.support.own_space import make_space
from tests.support.stack import RunningStack

ZONE = "/api/v3/onezone"
#: How long a changed privilege or membership may take to be felt.
FELT_S = 15.0

Road = Callable[[httpx.AsyncClient, Folder, str], Awaitable[httpx.Response]]


def entry(mask: str, identifier: str, type: str = "ALLOW", flags: str = "NO_FLAGS") -> dict[str, str]:
    return {"acetype": type, "identifier": identifier, "aceflags": flags, "acemask": mask}


async def set_acl(http: httpx.AsyncClient, id: str, *entries: dict[str, str]) -> httpx.Response:
    return await http.put(f"{API}/data/{id}/metadata/xattrs", json={"cdmi_acl": list(entries)})


async def user_id(http: httpx.AsyncClient) -> str:
    return str((await http.get(f"{ZONE}/user")).json()["userId"])


def by_id(method: str, tail: str, **options: object) -> Road:
    async def take(http: httpx.AsyncClient, folder: Folder, id: str) -> httpx.Response:
        return await http.request(method, f"{API}/data/{id}{tail}", **options)  # type: ignore[arg-type]

    return take


def by_path(method: str, **options: object) -> Road:
    async def take(http: httpx.AsyncClient, folder: Folder, id: str) -> httpx.Response:
        url = f"{API}/data/{folder.space_id}/path/{folder.name}/a"
        return await http.request(method, url, **options)  # type: ignore[arg-type]

    return take


def by_cdmi(method: str, **options: object) -> Road:
    async def take(http: httpx.AsyncClient, folder: Folder, id: str) -> httpx.Response:
        return await http.request(method, folder.cdmi("a"), **options)  # type: ignore[arg-type]

    return take


READING: dict[str, Road] = {
    "REST content": by_id("GET", "/content"),
    "REST range": by_id("GET", "/content", headers={"range": "bytes=0-1"}),
    "REST path": by_path("GET"),
    "ticket": by_id("POST", "/ticket", json={"method": "GET"}),
    "CDMI": by_cdmi("GET", headers=V),
    "CDMI plain": by_cdmi("GET"),
}
WRITING: dict[str, Road] = {
    "REST content": by_id("PUT", "/content", content=b"y"),
    "REST offset": by_id("PUT", "/content?offset=1", content=b"y"),
    "CDMI": by_cdmi("PUT", json={"value": "y"}, headers=OBJECT),
    "CDMI plain": by_cdmi("PUT", content=b"y"),
    "ticket": by_id("POST", "/ticket", json={"method": "PUT"}),
}
METADATA_READING: dict[str, Road] = {
    "xattrs": by_id("GET", "/metadata/xattrs"),
    "xattr attribute": by_id("GET", "", json={"attributes": ["xattr.k"]}),
    "inherited": by_id("GET", "/metadata/xattrs?inherited=true"),
    "json": by_id("GET", "/metadata/json"),
    "rdf": by_id("GET", "/metadata/rdf"),
}
METADATA_WRITING: dict[str, Road] = {
    "xattrs": by_id("PUT", "/metadata/xattrs", json={"k": 2}),
    "remove": by_id("DELETE", "/metadata/xattrs", json={"keys": ["k"]}),
    "json": by_id("PUT", "/metadata/json", json={"k": 2}),
    "json place": by_id("PUT", "/metadata/json?filter_type=keypath&filter=k", json=2),
    "remove json": by_id("DELETE", "/metadata/json"),
    "rdf": by_id("PUT", "/metadata/rdf", content=b"<y/>", headers={"content-type": "application/rdf+xml"}),
    "remove rdf": by_id("DELETE", "/metadata/rdf"),
}
ACL_ROADS: dict[str, Road] = {
    "set": by_id("PUT", "/metadata/xattrs", json={"cdmi_acl": []}),
    "remove": by_id("DELETE", "/metadata/xattrs", json={"keys": ["cdmi_acl"]}),
}
DELETING: dict[str, Road] = {
    "REST": by_id("DELETE", ""),
    "REST path": by_path("DELETE"),
    "CDMI": by_cdmi("DELETE", headers=V),
    "CDMI plain": by_cdmi("DELETE"),
}


async def described(folder: Folder, **query: str) -> str:
    """A file `a` of the owner's with content and metadata of every kind."""
    id = await folder.put("a", b"xyz", **query)
    url = f"{API}/data/{id}/metadata"
    rdf = {"content-type": "application/rdf+xml"}
    for answer in (
        await folder.http.put(f"{url}/xattrs", json={"k": 1}),
        await folder.http.put(f"{url}/json", json={"k": 1}),
        await folder.http.put(f"{url}/rdf", content=b"<x/>", headers=rdf),
    ):
        assert answer.status_code == 204, answer.text
    return id


async def refused(roads: dict[str, Road], http: httpx.AsyncClient, folder: Folder, id: str) -> dict[str, str]:
    """Road by road what is answered: an errno, or `ok`."""
    answers = {name: await road(http, folder, id) for name, road in roads.items()}
    return {name: "ok" if each.is_success else errno(each) for name, each in answers.items()}


@pytest.mark.parametrize(
    ("mode", "roads", "outcome"),
    [
        ("600", READING, "eacces"),
        ("640", READING, "ok"),
        ("640", WRITING, "eacces"),
        ("660", WRITING, "ok"),
        ("620", METADATA_READING, "eacces"),
        ("640", METADATA_READING, "ok"),
        ("640", METADATA_WRITING, "eacces"),
        ("660", METADATA_WRITING, "ok"),
        ("666", ACL_ROADS, "eacces"),
        ("000", DELETING, "ok"),
    ],
)
async def test_the_mode_decides_on_every_road(
    folder: Folder, member: httpx.AsyncClient, mode: str, roads: dict[str, Road], outcome: str
) -> None:
    for name, road in roads.items():
        id = await described(folder, mode=mode)
        told = await refused({name: road}, member, folder, id)
        assert told == {name: outcome}
        await folder.http.delete(f"{API}/data/{id}")


@pytest.mark.parametrize(
    ("mask", "roads"),
    [
        ("READ_OBJECT", READING),
        ("WRITE_OBJECT", WRITING),
        ("READ_METADATA", METADATA_READING),
        ("WRITE_METADATA", METADATA_WRITING),
        ("WRITE_ACL", ACL_ROADS),
        ("DELETE", DELETING),
    ],
)
async def test_an_acl_decides_on_every_road(
    folder: Folder, member: httpx.AsyncClient, mask: str, roads: dict[str, Road]
) -> None:
    # CDMI reads the type and the system's items besides.
    reads = "READ_ATTRIBUTES,READ_METADATA,READ_ACL" if roads is READING else ""
    extra = f",{reads}" if reads else ""
    everything, id = "0x7019B", await described(folder)
    who = await user_id(member)
    deny = (entry(mask, who, "DENY"), entry(everything, "EVERYONE@"))
    assert (await set_acl(folder.http, id, *deny)).status_code == 204
    assert set((await refused(roads, member, folder, id)).values()) == {"eacces"}
    for name, road in roads.items():
        id = (await folder.lookup("a")).json().get("fileId") or await described(folder)
        assert (await set_acl(folder.http, id, entry(f"{mask}{extra}", who))).status_code == 204
        told = await refused({name: road}, member, folder, id)
        assert told == {name: "ok"}


async def test_the_order_of_entries_decides(folder: Folder, member: httpx.AsyncClient) -> None:
    id, read = await folder.put("a", b"x"), READING["REST content"]
    allow, deny = entry("READ_OBJECT", "GROUP@"), entry("READ_OBJECT", await user_id(member), "DENY")
    for acl, outcome in (((allow, deny), "ok"), ((deny, allow), "eacces"), ((deny,), "eacces")):
        await set_acl(folder.http, id, *acl)
        assert await refused({"": read}, member, folder, id) == {"": outcome}
    await set_acl(folder.http, id)
    assert await refused({"": read}, member, folder, id) == {"": "ok"}


async def test_an_acl_tells_the_names_of_members(folder: Folder, member: httpx.AsyncClient) -> None:
    id, user = await folder.put("a", b"x"), (await member.get(f"{ZONE}/user")).json()
    await set_acl(folder.http, id, entry("READ_OBJECT", f"somebody#{user['userId']}"))
    url = f"{API}/data/{id}/metadata/xattrs?attribute=cdmi_acl"
    (told,) = (await folder.http.get(url)).json()["cdmi_acl"]
    assert told["identifier"] == f"{user['fullName']}#{user['userId']}"


async def test_the_owner_of_a_file_is_meant_by_name(folder: Folder, member: httpx.AsyncClient) -> None:
    made = await member.put(f"{API}/data/{folder.space_id}/path/{folder.name}/mine", content=b"x")
    id = made.json()["fileId"]
    assert (await set_acl(member, id, entry("READ_OBJECT,WRITE_ACL", "OWNER@"))).status_code == 204
    assert (await member.get(f"{API}/data/{id}/content")).content == b"x"
    assert errno(await member.put(f"{API}/data/{id}/content", content=b"y")) == "eacces"
    assert (await set_acl(member, id)).status_code == 204
    assert (await member.put(f"{API}/data/{id}/content", content=b"y")).status_code == 204


async def test_a_closed_directory_hides_what_is_in_it(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.create("shut", type="DIR", mode="700")
    id = await folder.put("shut/a", b"x", mode="666")
    for answer in (
        await member.get(f"{API}/data/{id}"),
        await member.get(f"{API}/data/{id}/content"),
        await member.get(f"{API}/data/{id}/metadata/xattrs"),
        await member.get(folder.cdmi("shut/a")),
        await member.get(folder.cdmi("shut/nothing")),
        await member.post(f"{API}/lookup-file-id/{folder.path('shut/a')}"),
    ):
        assert errno(answer) == "eacces"


async def test_in_a_sticky_directory_a_member_deletes_only_what_is_his(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    await folder.create("d", type="DIR", mode="1777")
    theirs = await folder.put("d/theirs", b"x", mode="666")
    url = f"{API}/data/{folder.space_id}/path/{folder.name}/d/mine"
    mine = (await member.put(url, content=b"x")).json()["fileId"]
    assert errno(await member.delete(f"{API}/data/{theirs}")) == "eacces"
    assert (await member.delete(f"{API}/data/{mine}")).status_code == 204


async def test_only_owners_change_the_mode(folder: Folder, member: httpx.AsyncClient) -> None:
    id = await folder.put("a", b"x", mode="666")
    assert errno(await member.put(f"{API}/data/{id}", json={"mode": "600"})) == "eacces"
    assert (await folder.http.put(f"{API}/data/{id}", json={"mode": "600"})).status_code == 204


@pytest.fixture
async def own(
    stack: RunningStack, owner: httpx.AsyncClient, member: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Folder]:
    """A folder in a space of its own, which the member has joined."""
    mount_point = tmp_path / "storage"
    mount_point.mkdir()
    space = (await make_space(stack, mount_point)).account
    invitation = (await owner.post(f"{ZONE}/spaces/{space.space_id}/users/token")).json()["token"]
    assert (await member.post(f"{ZONE}/user/spaces/join", json={"token": invitation})).status_code == 201
    folder = Folder(owner, space.space, space.space_id, f"test-{secrets.token_hex(6)}")
    await folder.make()

    async def is_member() -> bool:
        return (await member.get(f"{API}/data/{folder.id}")).is_success

    await until(is_member, FELT_S, "membership of the space", 0.2)
    yield folder
    await folder.remove()


@pytest.mark.parametrize(
    ("privilege", "forbidden", "allowed"),
    [
        ("space_write_data", (WRITING, METADATA_WRITING, ACL_ROADS, DELETING), (READING, METADATA_READING)),
        ("space_read_data", (READING, METADATA_READING), (WRITING,)),
    ],
)
async def test_a_missing_privilege_is_eperm_on_every_road(
    own: Folder,
    member: httpx.AsyncClient,
    privilege: str,
    forbidden: tuple[dict[str, Road], ...],
    allowed: tuple[dict[str, Road], ...],
) -> None:
    id = await described(own, mode="666")
    who = await user_id(member)
    change = {"grant": [], "revoke": [privilege]}
    url = f"{ZONE}/spaces/{own.space_id}/users/{who}/privileges"
    assert (await own.http.patch(url, json=change)).status_code == 204
    # One at the data ports and one at the gateways.
    probes = [next(iter(roads.values())) for roads in forbidden[:2]]

    async def is_felt() -> bool:
        # Each of them keeps a verdict for a short while: asked often, all of them answer.
        answers = await asyncio.gather(*(probe(member, own, id) for probe in probes for _ in range(8)))
        return not any(answer.is_success for answer in answers)

    await until(is_felt, FELT_S, f"the loss of {privilege}", 0.2)
    for roads in forbidden:
        assert set((await refused(roads, member, own, id)).values()) == {"eperm"}
    for roads in allowed:
        assert set((await refused(roads, member, own, id)).values()) == {"ok"}


async def test_an_acl_knows_groups(own: Folder, member: httpx.AsyncClient) -> None:
    id = await own.put("a", b"x")
    group_id = (
        (await member.post(f"{ZONE}/user/groups", json={"name": "readers"}))
        .headers["location"]
        .rpartition("/")[2]
    )
    await set_acl(own.http, id, entry("READ_OBJECT", f"Readers#{group_id}", flags="IDENTIFIER_GROUP"))
    read = READING["REST content"]

    async def may_read() -> bool:
        return (await read(member, own, id)).is_success

    await until(may_read, FELT_S, "the group of the member", 0.2)
    await set_acl(own.http, id, entry("READ_OBJECT", group_id))
    assert errno(await read(member, own, id)) == "eacces"


async def test_who_is_no_member_is_forbidden_whatever_is_there(
    stack: RunningStack, member: httpx.AsyncClient
) -> None:
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        space_id = zone.create_space(f"space-{secrets.token_hex(4)}")
    for uuid in (f"space_{space_id}", "0123456789abcdef"):
        answer = await member.get(f"{API}/data/{encode(space_id, uuid)}")
        assert (answer.status_code, answer.json()["error"]["id"]) == (403, "forbidden")
