"""Attributes, mode, removal, lookup, links and tickets."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from runtime.http.file_ids import decode, encode, user_root
from tests.support.gateway import GatewayTwin

API = "/api/v3/oneprovider"
ROOT = user_root("u1")
USER_ROOT = encode(ROOT.space_id, ROOT.uuid)


@pytest.fixture(params=["application", "server"])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def errno(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["id"] == "posix"
    return str(answer.json()["error"]["details"]["errno"])


def error_id(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["id"])


async def test_a_bare_space_id_is_its_directory(gateway: GatewayTwin) -> None:
    told = (await gateway.http.get(API + "/data/home1")).json()
    assert (told["type"], told["parentFileId"], told["name"]) == ("DIR", None, "home")


async def test_a_selection_in_the_body_gives_exactly_that(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt", content=b"hello")
    answer = await gateway.http.request(
        "GET", f"{API}/data/{file}", json={"attributes": ["name", "xattr.none", "size", "path"]}
    )
    assert answer.json() == {"name": "a.txt", "xattr.none": None, "size": 5, "path": "/home/a.txt"}


async def test_a_selection_in_the_query_may_be_repeated(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(API + "/data/home1?attributes=name&attributes=type")
    assert answer.json() == {"name": "home", "type": "DIR"}
    assert (await gateway.http.get(API + "/data/home1?attribute=mode")).json() == {"mode": "775"}
    assert error_id(await gateway.http.get(API + "/data/home1?attribute=nope")) == "badValueNotAllowed"


async def test_xattrs_are_attributes_too(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    await gateway.http.put(f"{API}/data/{file}/metadata/xattrs", json={"k": [1]})
    answer = await gateway.http.get(f"{API}/data/{file}?attributes=xattr.k&attributes=hasCustomMetadata")
    assert answer.json() == {"xattr.k": [1], "hasCustomMetadata": True}


async def test_the_user_root_has_attributes(gateway: GatewayTwin) -> None:
    told = (await gateway.http.get(f"{API}/data/{USER_ROOT}")).json()
    assert (told["fileId"], told["type"], told["parentFileId"]) == (USER_ROOT, "DIR", None)
    for method in ("DELETE", "PUT"):
        answer = await gateway.http.request(method, f"{API}/data/{USER_ROOT}", json={"mode": "700"})
        assert errno(answer) == "eperm"


async def test_the_mode_is_changed_by_octal_text(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    assert (await gateway.http.put(f"{API}/data/{file}", json={"mode": "0640"})).status_code == 204
    answer = await gateway.http.get(f"{API}/data/{file}?attributes=posixPermissions")
    assert answer.json() == {"posixPermissions": "640"}


@pytest.mark.parametrize(
    ("body", "id"),
    [({"mode": "0493"}, "badValueInteger"), ({"mode": 640}, "badValueString"), ({}, "missingRequiredValue"),
     ({"mode": "7777"}, "badValueNotInRange"), ({"mode": None}, "missingRequiredValue")],
)  # fmt: skip
async def test_other_modes_are_refused(gateway: GatewayTwin, body: dict[str, object], id: str) -> None:
    assert error_id(await gateway.http.put(f"{API}/data/home1", json=body)) == id


async def test_only_the_owner_changes_the_mode(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    member = {"x-auth-token": "member"}
    answer = await gateway.http.put(f"{API}/data/{file}", json={"mode": "777"}, headers=member)
    assert errno(answer) in ("eacces", "eperm")


async def test_mode_000_is_eacces_not_403(gateway: GatewayTwin) -> None:
    directory = await gateway.make("secret", type="DIR", mode=0o700)
    answer = await gateway.http.get(f"{API}/data/{directory}/children", headers={"x-auth-token": "member"})
    assert errno(answer) == "eacces"


async def test_removal_takes_whole_trees(gateway: GatewayTwin) -> None:
    directory = await gateway.make("dir", type="DIR")
    file = await gateway.make("dir/a.txt")
    assert (await gateway.http.delete(f"{API}/data/{directory}")).status_code == 204
    assert errno(await gateway.http.get(f"{API}/data/{directory}")) == "enoent"
    assert errno(await gateway.http.get(f"{API}/data/{file}")) == "enoent"


async def test_removal_by_path_is_relative(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("dir/a b+c%.txt")
    path = f"{API}/data/home1/path/dir/{quote('a b+c%.txt')}"
    assert (await gateway.http.delete(path)).status_code == 204
    assert errno(await gateway.http.delete(path)) == "enoent"
    assert error_id(await gateway.http.delete(f"{API}/data/home1/path/a%00b")) == "badValueFilePath"


async def test_a_space_is_not_removed(gateway: GatewayTwin) -> None:
    assert errno(await gateway.http.delete(f"{API}/data/home1")) in ("eperm", "eacces")


@pytest.mark.parametrize("space", ["home", "home@home1"])
async def test_lookup_finds_by_name_and_by_name_with_id(gateway: GatewayTwin, space: str) -> None:
    await gateway.make("dir", type="DIR")
    file = await gateway.make("dir/a.txt")
    for path in ("dir/a.txt", "dir//a.txt/", "./dir/../dir/a.txt"):
        answer = await gateway.http.post(f"{API}/lookup-file-id/{space}/{path}")
        assert answer.json() == {"fileId": file}
    for path in ("", "/"):
        answer = await gateway.http.post(f"{API}/lookup-file-id/{space}{path}")
        assert answer.json() == {"fileId": encode("home1", "space_home1")}


async def test_lookup_of_nothing_is_the_user_root(gateway: GatewayTwin) -> None:
    for path in ("", "/"):
        assert (await gateway.http.post(f"{API}/lookup-file-id{path}")).json() == {"fileId": USER_ROOT}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("nope", "enoent"), ("home/nope", "enoent"), ("home@twin1", "enoent"), ("home/a.txt/x", "enotdir"),
     ("home/" + "x" * 256, "enametoolong"), ("home/a%2Fb", "einval")],
)  # fmt: skip
async def test_lookup_tells_why_not(gateway: GatewayTwin, path: str, expected: str) -> None:
    await gateway.make("a.txt")
    assert errno(await gateway.http.post(f"{API}/lookup-file-id/{path}")) == expected


async def test_lookup_refuses_impossible_paths(gateway: GatewayTwin) -> None:
    assert error_id(await gateway.http.post(f"{API}/lookup-file-id/home/a%00")) == "badValueFilePath"
    assert error_id(await gateway.http.post(f"{API}/lookup-file-id/away/x")) == "spaceNotSupportedBy"


NAMES = ["a b", "a+b", "a&b;c=d", "a@b", "a:b,c", "[a]", "a\\b", "'\"", "\x01\x1f\n\t", "żółw 🐢", "a%41",
         "#?", "~", "é", "e\u0301", ".hidden", "...", " ", "x" * 255]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_comes_back_byte_for_byte(gateway: GatewayTwin, name: str) -> None:
    file = await gateway.make("dir", type="DIR")
    answer = await gateway.http.put(
        f"/cdmi/home/dir/{quote(name, safe='')}",
        json={"value": "x"},
        headers={"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-object"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["objectName"] == name
    listed = await gateway.http.get(f"{API}/data/{file}/children?attributes=name&attributes=path")
    assert listed.json()["children"] == [{"name": name, "path": f"/home/dir/{name}"}]
    found = await gateway.http.post(f"{API}/lookup-file-id/home/dir/{quote(name, safe='')}")
    assert found.json()["fileId"] == answer.json()["objectID"]


async def test_symlinks_show_their_text(gateway: GatewayTwin) -> None:
    link = await gateway.make("link", type="SYMLNK", symlink_target="/to/żółw")
    answer = await gateway.http.get(f"{API}/data/{link}/symlink_value")
    assert (answer.text, answer.headers["content-type"]) == ("/to/żółw", "application/octet-stream")
    assert errno(await gateway.http.get(f"{API}/data/home1/symlink_value")) == "einval"


async def test_a_single_name_is_its_only_hard_link(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    other = await gateway.make("b.txt")
    assert (await gateway.http.get(f"{API}/data/{file}/hardlinks")).json() == [file]
    assert (await gateway.http.get(f"{API}/data/{file}/hardlinks/{file}")).status_code == 204
    assert (await gateway.http.get(f"{API}/data/{file}/hardlinks/{other}")).status_code == 404
    assert errno(await gateway.http.get(f"{API}/data/home1/hardlinks")) == "eisdir"
    assert error_id(await gateway.http.get(f"{API}/data/{file}/hardlinks?limit=0")) == "badValueTooLow"


async def test_all_names_of_a_file_are_told(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    target = decode(file)
    assert target is not None
    link = await gateway.make("l.txt", hard_link_target_id=target.uuid)
    for id in (file, link):
        assert (await gateway.http.get(f"{API}/data/{id}/hardlinks")).json() == [file, link]
        told = (await gateway.http.get(f"{API}/data/{id}")).json()
        assert (told["fileId"], told["type"], told["hardlinkCount"], told["hardlinks_count"]) == (
            id, "REG", 2, 2,
        )  # fmt: skip
    assert (await gateway.http.get(f"{API}/data/{link}/hardlinks?limit=1")).json() == [file]
    assert (await gateway.http.get(f"{API}/data/{file}/hardlinks/{link}")).status_code == 204
    listed = await gateway.http.get(f"{API}/data/home1/children?attributes=fileId&attributes=hardlinkCount")
    assert listed.json()["children"] == [{"fileId": id, "hardlinkCount": 2} for id in (file, link)]


async def test_tickets_lead_to_a_data_port(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt", content=b"hello")
    answer = await gateway.http.post(f"{API}/data/{file}/ticket", json={"method": "GET"})
    told = answer.json()
    assert told["url"].startswith("https://direct/ticket/GET-")
    assert told["url"].endswith("-5")
    assert told["expiresAt"] == gateway.clock.now_ms() // 1000 + 300
    bad = await gateway.http.post(f"{API}/data/{file}/ticket", json={"method": "DELETE"})
    assert error_id(bad) == "badValueNotAllowed"
    assert errno(await gateway.http.post(f"{API}/data/home1/ticket")) == "eisdir"


async def test_the_temporary_directory_has_an_id(gateway: GatewayTwin) -> None:
    lookup = f"{API}/lookup-file-id/home/.__onedata__tmp"
    found = (await gateway.http.post(lookup)).json()["fileId"]
    assert found == encode("home1", "tmp_home1")
    assert (await gateway.http.get(f"{API}/data/{found}/children")).json()["children"] == []
    assert errno(await gateway.http.post(f"{lookup}/x")) == "enoent"
