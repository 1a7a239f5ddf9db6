"""Capabilities are true in both directions: what is announced works, and what works is announced."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.folder import CONTAINER, OBJECT, Folder, V, errno, error

ROOT, OF_CONTAINERS, OF_OBJECTS, OF_QUEUES = (
    f"cdmi_capabilities/{name}" for name in ("", "container/", "dataobject/", "queue/")
)
HASHES = ["SHA160", "SHA256", "SHA384", "SHA512"]
QUEUE = {**V, "content-type": "application/cdmi-queue"}


async def announced(http: httpx.AsyncClient, address: str) -> set[str]:
    """The capabilities of a capability object."""
    told = (await http.get(f"/cdmi/{address}?capabilities", headers=V)).json()["capabilities"]
    lists = {name: value for name, value in told.items() if value != "true"}
    assert lists == ({"cdmi_value_hash": HASHES} if "cdmi_value_hash" in told else {})
    return set(told)


async def get(folder: Folder, path: str, query: str = "") -> dict[str, object]:
    """The CDMI form of something in the folder."""
    answer = await folder.http.get(folder.cdmi(path) + query, headers=V)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.cdmi("10.fields", "10.access", "9.fixed")
async def test_capability_objects_have_their_fields(guest: httpx.AsyncClient) -> None:
    root = (await guest.get(f"/cdmi/{ROOT}", headers=V)).json()
    root.pop("capabilities")
    assert root == {
        "objectType": "application/cdmi-capability",
        "objectID": "0000000000208CA8" + "30" * 31 + "31",
        "objectName": "cdmi_capabilities/",
        "childrenrange": "0-1",
        "children": ["container/", "dataobject/"],
    }
    for name, id in (("container/", "0000000000208DE8" + "30" * 31 + "32"),
                     ("dataobject/", "0000000000204D29" + "30" * 31 + "33")):  # fmt: skip
        told = (await guest.get(f"/cdmi/cdmi_objectid/{id}/", headers=V)).json()
        told.pop("capabilities")
        assert told == {
            "objectType": "application/cdmi-capability", "objectID": id, "objectName": name,
            "parentURI": "cdmi_capabilities/", "parentID": root["objectID"], "children": [],
        }  # fmt: skip
    chosen = await guest.get(f"/cdmi/{ROOT}?objectName;children", headers=V)
    assert chosen.json() == {"objectName": "cdmi_capabilities/", "children": ["container/", "dataobject/"]}
    assert chosen.headers["content-type"] == "application/cdmi-capability"
    without = await guest.get(f"/cdmi/{ROOT}")
    assert error(without) == (400, "badVersion", {"supportedVersions": ["1.1.1", "1.1"]})


@pytest.mark.cdmi("10.access", "5.list")
@pytest.mark.parametrize("end", ["", "/"])
async def test_a_capability_object_by_id_needs_the_version_and_no_token(
    guest: httpx.AsyncClient, end: str
) -> None:
    url = f"/cdmi/cdmi_objectid/0000000000208ca8{'30' * 31}31{end}"
    no_version = (400, "badVersion", {"supportedVersions": ["1.1.1", "1.1"]})
    assert error(await guest.get(url)) == no_version
    assert error(await guest.get(url, headers={"x-cdmi-specification-version": "2.0"})) == no_version
    assert error(await guest.get(url + "?value:x")) == (400, "badData", {"key": "query string"})
    assert (await guest.get(url, headers=V)).json()["objectName"] == "cdmi_capabilities/"
    assert (await guest.get(url, headers={**V, "accept": "text/plain"})).status_code == 406
    for method in ("PUT", "POST", "DELETE"):
        answer = await guest.request(method, url)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def objects_work(folder: Folder) -> None:
    assert (await folder.object("o", {"value": "x"})).status_code == 201


async def ids_work(folder: Folder) -> None:
    assert (await folder.http.get(f"/cdmi/cdmi_objectid/{folder.id}/", headers=V)).status_code == 200


async def moves_work(folder: Folder) -> None:
    await folder.object("m", {"value": "x"})
    moved = await folder.object("m2", {"move": f"{folder.space}/{folder.name}/m"})
    assert moved.status_code == 201
    await folder.http.put(folder.cdmi("md/"), headers=CONTAINER)
    body = {"move": f"{folder.space}/{folder.name}/md"}
    assert (await folder.http.put(folder.cdmi("md2/"), json=body, headers=CONTAINER)).status_code == 201
    assert (await folder.http.get(folder.cdmi("md/"), headers=V)).status_code == 404


async def copies_work(folder: Folder) -> None:
    await folder.object("c", {"value": "x"})
    copied = await folder.object("c2", {"copy": f"{folder.space}/{folder.name}/c"})
    assert copied.status_code == 201
    await folder.http.put(folder.cdmi("cd/"), headers=CONTAINER)
    body = {"copy": f"{folder.space}/{folder.name}/cd"}
    assert (await folder.http.put(folder.cdmi("cd2/"), json=body, headers=CONTAINER)).status_code == 201
    assert {"cd/", "cd2/"} <= set((await get(folder, "/"))["children"])  # type: ignore[arg-type]


async def system_items_are_there(folder: Folder) -> None:
    await folder.object("s", {"value": "12345"})
    await folder.http.put(folder.cdmi("sd/"), headers=CONTAINER)
    for path, size in (("s", "5"), ("sd/", "0")):
        items = (await get(folder, path))["metadata"]
        assert isinstance(items, dict)
        assert items["cdmi_size"] == size
        assert {"cdmi_ctime", "cdmi_atime", "cdmi_mtime"} <= items.keys()


async def metadata_works(folder: Folder) -> None:
    for path, headers in (("u", OBJECT), ("ud/", CONTAINER)):
        for items in ({"k": "v"}, {"k": "w"}):
            answer = await folder.http.put(folder.cdmi(path), json={"metadata": items}, headers=headers)
            assert answer.status_code in (201, 204)
        assert (await get(folder, f"{path}"))["metadata"]["k"] == "w"  # type: ignore[index]


async def listings_work(folder: Folder) -> None:
    for name in "abc":
        await folder.object(f"{name}", {})
    listed = await folder.http.get(folder.cdmi("") + "/?children:1-2", headers=V)
    assert listed.json() == {"children": ["b", "c"]}


async def containers_come_and_go(folder: Folder) -> None:
    assert (await folder.http.put(folder.cdmi("x/"), headers=CONTAINER)).status_code == 201
    assert (await folder.http.delete(folder.cdmi("x/"), headers=V)).status_code == 204


async def values_work(folder: Folder) -> None:
    await folder.object("v", {"value": "hello"})
    part = {"value": base64.b64encode(b"HE").decode()}
    answer = await folder.http.put(folder.cdmi("v") + "?value:0-1", json=part, headers=OBJECT)
    assert answer.status_code == 204
    assert (await folder.http.get(folder.cdmi("v") + "?value:1-3", headers=V)).json() == {"value": "Ell"}
    assert (await folder.object("v", {"value": "new"})).status_code == 204
    assert (await get(folder, "v"))["value"] == "new"
    assert (await folder.http.delete(folder.cdmi("v"), headers=V)).status_code == 204


async def parts_make_objects(folder: Folder) -> None:
    part = {"value": base64.b64encode(b"x").decode()}
    answer = await folder.http.put(folder.cdmi("p") + "?value:2-2", json=part, headers=OBJECT)
    assert answer.status_code == 201
    assert (await folder.http.get(folder.cdmi("p"))).content == b"\0\0x"


async def acls_work(folder: Folder) -> None:
    entry = {"acetype": "ALLOW", "identifier": "EVERYONE@", "aceflags": "NO_FLAGS", "acemask": "ALL_PERMS"}
    for path, headers, mask in (("l", OBJECT, "0x7019B"), ("ld/", CONTAINER, "0x701FF")):
        body = {"metadata": {"cdmi_acl": [entry]}}
        assert (await folder.http.put(folder.cdmi(path), json=body, headers=headers)).status_code == 201
        told = (await folder.http.get(folder.cdmi(path) + "?metadata:cdmi_acl", headers=V)).json()
        assert told["metadata"]["cdmi_acl"][0]["acemask"] == mask


async def posts_work(folder: Folder) -> None:
    for headers in (OBJECT, {"content-type": "text/plain"}):
        answer = await folder.http.post(folder.cdmi("") + "/", content=b'{"value": "x"}', headers=headers)
        assert (answer.status_code, "location" in answer.headers) == (201, True)


async def parts_work(folder: Folder) -> None:
    headers = {**V, "content-type": "multipart/mixed; boundary=b"}
    content = b"--b\r\nContent-Type: application/cdmi-object\r\n\r\n{}\r\n--b\r\n\r\nhello\r\n--b--"
    answer = await folder.http.put(folder.cdmi("m"), content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    told = await folder.http.get(folder.cdmi("m"), headers={**V, "accept": "multipart/mixed"})
    assert b"\r\n\r\nhello\r\n--" in told.content


async def hashes_work(folder: Folder) -> None:
    for name, length in zip(HASHES, (40, 64, 96, 128), strict=True):
        body = {"value": "x", "metadata": {"cdmi_value_hash": name}}
        assert (await folder.object(f"h{name}", body)).status_code == 201
        metadata = (await get(folder, f"h{name}", "?metadata:cdmi_hash"))["metadata"]
        assert isinstance(metadata, dict)
        assert len(metadata["cdmi_hash"]) == length


async def references_work(folder: Folder) -> None:
    assert (await folder.object("r", {"reference": "/cdmi/"})).status_code == 201
    told = await folder.http.get(folder.cdmi("r"), headers=V)
    assert (told.status_code, told.headers["location"]) == (302, "/cdmi/")


async def a_queue(folder: Folder, path: str) -> None:
    """A queue with two values; one that was there before is gone."""
    await folder.http.delete(folder.cdmi(path), headers=V)
    body = {"metadata": {"colour": "blue"}}
    assert (await folder.http.put(folder.cdmi(path), json=body, headers=QUEUE)).status_code == 201
    added = await folder.http.post(folder.cdmi(path), json={"value": ["a", "b"]}, headers=QUEUE)
    assert added.status_code == 204


async def queues_work(folder: Folder) -> None:
    await a_queue(folder, "qu")
    assert (await get(folder, "qu", "?values:5"))["value"] == ["a", "b"]
    assert (await folder.http.delete(folder.cdmi("qu") + "?value", headers=V)).status_code == 204
    assert (await get(folder, "qu", "?values:5"))["value"] == ["b"]
    metadata = (await get(folder, "qu"))["metadata"]
    assert isinstance(metadata, dict)
    assert metadata.keys() >= {"cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime", "colour"}
    url = folder.cdmi("qu") + "?metadata:colour"
    assert (await folder.http.put(url, json={"metadata": {"colour": 1}}, headers=QUEUE)).status_code == 204
    assert (await get(folder, "qu", "?metadata:colour"))["metadata"] == {"colour": 1}
    entry = {"acetype": "ALLOW", "identifier": "EVERYONE@", "aceflags": "NO_FLAGS", "acemask": "ALL_PERMS"}
    url = folder.cdmi("qu") + "?metadata:cdmi_acl"
    body = {"metadata": {"cdmi_acl": [entry]}}
    assert (await folder.http.put(url, json=body, headers=QUEUE)).status_code == 204
    assert (await folder.http.delete(folder.cdmi("qu"), headers=V)).status_code == 204
    assert (await folder.http.get(folder.cdmi("qu"), headers=V)).status_code == 404


async def queues_are_posted(folder: Folder) -> None:
    answer = await folder.http.post(folder.cdmi("") + "/", json={}, headers=QUEUE)
    assert (answer.status_code, answer.json()["objectType"]) == (201, QUEUE["content-type"])


async def queues_move_and_copy(folder: Folder) -> None:
    await a_queue(folder, "qm")
    for key, target in (("copy", "qc"), ("move", "qn")):
        await folder.http.delete(folder.cdmi(target), headers=V)
        body = {key: folder.path("qm")}
        assert (await folder.http.put(folder.cdmi(target), json=body, headers=QUEUE)).status_code == 201
        assert (await get(folder, target, "?values:5"))["value"] == ["a", "b"]


async def serialisation_works(folder: Folder) -> None:
    await folder.http.put(folder.cdmi("tree/"), json={"metadata": {"k": "v"}}, headers=CONTAINER)
    await folder.object("tree/a", {"value": "hello"})
    for source, target, headers in (("tree", "tree2/", CONTAINER), ("tree/a", "a2", OBJECT)):
        assert (await folder.object("json", {"serialize": f"{folder.path(source)}"})).is_success
        body = {"deserialize": folder.path("json")}
        answer = await folder.http.put(folder.cdmi(target), json=body, headers=headers)
        assert answer.status_code == 201, answer.text
    assert (await get(folder, "tree2/"))["metadata"]["k"] == "v"  # type: ignore[index]
    for path in ("tree2/a", "a2"):
        assert (await get(folder, path))["value"] == "hello"


#: What shows that a capability works. A capability that is not here cannot be announced.
PROOFS: dict[str, dict[str, Callable[[Folder], Awaitable[None]]]] = {
    ROOT: {
        "cdmi_dataobjects": objects_work,
        "cdmi_security_access_control": acls_work,
        "cdmi_object_access_by_ID": ids_work,
        "cdmi_object_move_from_local": moves_work,
        "cdmi_object_copy_from_local": copies_work,
        "cdmi_multipart_mime": parts_work,
        "cdmi_references": references_work,
        "cdmi_serialization_json": serialisation_works,
        "cdmi_queues": queues_work,
    },
    OF_CONTAINERS: {
        "cdmi_acl": acls_work,
        **dict.fromkeys(("cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime"), system_items_are_there),
        **dict.fromkeys(("cdmi_list_children", "cdmi_list_children_range"), listings_work),
        **dict.fromkeys(("cdmi_read_metadata", "cdmi_modify_metadata"), metadata_works),
        **dict.fromkeys(("cdmi_create_container", "cdmi_delete_container"), containers_come_and_go),
        **dict.fromkeys(("cdmi_move_container", "cdmi_move_dataobject"), moves_work),
        **dict.fromkeys(("cdmi_copy_container", "cdmi_copy_dataobject"), copies_work),
        "cdmi_create_dataobject": objects_work,
        "cdmi_create_value_range": parts_make_objects,
        "cdmi_post_dataobject": posts_work,
        "cdmi_create_reference": references_work,
        **dict.fromkeys(("cdmi_serialize_dataobject", "cdmi_serialize_container"), serialisation_works),
        **dict.fromkeys(("cdmi_deserialize_dataobject", "cdmi_deserialize_container"), serialisation_works),
        "cdmi_create_queue": queues_work,
        "cdmi_post_queue": queues_are_posted,
    },
    OF_QUEUES: {
        **dict.fromkeys(
            ("cdmi_acl", "cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime", "cdmi_read_value",
             "cdmi_read_metadata", "cdmi_modify_value", "cdmi_modify_metadata", "cdmi_delete_queue"),
            queues_work,
        ),
        **dict.fromkeys(("cdmi_move_queue", "cdmi_copy_queue"), queues_move_and_copy),
    },
    OF_OBJECTS: {
        "cdmi_acl": acls_work,
        **dict.fromkeys(("cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime"), system_items_are_there),
        **dict.fromkeys(("cdmi_read_metadata", "cdmi_modify_metadata"), metadata_works),
        **dict.fromkeys(
            ("cdmi_read_value", "cdmi_read_value_range", "cdmi_modify_value", "cdmi_modify_value_range",
             "cdmi_delete_dataobject"),
            values_work,
        ),
        "cdmi_value_hash": hashes_work,
    },
}  # fmt: skip


@pytest.mark.cdmi("10.truth")
@pytest.mark.parametrize("address", PROOFS)
async def test_what_is_announced_works_and_what_works_is_announced(folder: Folder, address: str) -> None:
    assert await announced(folder.http, address) == PROOFS[address].keys()
    for proof in dict.fromkeys(PROOFS[address].values()):
        await proof(folder)


@pytest.mark.cdmi("10.truth", "21.refused")
@pytest.mark.parametrize(
    "body",
    [{"exports": {"CIFS": {}}}, {"snapshot": "now"}],
)  # fmt: skip
async def test_what_is_not_announced_is_refused(folder: Folder, body: dict[str, object]) -> None:
    for path, headers in (("x", OBJECT), ("x/", CONTAINER)):
        answer = await folder.http.put(folder.cdmi(path), json=body, headers=headers)
        assert error(answer) == (400, "notSupported", None)
        assert (await folder.http.get(folder.cdmi(path), headers=V)).status_code == 404


async def test_a_domain_in_the_body_is_ignored(folder: Folder) -> None:
    assert (await folder.object("a", {"value": "x", "domainURI": "/cdmi_domains/x/"})).status_code == 201
    assert errno(await folder.object("no/a", {"value": "x"})) == "enoent"
