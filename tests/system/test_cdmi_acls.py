"""ACLs and documents as items of CDMI metadata, with the evaluator and the store that REST has."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.support.folder import API, CONTAINER, OBJECT, Folder, V, errno, error

READ_ALL, WRITE_ALL, FULL = "0x20089", "0x50112", "0x7019B"
WRITE_ALL_DIRECTORY = "0x50156"


def ace(mask: str, identifier: str = "EVERYONE@", type: str = "0x0", flags: str = "0x0") -> dict[str, str]:
    return {"acetype": type, "identifier": identifier, "aceflags": flags, "acemask": mask}


async def set_acl(folder: Folder, path: str, *entries: Any) -> httpx.Response:
    """As the owner of the space, whom no ACL binds."""
    headers = CONTAINER if path.endswith("/") or not path else OBJECT
    body = {"metadata": {"cdmi_acl": list(entries)}}
    return await folder.http.put(folder.cdmi(path) + "?metadata:cdmi_acl", json=body, headers=headers)


async def items(folder: Folder, path: str, prefix: str = "") -> dict[str, Any]:
    query = f"?metadata:{prefix}" if prefix else "?metadata"
    return dict((await folder.http.get(folder.cdmi(path) + query, headers=V)).json()["metadata"])


@pytest.mark.cdmi("17.1.form", "17.2.values")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (ace("READ_OBJECT,READ_METADATA", flags="NO_FLAGS", type="ALLOW"), ace("0x9")),
        (ace("READ_OBJECT , WRITE_OBJECT", type="DENY"), ace("0x3", type="0x1")),
        ({**ace(""), "acemask": ["READ_ACL", "LIST_CONTAINER"], "aceflags": ["NO_FLAGS"]}, ace("0x20001")),
        (ace("0x00050112"), ace("0x50112")),
        (ace("ALL_PERMS", "OWNER@"), ace("0x7019B", "OWNER@")),
        (ace("RW", "GROUP@"), ace("0x1B", "GROUP@")),
        (ace("READ_ALL", "ANONYMOUS@"), ace("0x9", "ANONYMOUS@")),
        (ace("0x1", "Somebody#u1"), ace("0x1", "u1")),
        (ace("0x1", "a team#g1", flags="IDENTIFIER_GROUP"), ace("0x1", "g1", flags="0x40")),
    ],
)
async def test_acls_are_written_by_name_and_told_in_hex(
    folder: Folder, given: dict[str, Any], told: dict[str, str]
) -> None:
    await folder.object("a", {"value": "x"})
    assert (await set_acl(folder, "a", given)).status_code == 204
    assert await items(folder, "a", "cdmi_acl") == {"cdmi_acl": [told]}


@pytest.mark.cdmi("17.2.values")
async def test_an_acl_tells_the_names_of_who_is_in_the_space(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    user = (await member.get("/api/v3/onezone/user")).json()
    await folder.object("a", {"value": "x"})
    await folder.http.put(folder.cdmi("dir/"), headers=CONTAINER)
    for path in ("a", "dir/"):
        await set_acl(folder, path, ace("0x1", f"somebody#{user['userId']}"), ace("0x1", "u1"))
        told = (await items(folder, path, "cdmi_acl"))["cdmi_acl"]
        assert [each["identifier"] for each in told] == [f"{user['fullName']}#{user['userId']}", "u1"]
        # What was told can be set again.
        assert (await set_acl(folder, path, *told)).status_code == 204
        assert (await items(folder, path, "cdmi_acl"))["cdmi_acl"] == told


@pytest.mark.cdmi("17.3.set")
async def test_acls_are_set_and_removed(folder: Folder) -> None:
    made = await folder.object("a", {"value": "x", "metadata": {"cdmi_acl": [ace(FULL)], "k": "v"}})
    assert made.json()["metadata"]["cdmi_acl"] == [ace(FULL)]
    answer = await folder.object("a", {"metadata": {"cdmi_acl": [ace(READ_ALL)], "new": 1}})
    assert answer.status_code == 204
    told = await items(folder, "a")
    assert (told["cdmi_acl"], told["new"], "k" in told) == ([ace(READ_ALL)], 1, False)
    # Its absence does not remove it, where user items are replaced.
    await folder.object("a", {"metadata": {}})
    assert "cdmi_acl" in await items(folder, "a")
    query = folder.cdmi("a") + "?metadata:cdmi_acl"
    assert (await folder.http.put(query, json={"metadata": {"x": 1}}, headers=OBJECT)).status_code == 204
    assert "cdmi_acl" not in await items(folder, "a")
    await set_acl(folder, "a", ace(FULL))
    assert (await set_acl(folder, "a")).status_code == 204
    assert len(await items(folder, "a", "cdmi_")) == 5


@pytest.mark.cdmi("17.3.set")
@pytest.mark.parametrize(
    "entry", ["text", {}, ace("NO_SUCH_NAME"), ace("0xZ"), ace("0x1", ""), {**ace("0x1"), "acemask": 1},
              {"acetype": "ALLOW", "identifier": "EVERYONE@", "aceflags": "0x0"}, ace("0x1", "ADMINUSERS@")]
)  # fmt: skip
async def test_what_cannot_be_read_is_bad_data(folder: Folder, entry: Any) -> None:
    await folder.object("a", {"value": "x"})
    assert error(await set_acl(folder, "a", entry)) == (400, "badData", {"key": "acl"})
    assert "cdmi_acl" not in await items(folder, "a")


@pytest.mark.cdmi("17.3.set")
@pytest.mark.parametrize(
    "entry", [ace("0x1", type="0x2"), ace("0x1", type="AUDIT"), ace("0x4"), ace("0x80000"),
              ace("0x1", flags="OBJECT_INHERIT"), ace("DELETE_OBJECT")]
)  # fmt: skip
async def test_what_fits_no_file_is_einval(folder: Folder, entry: dict[str, str]) -> None:
    await folder.object("a", {"value": "x"})
    assert errno(await set_acl(folder, "a", entry)) == "einval"


@pytest.mark.cdmi("17.4.evaluation", "8.eacces")
async def test_an_acl_decides_what_may_be_done_with_a_file(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.object("a", {"value": "hello"})
    url = folder.cdmi("a")
    await set_acl(folder, "a", ace(WRITE_ALL))
    for headers in ({}, V):
        assert errno(await member.get(url, headers=headers)) == "eacces"
    await set_acl(folder, "a", ace("0x60089"))  # all reading, and writing the ACL
    assert (await member.get(url, headers=V)).json()["value"] == "hello"
    assert errno(await member.put(url, json={"value": "x"}, headers=OBJECT)) == "eacces"
    assert errno(await member.put(url, content=b"x")) == "eacces"
    for headers in ({}, V):
        assert errno(await member.delete(url, headers=headers)) == "eacces"
    body = {"metadata": {"cdmi_acl": [ace("0x10000")]}}
    changed = await member.put(url + "?metadata:cdmi_acl", json=body, headers=OBJECT)
    assert changed.status_code == 204
    assert errno(await member.get(url, headers=V)) == "eacces"
    assert (await member.delete(url, headers=V)).status_code == 204


@pytest.mark.cdmi("17.4.evaluation")
async def test_an_acl_decides_what_may_be_done_in_a_directory(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    await folder.http.put(folder.cdmi("dir/"), headers=CONTAINER)
    await folder.object("dir/a", {"value": "x"})
    await set_acl(folder, "dir/", ace(WRITE_ALL_DIRECTORY))
    assert errno(await member.get(folder.cdmi("dir/"), headers=V)) == "eacces"
    await set_acl(folder, "dir/", ace("0x600A9"))  # all reading, passing, and writing the ACL
    assert (await member.get(folder.cdmi("dir/"), headers=V)).json()["children"] == ["a"]
    body = {"metadata": {"k": 1}}
    assert errno(await member.put(folder.cdmi("dir/"), json=body, headers=CONTAINER)) == "eacces"
    assert errno(await member.put(folder.cdmi("dir/b"), json={"value": "x"}, headers=OBJECT)) == "eacces"
    assert errno(await member.put(folder.cdmi("dir/b"), content=b"x")) == "eacces"
    assert errno(await member.delete(folder.cdmi("dir/a"), headers=V)) == "eacces"


@pytest.mark.cdmi("16.2.read", "17.4.evaluation")
async def test_each_kind_of_item_is_read_with_its_own_right(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    await folder.object("a", {"value": "hello", "metadata": {"k": "v"}, "mimetype": "text/plain"})
    await set_acl(folder, "a", ace("0x1"))  # reading the value, nothing else

    async def refused(query: str) -> bool:
        answer = await member.get(folder.cdmi("a") + f"?{query}", headers=V)
        return answer.status_code == 400 and errno(answer) == "eacces"

    for query in ("value", "objectName;parentURI", "metadata:cdmi_size", "valuerange"):
        assert not await refused(query), query
    for query in (
        "metadata",
        "metadata:k",
        "metadata:cdmi_acl",
        "mimetype",
        "completionStatus",
        "value;metadata",
    ):
        assert await refused(query), query
    await set_acl(folder, "a", ace("0x8"))
    assert not await refused("metadata:k")
    assert await refused("metadata:cdmi_acl")
    await set_acl(folder, "a", ace("0x20080"))
    assert not await refused("metadata:cdmi_acl;mimetype")
    assert await refused("metadata:k")


@pytest.mark.cdmi("16.3.whole", "17.4.evaluation")
async def test_who_may_write_one_thing_only_changes_nothing_of_both(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    await folder.object("a", {"value": "hello", "metadata": {"k": "old"}})
    await set_acl(folder, "a", ace("0x2"))  # writing the value, no metadata
    body = {"value": "new", "metadata": {"k": "new"}}
    assert errno(await member.put(folder.cdmi("a"), json=body, headers=OBJECT)) == "eacces"
    assert (await folder.http.get(folder.cdmi("a"))).content == b"hello"
    assert (await member.put(folder.cdmi("a"), json={"value": "new"}, headers=OBJECT)).status_code == 204
    moved = {"move": f"{folder.space}/{folder.name}/a", "metadata": {"k": "new"}}
    assert errno(await member.put(folder.cdmi("b"), json=moved, headers=OBJECT)) == "eacces"
    assert (await folder.http.get(folder.cdmi("a"))).status_code == 200


@pytest.mark.cdmi("17.1.form", "17.4.evaluation")
async def test_rest_and_cdmi_share_one_acl(folder: Folder) -> None:
    made = (await folder.object("a", {"value": "x"})).json()
    await set_acl(folder, "a", ace(READ_ALL), ace("0x2", "OWNER@", "0x1"))
    xattrs = f"{API}/data/{made['objectID']}/metadata/xattrs"
    told = await folder.http.get(xattrs, params={"attribute": "cdmi_acl"})
    assert told.json() == {"cdmi_acl": [ace(READ_ALL), ace("0x2", "OWNER@", "0x1")]}
    await folder.http.put(xattrs, json={"cdmi_acl": [ace("READ_OBJECT")]})
    assert await items(folder, "a", "cdmi_acl") == {"cdmi_acl": [ace("0x1")]}


@pytest.mark.cdmi("15.copy", "15.copy-tree", "16.3.documents")
async def test_copies_have_the_acls_and_documents_of_their_source(folder: Folder) -> None:
    document, rdf = {"a": [1, {"ż": 12345678901234567890}]}, "<rdf>ż</rdf>"
    both = {"onedata_json": document, "onedata_rdf": rdf, "k": "v", "cdmi_acl": [ace(FULL)]}
    await folder.http.put(folder.cdmi("src/"), json={"metadata": {"k": "dir"}}, headers=CONTAINER)
    await folder.object("src/a", {"value": "x", "metadata": both})
    await set_acl(folder, "src/", ace("0x701FF"), ace("0x1", "u1", "0x1"))
    source = f"{folder.space}/{folder.name}/src"
    copied = await folder.http.put(folder.cdmi("dst/"), json={"copy": source}, headers=CONTAINER)
    assert copied.status_code == 201
    assert (await items(folder, "dst/"))["cdmi_acl"] == [ace("0x701FF"), ace("0x1", "u1", "0x1")]
    told = await items(folder, "dst/a")
    assert {name: told.get(name) for name in both} == both
    replaced = {"copy": f"{source}/a", "metadata": {"onedata_json": 1, "cdmi_acl": [ace(READ_ALL)]}}
    told = (await folder.object("b", replaced)).json()["metadata"]
    kept = {name: told[name] for name in told if name == "cdmi_acl" or not name.startswith("cdmi_")}
    assert kept == {"onedata_json": 1, "cdmi_acl": [ace(READ_ALL)]}


@pytest.mark.cdmi("15.errors", "17.4.evaluation")
async def test_what_may_not_be_read_whole_is_not_copied(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.http.put(folder.cdmi("src/"), headers=CONTAINER)
    await folder.object("src/a", {"value": "x"})
    await folder.object("src/b", {"value": "secret"})
    await set_acl(folder, "src/b", ace("0x1"))  # reading, but not its ACL
    body = {"copy": f"{folder.space}/{folder.name}/src"}
    answer = await member.put(folder.cdmi("dst/"), json=body, headers=CONTAINER)
    assert errno(answer) == "eacces"
    assert (await folder.http.get(folder.cdmi("dst/"), headers=V)).status_code == 404


@pytest.mark.cdmi("16.3.documents")
async def test_documents_are_items_as_well(folder: Folder) -> None:
    made = (await folder.object("a", {"metadata": {"onedata_json": {"a": 1}, "onedata_rdf": "<r/>"}})).json()
    documents = f"{API}/data/{made['objectID']}/metadata"
    assert (await folder.http.get(f"{documents}/json")).json() == {"a": 1}
    rdf = await folder.http.get(f"{documents}/rdf", headers={"accept": "application/rdf+xml"})
    assert rdf.text == "<r/>"
    assert await items(folder, "a", "onedata_") == {"onedata_json": {"a": 1}, "onedata_rdf": "<r/>"}
    url = folder.cdmi("a") + "?metadata:onedata_rdf"
    assert (await folder.http.put(url, json={}, headers=OBJECT)).status_code == 204
    assert await items(folder, "a", "onedata_") == {"onedata_json": {"a": 1}}
    await folder.object("a", {"metadata": {"k": base64.b64encode(b"x").decode()}})
    assert await items(folder, "a", "onedata_") == {}
