"""CDMI through the front door: JSON form by the gateway, plain form by the data ports, one behaviour."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.support.folder import CONTAINER, OBJECT, Folder, V, errno, error
from tests.support.stack import RunningStack


@pytest.mark.cdmi("13.2.put", "12.1.fields")
async def test_what_is_put_plain_is_read_as_an_object(folder: Folder) -> None:
    headers = {"content-type": "text/plain;  charset=utf-8"}
    assert (await folder.http.put(folder.cdmi("a"), content=b"some text", headers=headers)).status_code == 201
    told = (await folder.http.get(folder.cdmi("a"), headers=V)).json()
    assert (told["value"], told["mimetype"], told["valuetransferencoding"], told["valuerange"]) == (
        "some text", "text/plain", "utf-8", "0-8",
    )  # fmt: skip


@pytest.mark.cdmi("12.4.encoding", "13.1.get")
async def test_what_is_put_as_an_object_is_read_plain(folder: Folder) -> None:
    body = {
        "value": base64.b64encode(b"\0\xff").decode(),
        "valuetransferencoding": "base64",
        "mimetype": "a/b",
    }
    assert (await folder.object("a", body)).status_code == 201
    answer = await folder.http.get(folder.cdmi("a"))
    assert (answer.content, answer.headers["content-type"]) == (b"\0\xff", "a/b")


@pytest.mark.cdmi("12.1.fields", "16.1.system")
async def test_plain_files_have_the_defaults(folder: Folder) -> None:
    await folder.http.put(folder.cdmi("a"), content=b"0123456789abc")
    told = (await folder.http.get(folder.cdmi("a"), headers=V)).json()
    assert (told["mimetype"], told["valuetransferencoding"], told["valuerange"]) == (
        "application/octet-stream", "base64", "0-12",
    )  # fmt: skip
    assert len(told["metadata"]) == 5


@pytest.mark.cdmi("12.5.flag", "12.4.range", "13.2.range")
async def test_partial_uploads_of_both_forms(folder: Folder) -> None:
    first = await folder.object("a", {"value": "0123"}, **{"x-cdmi-partial": "true"})
    assert first.json()["completionStatus"] == "Processing"
    body = {"value": base64.b64encode(b"4").decode()}
    part = await folder.http.put(
        folder.cdmi("a") + "?value:4-4", json=body, headers={**OBJECT, "x-cdmi-partial": "true"}
    )
    assert part.status_code == 204
    plain = await folder.http.put(
        folder.cdmi("a"),
        content=b"56789",
        headers={"content-range": "bytes 5-9/10", "x-cdmi-partial": "false"},
    )
    assert plain.status_code == 204
    told = (await folder.http.get(folder.cdmi("a"), headers=V)).json()
    assert (told["completionStatus"], told["valuetransferencoding"], told["value"]) == (
        "Complete", "utf-8", "0123456789",
    )  # fmt: skip


@pytest.mark.cdmi("13.2.range")
async def test_a_bad_content_range_leaves_the_content(folder: Folder) -> None:
    await folder.put("a", b"old")
    headers = {"content-range": "bytes 0-2,3-4/*"}
    answer = await folder.http.put(folder.cdmi("a"), content=b"xxxxx", headers=headers)
    assert error(answer) == (400, "badData", {"key": "content-range"})
    assert (await folder.http.get(folder.cdmi("a"))).content == b"old"


@pytest.mark.cdmi("14.many", "14.bad")
async def test_ranges_of_plain_objects(folder: Folder) -> None:
    await folder.put("a", b"0123456789")
    several = await folder.http.get(folder.cdmi("a"), headers={"range": "bytes=5-6,1-2"})
    assert several.status_code == 206
    assert several.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert several.content.index(b"56") < several.content.index(b"12\r\n")
    for bad in ("unicorns", "bytes:5-10", "bytes=5=10", "bytes=100-150", "bytes=10-5", "bytes=-5-"):
        answer = await folder.http.get(folder.cdmi("a"), headers={"range": bad})
        assert (answer.status_code, answer.headers["content-range"], answer.content) == (
            416,
            "bytes */10",
            b"",
        )


@pytest.mark.cdmi("11.3.create", "11.2.range", "11.5.delete")
async def test_containers_are_made_listed_and_removed(folder: Folder) -> None:
    made = await folder.http.put(folder.cdmi("dir/"), json={"metadata": {"k": "v"}}, headers=CONTAINER)
    assert made.status_code == 201
    assert (made.json()["objectName"], made.json()["parentURI"]) == (
        "dir/",
        f"/{folder.space}/{folder.name}/",
    )
    for number in range(15):
        await folder.http.put(folder.cdmi(f"dir/{number}"), content=b"")
    names = sorted(str(number) for number in range(15))
    told = (await folder.http.get(folder.cdmi("dir/") + "?childrenrange;children:2-13", headers=V)).json()
    assert told == {"childrenrange": "2-13", "children": names[2:14]}
    assert (await folder.http.delete(folder.cdmi("dir/"), headers=V)).status_code == 204
    assert (await folder.http.get(folder.cdmi("dir/"), headers=V)).status_code == 404


@pytest.mark.cdmi("2.objectid")
async def test_by_id_is_as_by_path(folder: Folder) -> None:
    id = await folder.put("a", b"hello")
    by_path = (await folder.http.get(folder.cdmi("a"), headers=V)).json()
    by_id = (await folder.http.get(f"/cdmi/cdmi_objectid/{id}", headers=V)).json()
    below = (await folder.http.get(f"/cdmi/cdmi_objectid/{folder.id}/a", headers=V)).json()
    for told in (by_path, by_id, below):
        told["metadata"].pop("cdmi_atime")
    assert by_path == by_id == below
    assert (await folder.http.get(f"/cdmi/cdmi_objectid/{id}")).content == b"hello"


@pytest.mark.cdmi("11.1.top", "11.5.delete")
async def test_the_top_container_lists_the_space(stack: RunningStack, owner: httpx.AsyncClient) -> None:
    told = (await owner.get("/cdmi/", headers={**V, "accept": "*/*"})).json()
    assert (told["objectName"], told["parentURI"]) == ("/", "")
    assert f"{stack.space}/" in told["children"]
    assert "parentID" not in told
    assert errno(await owner.delete("/cdmi/", headers=V)) == "eperm"


@pytest.mark.cdmi("2.1.redirect")
async def test_redirects_keep_host_port_and_query(stack: RunningStack, folder: Folder) -> None:
    await folder.put("żółw dir/a", b"x", create_parents="true")
    for headers in ({}, V):
        answer = await folder.http.get(folder.cdmi("żółw dir") + "?example_qs=1", headers=headers)
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["location"] == stack.url + folder.cdmi("żółw dir/") + "?example_qs=1"
        answer = await folder.http.get(folder.cdmi("żółw dir/a/"), headers=headers)
        assert answer.headers["location"] == stack.url + folder.cdmi("żółw dir/a")


@pytest.mark.cdmi("2.1.slash-type", "6.2.handler")
async def test_types_and_slashes_have_to_fit(folder: Folder) -> None:
    wrong = await folder.http.put(folder.cdmi("x"), headers=CONTAINER)
    assert error(wrong) == (400, "badValueIdentifier", {"key": "path"})
    wrong = await folder.http.put(folder.cdmi("x/"), headers=OBJECT)
    assert error(wrong) == (400, "badValueIdentifier", {"key": "path"})
    for path, kind in (("x", "object"), ("x/", "container")):
        answer = await folder.http.put(
            folder.cdmi(path), headers={"content-type": f"application/cdmi-{kind}"}
        )
        assert error(answer) == (400, "missingRequiredValue", {"key": "version"})
    assert (await folder.http.get(folder.cdmi("x"))).status_code == 404


@pytest.mark.cdmi("3.order", "5.list")
async def test_versions_are_checked_before_the_caller(guest: httpx.AsyncClient) -> None:
    answer = await guest.get("/cdmi/x/", headers={"x-cdmi-specification-version": "1.0.2"})
    assert error(answer) == (400, "badVersion", {"supportedVersions": ["1.1.1", "1.1"]})
    assert error(await guest.get("/cdmi/x/", headers=V)) == (401, "unauthorized", None)
    assert error(await guest.get("/cdmi/x")) == (401, "unauthorized", None)


@pytest.mark.cdmi("4.capabilities", "9.fixed")
async def test_capabilities_need_no_token(guest: httpx.AsyncClient) -> None:
    told = (await guest.get("/cdmi/cdmi_capabilities/", headers=V)).json()
    assert told["objectID"].startswith("0000000000208CA8")
    assert told["capabilities"]["cdmi_object_move_from_local"] == "true"


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 5_000_001])
@pytest.mark.cdmi("12.3.large", "12.2.base64")
async def test_values_of_any_size_go_through_json(folder: Folder, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    value = base64.b64encode(content).decode()
    made = await folder.object("a", {"value": value, "valuetransferencoding": "base64"})
    assert made.status_code == 201, made.text
    assert (await folder.http.get(folder.cdmi("a"))).content == content
    assert (await folder.http.get(folder.cdmi("a") + "?value", headers=V)).json() == {"value": value}


@pytest.mark.cdmi("15.copy-tree")
async def test_trees_are_copied_by_the_server(folder: Folder) -> None:
    for name in ("src/a", "src/sub/b c%", "src/sub/ż"):
        await folder.put(name, name.encode() * 1000, create_parents="true")
    await folder.http.put(folder.cdmi("src/"), json={"metadata": {"k": "v"}}, headers=CONTAINER)
    copied = await folder.http.put(
        folder.cdmi("dst/"), json={"copy": f"{folder.space}/{folder.name}/src"}, headers=CONTAINER
    )
    assert copied.status_code == 201, copied.text
    assert copied.json()["metadata"]["k"] == "v"
    assert (await folder.http.get(folder.cdmi("dst/sub/b c%"))).content == b"src/sub/b c%" * 1000
    again = await folder.http.put(
        folder.cdmi("dst/"), json={"copy": f"{folder.space}/{folder.name}/src"}, headers=CONTAINER
    )
    assert errno(again) == "eexist"


@pytest.mark.cdmi("15.move", "15.errors")
async def test_directories_move_whole_and_never_into_themselves(folder: Folder) -> None:
    id = await folder.put("src/sub/a", b"x", create_parents="true")
    source = f"{folder.space}/{folder.name}/src"
    assert (await folder.object("dst", {"move": source})).status_code == 201
    assert (await folder.lookup("dst/sub/a")).json() == {"fileId": id}
    into_itself = await folder.object("dst/sub/x", {"move": f"{folder.space}/{folder.name}/dst"})
    assert errno(into_itself) == "einval"
    assert errno(await folder.object("x", {"move": source})) == "enoent"


@pytest.mark.cdmi("8.eacces")
async def test_refused_permissions_are_eacces(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.put("a", b"x", mode="600")
    for headers in ({}, V):
        assert errno(await member.get(folder.cdmi("a"), headers=headers)) == "eacces"
    answer = await member.put(folder.cdmi("a"), json={"value": "y"}, headers=OBJECT)
    assert errno(answer) == "eacces"
    assert errno(await member.put(folder.cdmi("a"), content=b"y")) == "eacces"


@pytest.mark.cdmi("12.4.bad-body", "12.4.exclusive", "12.4.encoding")
async def test_bad_bodies_leave_nothing(folder: Folder) -> None:
    for body in (b"{", b"[1]", b'{"a":' * 10_000, b'{"copy": "a", "move": "b"}'):
        answer = await folder.http.put(folder.cdmi("x"), content=body, headers=OBJECT)
        assert error(answer) == (400, "malformedData", None)
    bad = await folder.object("x", {"value": "?", "valuetransferencoding": "base64"})
    assert error(bad) == (400, "badData", {"key": "base64"})
    assert (await folder.http.get(folder.cdmi("x"))).status_code == 404
