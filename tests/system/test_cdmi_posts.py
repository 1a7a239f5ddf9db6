"""POST to a container: data objects under names the server chooses."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.support.folder import CONTAINER, OBJECT, Folder, V, errno, error
from tests.support.stack import RunningStack


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.cdmi("21.4.post")
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
async def test_plain_content_becomes_an_object(stack: RunningStack, folder: Folder, size: int) -> None:
    content = b"x" * size
    headers = {"content-type": "text/plain; charset=utf-8"}
    url = folder.cdmi("") + "/"
    answer = await folder.http.post(url, content=content, headers=headers)
    assert (answer.status_code, answer.content) == (201, b"")
    location = answer.headers["location"]
    assert location.startswith(stack.url + url)
    told = await folder.http.get(location)
    assert (told.content, told.headers["content-type"]) == (content, "text/plain")
    other = await folder.http.post(url, content=content, headers=headers)
    assert other.headers["location"] != location
    assert len((await folder.http.get(url + "?children", headers=V)).json()["children"]) == 2


@pytest.mark.cdmi("21.4.post")
async def test_an_object_is_posted_in_cdmi_form(stack: RunningStack, folder: Folder) -> None:
    body = {
        "value": base64.b64encode(b"\0").decode(),
        "valuetransferencoding": "base64",
        "metadata": {"k": "v"},
    }
    answer = await folder.http.post(folder.cdmi("") + "/", json=body, headers=OBJECT)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cdmi-object")
    told = answer.json()
    assert answer.headers["location"] == f"{stack.url}{folder.cdmi('')}/{told['objectName']}"
    assert told["metadata"]["k"] == "v"
    assert (await folder.http.get(answer.headers["location"])).content == b"\0"
    copied = {"copy": f"/cdmi_objectid/{told['objectID']}"}
    answer = await folder.http.post(folder.cdmi("") + "/", json=copied, headers=OBJECT)
    assert answer.status_code == 201
    assert (await folder.http.get(answer.headers["location"])).content == b"\0"


@pytest.mark.cdmi("21.4.post")
async def test_a_container_is_posted_to_by_id_as_well(folder: Folder) -> None:
    url = f"/cdmi/cdmi_objectid/{folder.id}/"
    for request in ({"content": b"x"}, {"json": {"value": "x"}, "headers": OBJECT}):
        answer = await folder.http.post(url, **request)
        assert answer.status_code == 201
        assert (await folder.http.get(answer.headers["location"])).content == b"x"


@pytest.mark.cdmi("21.4.post", "8.eacces")
async def test_posts_are_refused_where_nothing_can_be_made(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.create("closed", type="DIR", mode="700")
    await folder.put("a", b"x")
    for request in ({"content": b"x"}, {"json": {"value": "x"}, "headers": OBJECT}):
        assert (await folder.http.post(folder.cdmi("none/"), **request)).status_code == 404
        assert (await folder.http.post("/cdmi/no-such-space/", **request)).status_code == 404
        assert errno(await folder.http.post("/cdmi/", **request)) == "eperm"
        redirected = await folder.http.post(folder.cdmi("a/"), **request)
        assert redirected.status_code == 302
        assert redirected.headers["location"].endswith(folder.cdmi("a"))
        assert errno(await member.post(folder.cdmi("closed/"), **request)) == "eacces"
    url = folder.cdmi("") + "/"
    wrong = await folder.http.post(url, json={}, headers=CONTAINER)
    assert error(wrong) == (400, "badValueIdentifier", {"key": "path"})
    without = await folder.http.post(url, json={}, headers={"content-type": "application/cdmi-object"})
    assert error(without) == (400, "missingRequiredValue", {"key": "version"})
    bad = await folder.http.post(url, content=b"{", headers=OBJECT)
    assert error(bad) == (400, "malformedData", None)
    assert (await folder.http.get(url + "?children", headers=V)).json() == {"children": ["a", "closed/"]}


@pytest.mark.cdmi("21.4.form")
async def test_the_file_of_a_form_becomes_an_object(stack: RunningStack, folder: Folder) -> None:
    url = folder.cdmi("") + "/"
    files = {"file": ("report 1.txt", b"x" * 3_000_000, "text/x")}
    answer = await folder.http.post(url, data={"field": "y"}, files=files)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{stack.url}{folder.cdmi('report 1.txt')}"
    told = await folder.http.get(answer.headers["location"])
    assert (told.content, told.headers["content-type"]) == (b"x" * 3_000_000, "text/x")
    assert errno(await folder.http.post(url, files=files, headers=V)) == "eexist"
    two = [("a", ("a", b"x")), ("b", ("b", b"y"))]
    assert error(await folder.http.post(url, files=two)) == (400, "badData", {"key": "file"})
    assert (await folder.http.get(url + "?children", headers=V)).json() == {"children": ["report 1.txt"]}
