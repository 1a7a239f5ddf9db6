"""ACLs over REST: written as `cdmi_acl`, told as that and as the attribute `acl`."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_rest_files import API, errno


def entry(mask: str, identifier: str = "EVERYONE@", type: str = "ALLOW", flags: str = "NO_FLAGS") -> Any:
    return {"acetype": type, "identifier": identifier, "aceflags": flags, "acemask": mask}


async def set_acl(gateway: GatewayTwin, id: str, *entries: Any, **options: Any) -> httpx.Response:
    url = f"{API}/data/{id}/metadata/xattrs"
    return await gateway.http.put(url, json={"cdmi_acl": list(entries)}, **options)


async def attributes(gateway: GatewayTwin, id: str, *names: str, **options: Any) -> httpx.Response:
    return await gateway.http.request("GET", f"{API}/data/{id}", json={"attributes": list(names)}, **options)


async def test_an_acl_is_set_told_and_removed(gateway: GatewayTwin) -> None:
    id = await gateway.make("a")
    assert (await attributes(gateway, id, "activePermissionsType", "acl")).json() == {
        "activePermissionsType": "posix",
        "acl": [],
    }
    assert (await set_acl(gateway, id, entry("READ_OBJECT,READ_ACL", "Jane#u2"))).status_code == 204
    assert (await attributes(gateway, id, "activePermissionsType", "acl", "xattr.cdmi_acl")).json() == {
        "activePermissionsType": "acl",
        "acl": [{"aceType": "ALLOW", "identifier": "u2", "aceFlags": 0, "aceMask": 0x20001}],
        "xattr.cdmi_acl": [entry("0x20001", "u2", "0x0", "0x0")],
    }
    url = f"{API}/data/{id}/metadata/xattrs"
    told = {"cdmi_acl": [entry("0x20001", "u2", "0x0", "0x0")]}
    assert (await gateway.http.get(url + "?attribute=cdmi_acl")).json() == told
    assert (await gateway.http.get(url + "?show_internal=true")).json() == told
    assert (await gateway.http.get(url)).json() == {}
    assert (await gateway.http.request("DELETE", url, json={"keys": ["cdmi_acl"]})).status_code == 204
    assert errno(await gateway.http.get(url + "?attribute=cdmi_acl")) == "enodata"
    assert (await attributes(gateway, id, "activePermissionsType")).json() == {
        "activePermissionsType": "posix"
    }


async def test_names_are_told_where_they_are_known(gateway: GatewayTwin) -> None:
    gateway.principals.names = {"u2": "Jane Doe"}
    id = await gateway.make("a")
    await set_acl(gateway, id, entry("READ_OBJECT", "old name#u2"), entry("READ_OBJECT", "u9"))
    url = f"{API}/data/{id}/metadata/xattrs"
    told = (await gateway.http.get(url + "?attribute=cdmi_acl")).json()["cdmi_acl"]
    assert [each["identifier"] for each in told] == ["Jane Doe#u2", "u9"]
    answer = await gateway.http.get(
        "/cdmi/home/a?metadata", headers={"x-cdmi-specification-version": "1.1.1"}
    )
    assert answer.json()["metadata"]["cdmi_acl"] == told


async def test_an_empty_acl_means_the_mode_again(gateway: GatewayTwin) -> None:
    id = await gateway.make("a")
    await set_acl(gateway, id, entry("READ_OBJECT"))
    assert (await set_acl(gateway, id)).status_code == 204
    assert (await attributes(gateway, id, "activePermissionsType")).json() == {
        "activePermissionsType": "posix"
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "x",
        [{}],
        [entry("NOPE")],
        [entry("0x1", type="0x2")],
        [entry("0x1", flags="0x1")],
        [entry("0x4")],
        [entry("0x40")],
        [entry("0x80000")],
        [entry("0x1", "")],
        [entry("0x1", "i" * 256)],
        [entry("0x1", "a\0b")],
    ],
)
async def test_what_is_no_acl_for_a_file_is_einval_and_changes_nothing(
    gateway: GatewayTwin, value: object
) -> None:
    id = await gateway.make("a")
    url = f"{API}/data/{id}/metadata/xattrs"
    assert errno(await gateway.http.put(url, json={"a": 1, "cdmi_acl": value})) == "einval"
    assert (await gateway.http.get(url + "?show_internal=true")).json() == {}


async def test_directories_have_bits_of_their_own(gateway: GatewayTwin) -> None:
    id = await gateway.make("dir", type="DIR")
    assert (await set_acl(gateway, id, entry("0x701FF"))).status_code == 204
    assert errno(await set_acl(gateway, id, entry("0x70200"))) == "einval"
    assert (await set_acl(gateway, id, entry("ALL_PERMS"))).status_code == 204
    assert (await attributes(gateway, id, "acl")).json()["acl"][0]["aceMask"] == 0x701FF


async def test_an_acl_of_too_many_entries_is_e2big(gateway: GatewayTwin) -> None:
    id = await gateway.make("a")
    assert errno(await set_acl(gateway, id, *[entry("READ_OBJECT")] * 513)) == "e2big"


async def test_an_acl_binds_members_and_not_the_owner_of_the_space(gateway: GatewayTwin) -> None:
    id = await gateway.make("a", content=b"x")
    member = {"headers": {"x-auth-token": "member"}}
    assert errno(await set_acl(gateway, id, entry("READ_OBJECT"), **member)) == "eacces"
    assert (await set_acl(gateway, id, entry("READ_ATTRIBUTES", "u2"))).status_code == 204
    url = f"{API}/data/{id}/metadata"
    assert errno(await attributes(gateway, id, "acl", **member)) == "eacces"
    assert (await attributes(gateway, id, "name", **member)).json() == {"name": "a"}
    assert errno(await gateway.http.get(url + "/xattrs", **member)) == "eacces"
    assert errno(await gateway.http.get(url + "/xattrs?attribute=cdmi_acl", **member)) == "eacces"
    assert errno(await gateway.http.get(url + "/xattrs?attribute=cdmi_mimetype", **member)) != "eacces"
    assert errno(await attributes(gateway, id, "xattr.a", **member)) == "eacces"
    assert (await attributes(gateway, id, "acl", "xattr.a")).status_code == 200


async def test_a_listing_tells_what_each_child_lets_be_told(gateway: GatewayTwin) -> None:
    directory = await gateway.make("dir", type="DIR")
    for name in ("closed", "open", "plain"):
        id = await gateway.make(f"dir/{name}")
        await gateway.http.put(f"{API}/data/{id}/metadata/xattrs", json={"k": name})
        if name != "plain":
            mask = "READ_ACL,READ_METADATA" if name == "open" else "READ_OBJECT"
            await set_acl(gateway, id, entry(mask))
    url, asked = f"{API}/data/{directory}/children", {"attributes": ["name", "acl", "xattr.k"]}
    member = {"headers": {"x-auth-token": "member"}}
    answer = await gateway.http.request("GET", url, json=asked, **member)
    assert [(child["acl"] != [], child["xattr.k"]) for child in answer.json()["children"]] == [
        (False, None),
        (True, "open"),
        (False, "plain"),
    ]
    answer = await gateway.http.request("GET", url, json=asked)
    assert [child["xattr.k"] for child in answer.json()["children"]] == ["closed", "open", "plain"]


async def test_a_listing_asks_the_directory_for_the_rights(gateway: GatewayTwin) -> None:
    directory = await gateway.make("dir", type="DIR")
    await set_acl(gateway, directory, entry("LIST_CONTAINER,TRAVERSE_CONTAINER"))
    url, member = f"{API}/data/{directory}/children", {"headers": {"x-auth-token": "member"}}
    for name, granted in (("name", True), ("acl", False), ("xattr.k", False)):
        answer = await gateway.http.request("GET", url, json={"attributes": [name]}, **member)
        assert answer.status_code == (200 if granted else 400)
        assert granted or errno(answer) == "eacces"
