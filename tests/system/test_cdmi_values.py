"""Values, ranges, copies and metadata through the front door, as the contract shows them."""

from __future__ import annotations

import base64
import calendar
import re
import time
from typing import Any

import httpx
import pytest

from tests.support.account import endless
from tests.support.folder import CONTAINER, OBJECT, Folder, V, errno, error
from tests.support.stack import RunningStack

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def get(folder: Folder, path: str) -> dict[str, Any]:
    answer = await folder.http.get(folder.cdmi(path), headers=V)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.cdmi("12.4.create", "12.1.fields", "5.response", "16.1.system")
async def test_a_text_file_is_created_as_the_contract_shows(folder: Folder) -> None:
    body = {"value": "first", "mimetype": "text/plain", "metadata": {"colour": "blue"}}
    begun = int(time.time())
    answer = await folder.object("notes.txt", body)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cdmi-object")
    assert answer.headers["x-cdmi-specification-version"] == "1.1.1"
    told = answer.json()
    items = told.pop("metadata")
    for name in ("cdmi_ctime", "cdmi_atime", "cdmi_mtime"):
        assert TIME.fullmatch(value := items.pop(name))
        assert begun - 1 <= _seconds(value) <= time.time() + 1
    owner = items.pop("cdmi_owner")
    assert items == {"cdmi_size": "5", "colour": "blue"}
    assert (await folder.attributes(told["objectID"], "ownerUserId")) == {"ownerUserId": owner}
    assert told == {
        "objectType": "application/cdmi-object", "objectID": told["objectID"], "objectName": "notes.txt",
        "parentURI": f"/{folder.space}/{folder.name}/", "parentID": folder.id,
        "capabilitiesURI": "cdmi_capabilities/dataobject/", "completionStatus": "Complete",
        "mimetype": "text/plain",
    }  # fmt: skip


def _seconds(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.cdmi("16.3.named")
async def test_two_items_are_changed_and_one_dropped_as_the_contract_shows(folder: Folder) -> None:
    await folder.object("notes.txt", {"metadata": {"colour": "blue", "shape": "round", "kept": "yes"}})
    query = "?metadata:colour;metadata:size;metadata:shape"
    body = {"metadata": {"colour": "red", "size": "10", "ignored": "x"}}
    answer = await folder.http.put(folder.cdmi("notes.txt") + query, json=body, headers=OBJECT)
    assert (answer.status_code, answer.content) == (204, b"")
    told = (await get(folder, "notes.txt"))["metadata"]
    user_items = {name: value for name, value in told.items() if not name.startswith("cdmi_")}
    assert user_items == {"colour": "red", "size": "10", "kept": "yes"}


@pytest.mark.cdmi("11.2.range", "11.2.order")
async def test_the_third_to_fifth_child_as_the_contract_shows(folder: Folder) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "z.jpg"):
        await folder.object(name, {})
    await folder.http.put(folder.cdmi("raw/"), headers=CONTAINER)
    answer = await folder.http.get(folder.cdmi("") + "/?childrenrange;children:2-4", headers=V)
    assert answer.headers["content-type"] == "application/cdmi-container"
    assert answer.json() == {"childrenrange": "2-4", "children": ["c.jpg", "d.jpg", "raw/"]}
    outside = await folder.http.get(folder.cdmi("") + "/?children:100-132", headers=V)
    assert error(outside) == (400, "badData", {"key": "childrenrange"})


@pytest.mark.cdmi("12.6.delete")
async def test_objects_are_deleted_once(folder: Folder) -> None:
    for headers in ({}, V):
        await folder.put("a", b"x")
        assert (await folder.http.delete(folder.cdmi("a"), headers=headers)).status_code == 204
        gone = await folder.http.delete(folder.cdmi("a"), headers=headers)
        assert (gone.status_code, gone.content) == (404, b"")


@pytest.mark.cdmi("13.2.chunked", "13.2.put")
async def test_bodies_of_unknown_length_are_taken(folder: Folder) -> None:
    answer = await folder.http.put(folder.cdmi("a"), content=endless(b"0123456789" * 100, 3_000_000))
    assert answer.status_code == 201
    told = await folder.http.get(folder.cdmi("a"))
    assert len(told.content) == 3_000_000
    assert (await folder.http.put(folder.cdmi("a"), content=endless(b"xy", 2))).status_code == 204
    assert (await folder.http.get(folder.cdmi("a"))).content == b"xy"


@pytest.mark.cdmi("13.2.put")
async def test_the_type_stays_where_none_is_told(folder: Folder) -> None:
    headers = {"content-type": 'text/plain;  charset="UTF-8"'}
    await folder.http.put(folder.cdmi("a"), content=b"old", headers=headers)
    assert (await folder.http.put(folder.cdmi("a"), content=b"new")).status_code == 204
    told = await get(folder, "a")
    assert (told["mimetype"], told["valuetransferencoding"], told["value"]) == ("text/plain", "utf-8", "new")
    await folder.http.put(folder.cdmi("a"), content=b"bin", headers={"content-type": "a/b"})
    told = await get(folder, "a")
    assert (told["mimetype"], told["valuetransferencoding"], told["value"]) == ("a/b", "utf-8", "bin")


@pytest.mark.cdmi("13.2.range", "12.4.range-create")
async def test_parts_are_placed_by_either_form(folder: Folder) -> None:
    for length, where, status in ((3, "bytes 3-5/6", 201), (3, "bytes 0-2/3", 204), (2, "bytes 8-9/*", 204)):
        answer = await folder.http.put(
            folder.cdmi("a"), content=b"x" * length, headers={"content-range": where}
        )
        assert answer.status_code == status
    assert (await folder.http.get(folder.cdmi("a"))).content == b"xxxxxx\0\0xx"
    for bad in ("bytes 0-2,4-5/6", "bytes 0-5/6", "bytes 5-2/6", "lines 0-2/3"):
        answer = await folder.http.put(folder.cdmi("a"), content=b"yyy", headers={"content-range": bad})
        assert error(answer) == (400, "badData", {"key": "content-range"})
    assert (await folder.http.get(folder.cdmi("a"))).content == b"xxxxxx\0\0xx"


@pytest.mark.cdmi("14.one", "13.1.get")
async def test_one_range_is_told_with_its_place(folder: Folder) -> None:
    await folder.object("a b.txt", {"value": "0123456789", "mimetype": "text/plain"})
    for asked, told, content in (("5-7", "5-7", b"567"), ("8-", "8-9", b"89"), ("-3", "7-9", b"789"),
                                 ("4-100", "4-9", b"456789"), ("-100", "0-9", b"0123456789")):  # fmt: skip
        answer = await folder.http.get(folder.cdmi("a b.txt"), headers={"range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, content)
        assert answer.headers["content-range"] == f"bytes {told}/10"
        assert answer.headers["content-length"] == str(len(content))
    whole = await folder.http.get(folder.cdmi("a b.txt"))
    assert (whole.headers["content-type"], whole.headers["content-length"]) == ("text/plain", "10")
    assert whole.headers["content-disposition"] == 'attachment; filename="a b.txt"'


@pytest.mark.cdmi("14.many")
async def test_several_ranges_are_parts_with_line_ends(folder: Folder) -> None:
    await folder.object("a", {"value": "0123456789", "mimetype": "text/plain"})
    answer = await folder.http.get(folder.cdmi("a"), headers={"range": "bytes=5-6, 1-2"})
    boundary = answer.headers["content-type"].removeprefix("multipart/byteranges; boundary=")
    assert answer.content == "\r\n".join(
        [f"--{boundary}", "content-type: text/plain", "content-range: bytes 5-6/10", "", "56",
         f"--{boundary}", "content-type: text/plain", "content-range: bytes 1-2/10", "", "12",
         f"--{boundary}--", ""]
    ).encode()  # fmt: skip


@pytest.mark.cdmi("14.bad")
async def test_a_range_is_judged_before_the_right_to_read(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.put("a", b"0123456789", mode="600")
    await folder.put("empty", b"")
    for client, path, asked, size in (
        (member, "a", "bytes=100-150", 10),
        (folder.http, "a", "bytes=-15-10", 10),
        (folder.http, "a", "bytes=10--5", 10),
        (folder.http, "a", "bytes=10-15-", 10),
        (folder.http, "a", "bytes=0-1,100-150", 10),
        (folder.http, "empty", "bytes=0-0", 0),
    ):
        answer = await client.get(folder.cdmi(path), headers={"range": asked})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
        assert answer.content == b""


@pytest.mark.cdmi("14.one", "14.many", "14.bad", "6.1.accept")
async def test_ranges_are_for_whoever_prefers_the_bytes_whatever_else_is_taken(folder: Folder) -> None:
    await folder.object("a", {"value": "0123456789", "mimetype": "text/plain"})
    for accept in ("application/binary, */*;q=0.1", "application/binary, application/cdmi-object;q=0.5"):
        prefers = {**V, "accept": accept}
        whole = await folder.http.get(folder.cdmi("a"), headers=prefers)
        assert (whole.status_code, whole.content) == (200, b"0123456789")
        one = await folder.http.get(folder.cdmi("a"), headers={**prefers, "range": "bytes=-3"})
        assert (one.status_code, one.content, one.headers["content-range"]) == (206, b"789", "bytes 7-9/10")
        assert one.headers["content-type"] == "text/plain"
        many = await folder.http.get(folder.cdmi("a"), headers={**prefers, "range": "bytes=5-6,1-2"})
        assert many.status_code == 206
        assert many.headers["content-type"].startswith("multipart/byteranges; boundary=")
        none = await folder.http.get(folder.cdmi("a"), headers={**prefers, "range": "bytes=5-4"})
        assert (none.status_code, none.content, none.headers["content-range"]) == (416, b"", "bytes */10")
        known = {**prefers, "if-none-match": whole.headers["etag"]}
        assert (await folder.http.get(folder.cdmi("a"), headers=known)).status_code == 304
        head = await folder.http.head(folder.cdmi("a"), headers=prefers)
        assert (head.status_code, head.headers["content-length"]) == (200, "10")


@pytest.mark.cdmi("14.cdmi")
async def test_a_range_means_nothing_to_cdmi(folder: Folder) -> None:
    await folder.object("a", {"value": "hello"})
    answer = await folder.http.get(folder.cdmi("a"), headers={**V, "range": "bytes=1-2"})
    assert (answer.status_code, answer.json()["value"]) == (200, "hello")


@pytest.mark.cdmi("15.copy", "15.metadata", "9.stable")
async def test_a_copy_is_like_its_source_but_for_its_id(folder: Folder) -> None:
    body = {"value": "hello", "mimetype": "text/x", "metadata": {"k": {"deep": [1]}}}
    made = await folder.object("a", body, **{"x-cdmi-partial": "true"})
    await folder.http.put(f"/api/v3/oneprovider/data/{made.json()['objectID']}", json={"mode": "640"})
    source = f"{folder.space}/{folder.name}/a"
    copied = await folder.object("b", {"copy": source})
    assert copied.status_code == 201
    told = await get(folder, "b")
    assert (told["value"], told["mimetype"], told["valuetransferencoding"]) == ("hello", "text/x", "utf-8")
    assert (told["metadata"]["k"], told["completionStatus"]) == ({"deep": [1]}, "Complete")
    assert told["objectID"] != made.json()["objectID"]
    mode = await folder.attributes(told["objectID"], "posixPermissions")
    assert mode == {"posixPermissions": "640"}
    replaced = await folder.object("c", {"copy": source, "metadata": {"new": 1}, "mimetype": "text/y"})
    assert replaced.json()["mimetype"] == "text/y"
    items = replaced.json()["metadata"]
    assert {name for name in items if not name.startswith("cdmi_")} == {"new"}


@pytest.mark.cdmi("16.3.whole", "12.4.range", "17.3.set")
async def test_a_refused_change_changes_nothing(folder: Folder) -> None:
    await folder.object("a", {"value": "hello", "metadata": {"k": "old"}})
    unfit = {"acetype": "ALLOW", "identifier": "EVERYONE@", "aceflags": "0x0", "acemask": "0x4"}
    for query, body in (
        ("?value:0-9", {"value": b64(b"abc"), "metadata": {"k": "new"}}),
        ("", {"value": "?", "valuetransferencoding": "base64", "metadata": {"k": "new"}}),
        ("", {"value": "x", "metadata": []}),
        ("", {"value": "x", "metadata": {"n" * 300: 1}}),
        ("", {"value": 5, "metadata": {"k": "new"}}),
        ("", {"value": "x", "metadata": {"cdmi_acl": [unfit]}}),
        ("", {"value": "x", "metadata": {"onedata_other": 1}}),
    ):
        answer = await folder.http.put(folder.cdmi("a") + query, json=body, headers=OBJECT)
        assert answer.status_code == 400, answer.text
    told = await get(folder, "a")
    assert (told["value"], told["metadata"]["k"]) == ("hello", "old")


@pytest.mark.cdmi("12.4.bad-body")
@pytest.mark.parametrize(
    "body",
    [b'{"value": "a", "value": "b"}', b'{"metadata": {"k": 1, "k": 2}}', b'{"copy": "a", "copy": "b"}',
             b'{"value": "\xff"}', b'{"value": "\\ud800"}', b'{"value": "a"', b'{"a": NaN}',
     b'"value"', b"\0"],
)  # fmt: skip
async def test_bodies_that_may_be_read_two_ways_are_refused(folder: Folder, body: bytes) -> None:
    answer = await folder.http.put(folder.cdmi("x"), content=body, headers=OBJECT)
    assert error(answer) == (400, "malformedData", None)
    assert (await folder.http.get(folder.cdmi("x"), headers=V)).status_code == 404


async def test_too_much_beside_the_value_is_refused(folder: Folder) -> None:
    answer = await folder.object("x", {"metadata": {"k": "x" * (1 << 20)}})
    assert error(answer)[1] == "limitReached"
    assert (await folder.http.get(folder.cdmi("x"), headers=V)).status_code == 404


@pytest.mark.cdmi("13.2.large")
async def test_a_large_object_goes_over_the_road_of_bytes(stack: RunningStack, folder: Folder) -> None:
    size = 1 << 30
    answer = await folder.http.put(
        folder.cdmi("large"), content=endless(bytes(1 << 20), size), headers={"content-length": str(size)}
    )
    assert answer.status_code == 201
    end = await folder.http.get(folder.cdmi("large"), headers={"range": f"bytes={size - 5}-"})
    assert (end.status_code, end.content) == (206, bytes(5))
    told = await folder.http.get(folder.cdmi("large") + "?valuerange;metadata:cdmi_size", headers=V)
    assert told.json() == {"valuerange": f"0-{size - 1}", "metadata": {"cdmi_size": str(size)}}
    assert errno(await folder.object("large/x", {"value": "x"})) == "enotdir"
