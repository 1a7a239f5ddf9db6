"""The REST API through the front door: the acceptance vectors, and what Onedata's clients rely on."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import httpx
import pytest

from runtime.http.file_ids import encode
from tests.support.folder import API, CLIENT, Folder, errno, error
from tests.support.stack import RunningStack

DEFAULTS = {
    "fileId", "parentFileId", "name", "posixPermissions", "atime", "mtime", "ctime", "type", "size",
    "directShareIds", "index", "displayUid", "displayGid", "ownerUserId", "originProviderId", "hardlinkCount",
    "file_id", "parent_id", "mode", "shares", "storage_user_id", "storage_group_id", "owner_id",
    "provider_id", "hardlinks_count",
}  # fmt: skip


async def test_gibberish_is_a_space_not_supported(stack: RunningStack, owner: httpx.AsyncClient) -> None:
    answer = await owner.get(API + "/data/NOT_AN_ID")
    provider = stack.env["ISTHMUS_PROVIDER_ID"]
    assert error(answer) == (400, "spaceNotSupportedBy", {"spaceId": "NOT_AN_ID", "providerId": provider})


async def test_a_bare_space_id_is_its_directory(stack: RunningStack, owner: httpx.AsyncClient) -> None:
    told = (await owner.get(f"{API}/data/{stack.space_id}")).json()
    assert (told["parentFileId"], told["type"], told["name"]) == (None, "DIR", stack.space)
    assert told.keys() == DEFAULTS


async def test_a_selection_gives_exactly_that(folder: Folder) -> None:
    assert await folder.attributes(folder.id, "name", "xattr.none") == {
        "name": folder.name,
        "xattr.none": None,
    }


async def test_creation_by_path_as_the_clients_do_it(folder: Folder) -> None:
    assert (await folder.create("a/b.txt", type="REG", create_parents="true")).status_code == 201
    assert errno(await folder.create("a/b.txt", type="REG", create_parents="true")) == "eexist"
    assert errno(await folder.create("missing/b.txt", type="REG")) == "enoent"
    assert errno(await folder.create("a/b.txt/c", type="REG", create_parents="true")) == "enotdir"


async def test_offsets_keep_what_they_do_not_write(folder: Folder) -> None:
    id = await folder.put("a", b"0123456789")
    for query, size in (("?offset=0", 10), ("", 3)):
        answer = await folder.http.put(f"{API}/data/{id}/content{query}", content=b"abc")
        assert answer.status_code == 204
        assert await folder.attributes(id, "size") == {"size": size}


@pytest.mark.parametrize(
    ("wanted", "status", "told"),
    [
        ("bytes=5-", 206, "bytes 5-9/10"),
        ("bytes=0-99", 206, "bytes 0-9/10"),
        ("bytes=10-12", 416, "bytes */10"),
        ("bytes=-3", 206, "bytes 7-9/10"),
        ("bytes=0--1", 416, "bytes */10"),
        ("unicorns", 416, "bytes */10"),
    ],
)
async def test_ranges_are_cut_or_refused(folder: Folder, wanted: str, status: int, told: str) -> None:
    id = await folder.put("a", b"0123456789")
    answer = await folder.http.get(f"{API}/data/{id}/content", headers={"range": wanted})
    assert (answer.status_code, answer.headers["content-range"]) == (status, told)
    assert answer.content == (b"" if status == 416 else answer.content)


async def test_pages_end_with_is_last_only(folder: Folder) -> None:
    await asyncio.gather(*(folder.create(name, type="REG") for name in "abc"))
    url = f"{API}/data/{folder.id}/children"
    first = (await folder.http.request("GET", url + "?limit=2", json={"attributes": ["name", "type"]})).json()
    assert first["children"] == [{"name": "a", "type": "REG"}, {"name": "b", "type": "REG"}]
    assert first["isLast"] is False
    second = (await folder.http.get(f"{url}?limit=2&token={first['nextPageToken']}")).json()
    assert ([child["name"] for child in second["children"]], second["isLast"]) == (["c"], True)
    assert isinstance(second["nextPageToken"], str)


async def test_other_types_are_415_only_with_a_body(folder: Folder) -> None:
    headers = {"content-type": "text/plain"}
    answer = await folder.http.put(f"{API}/data/{folder.id}", content=b'{"mode": "700"}', headers=headers)
    assert (answer.status_code, answer.content) == (415, b"")
    bodiless = await folder.http.put(f"{API}/data/{folder.id}", headers=headers)
    assert error(bodiless) == (400, "missingRequiredValue", {"key": "mode"})


async def test_callers_are_told_apart(
    folder: Folder, guest: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    url = f"{API}/data/{folder.id}"
    assert error(await guest.get(url)) == (401, "unauthorized", None)
    for token in ("nonsense", "", "x" * 5000):
        status, id, details = error(await guest.get(url, headers={"x-auth-token": token}))
        assert (status, id) == (401, "unauthorized")
        assert isinstance(details, dict)
        assert details["authError"]["id"] in ("badToken", "tokenInvalid")
    secret = await folder.put("secret", b"x", mode="000")
    assert errno(await member.get(f"{API}/data/{secret}/content")) == "eacces"
    elsewhere = encode("0" * 32, "nothing")
    assert error(await member.get(f"{API}/data/{elsewhere}")) == (403, "forbidden", None)


async def test_deleted_files_are_enoent(folder: Folder) -> None:
    id = await folder.put("a", b"x")
    assert (await folder.http.delete(f"{API}/data/{id}")).status_code == 204
    assert errno(await folder.http.get(f"{API}/data/{id}")) == "enoent"
    assert errno(await folder.lookup("a")) == "enoent"


async def test_xattrs_as_in_the_vectors(folder: Folder) -> None:
    url = f"{API}/data/{await folder.put('a', b'x')}/metadata/xattrs"
    assert (await folder.http.get(url, headers=CLIENT)).json() == {}
    assert (await folder.http.put(url, json={"a": {"b": [1]}})).status_code == 204
    assert error(await folder.http.request("DELETE", url, json={"keys": "a"}))[1:] == (
        "badValueListOfStrings", {"key": "keys"},
    )  # fmt: skip
    assert error(await folder.http.request("DELETE", url, json={}))[1:] == (
        "missingRequiredValue", {"key": "keys"},
    )  # fmt: skip
    assert (await folder.http.request("DELETE", url, json={"keys": ["nope"]})).status_code == 204
    assert (await folder.http.get(url)).json() == {"a": {"b": [1]}}


async def test_the_move_of_the_clients_keeps_the_id(stack: RunningStack, folder: Folder) -> None:
    id = await folder.put("a", b"hello")
    space = f"{stack.space}@{stack.space_id}"
    answer = await folder.http.put(
        f"/cdmi/{space}/{folder.name}/moved",
        json={"move": f"{space}/{folder.name}/a"},
        headers={"X-CDMI-Specification-Version": "1.1.1", "Content-type": "application/cdmi-object"},
    )
    assert answer.status_code == 201, answer.text
    assert (await folder.lookup("moved")).json() == {"fileId": id}
    assert (await folder.http.get(f"{API}/data/{id}/content")).content == b"hello"


async def test_lookup_takes_every_form(stack: RunningStack, folder: Folder) -> None:
    id = await folder.put("dir/a", b"x", create_parents="true")
    for space in (stack.space, f"{stack.space}@{stack.space_id}"):
        for path in (f"{folder.name}/dir/a", f"{folder.name}//dir/a", f"{folder.name}/dir/a/"):
            answer = await folder.http.post(f"{API}/lookup-file-id/{space}/{path}", headers=CLIENT)
            assert answer.json() == {"fileId": id}
        answer = await folder.http.post(f"{API}/lookup-file-id/{space}/")
        assert answer.json() == {"fileId": encode(stack.space_id, f"space_{stack.space_id}")}
    assert errno(await folder.http.post(f"{API}/lookup-file-id/{stack.space}@nope/")) == "enoent"
    assert errno(await folder.http.post(f"{API}/lookup-file-id/no-such-space/")) == "enoent"
    assert errno(await folder.lookup("dir/a/b")) == "enotdir"


NAMES = [
    "a b", "a+b", "a&b", "a;b", "a=b", "a@b", "a:b", "a,b", "a[b", "a\\b", "'", '"', "\x01", "a\nb", "\x7f",
    "żółw 🐢", "e\u0301", "#", "?", "a%41", "%", "...", ".hidden", "-", "~", "ż" * 127,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_names_come_back_byte_for_byte(folder: Folder, name: str) -> None:
    id = await folder.put(name, b"content")
    assert (await folder.lookup(name)).json() == {"fileId": id}
    assert await folder.attributes(id, "name", "path") == {
        "name": name, "path": f"/{folder.space}/{folder.name}/{name}",
    }  # fmt: skip
    listed = (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"]
    assert [child["name"] for child in listed] == [name]
    by_path = await folder.http.get(f"{API}/data/{folder.id}/path/{quote(name, safe='')}")
    assert by_path.content == b"content"
    assert (await folder.http.get(folder.cdmi(name))).content == b"content"


async def test_names_have_at_most_255_bytes(folder: Folder) -> None:
    assert (await folder.create("x" * 255, type="REG")).status_code == 201
    for name in ("x" * 256, "ż" * 128):
        assert errno(await folder.create(name, type="REG")) in ("enametoolong", "einval")


@pytest.mark.parametrize("name", ["a%00b", "%00", "%FF", "%C5"])
async def test_impossible_names_are_refused(folder: Folder, name: str) -> None:
    for method, url in (
        ("POST", f"{API}/lookup-file-id/{folder.path()}/{name}"),
        ("PUT", f"{API}/data/{folder.id}/path/{name}?type=REG"),
        ("DELETE", f"{API}/data/{folder.id}/path/{name}"),
    ):
        answer = await folder.http.request(method, url, headers=CLIENT)
        assert error(answer) == (400, "badValueFilePath", None)


async def test_an_encoded_slash_is_no_separator(folder: Folder) -> None:
    await folder.put("a/b", b"x", create_parents="true")
    for method, url in (
        ("POST", f"{API}/lookup-file-id/{folder.path()}/a%2Fb"),
        ("PUT", f"{API}/data/{folder.id}/path/a%2Fb?type=REG"),
    ):
        assert errno(await folder.http.request(method, url, headers=CLIENT)) == "einval"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 10_000, b'{"a":' * 10_000])
async def test_malformed_json_is_told_as_such(folder: Folder, body: bytes) -> None:
    for method in ("GET", "PUT"):
        answer = await folder.http.request(method, f"{API}/data/{folder.id}", content=body, headers=CLIENT)
        assert error(answer) == (400, "malformedData", None)


async def test_what_one_call_confirmed_the_next_sees(stack: RunningStack, folder: Folder) -> None:
    clients = [stack.client() for _ in range(4)]
    try:
        for number in range(20):
            id = await folder.put(f"f{number}", b"x")
            for client in clients:
                assert (await client.get(f"{API}/data/{id}")).status_code == 200
            await folder.http.put(f"{API}/data/{id}", json={"mode": "600"})
            for client in clients:
                answer = await client.get(f"{API}/data/{id}?attributes=posixPermissions")
                assert answer.json() == {"posixPermissions": "600"}
    finally:
        for client in clients:
            await client.aclose()


async def test_parents_are_made_in_parallel(folder: Folder) -> None:
    answers = await asyncio.gather(
        *(folder.create(f"a/b/c/f{number}", type="REG", create_parents="true") for number in range(20))
    )
    assert {answer.status_code for answer in answers} == {201}


async def test_a_directory_goes_at_once_with_all_in_it(folder: Folder) -> None:
    id = await folder.put("dir/sub/a", b"x", create_parents="true")
    directory = (await folder.lookup("dir")).json()["fileId"]
    assert (await folder.http.delete(f"{API}/data/{directory}")).status_code == 204
    assert errno(await folder.http.get(f"{API}/data/{id}/content")) == "enoent"
    assert (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"] == []


async def test_provider_pages_are_public(stack: RunningStack, guest: httpx.AsyncClient) -> None:
    told = (await guest.get(API + "/configuration")).json()
    assert (told["providerId"], told["version"]) == (stack.env["ISTHMUS_PROVIDER_ID"], "21.02.8")
    assert (await guest.get("/configuration")).json() == told
    assert (await guest.get(API + "/health")).json() == {"status": "healthy"}
    assert (await guest.get(API + "/test_image")).headers["content-type"] == "image/png"
    assert "<healthdata" in (await guest.get("/nagios")).text
    assert (await guest.get("/nagios/oz_connectivity")).json() == {"status": "ok"}
    assert API + "/data/{id}" in (await guest.get("/openapi.json")).json()["paths"]


async def test_tickets_open_the_direct_road(folder: Folder, guest: httpx.AsyncClient) -> None:
    id = await folder.put("a", b"hello")
    told = (await folder.http.post(f"{API}/data/{id}/ticket", json={"method": "GET"})).json()
    assert (await guest.get(told["url"])).content == b"hello"
    told = (await folder.http.post(f"{API}/data/{id}/ticket", json={"method": "PUT"})).json()
    assert (await guest.put(told["url"], content=b"changed")).is_success
    assert (await folder.http.get(f"{API}/data/{id}/content")).content == b"changed"
