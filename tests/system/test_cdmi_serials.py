"""Trees become JSON and come back, through the front door."""

from __future__ import annotations

import base64
import json
import os

import httpx
import pytest

from tests.support.folder import CONTAINER, OBJECT, Folder, V, error

ACL = [{"acetype": "0x0", "identifier": "OWNER@", "aceflags": "0x0", "acemask": "0x701FF"}]


async def value_of(folder: Folder, path: str) -> bytes:
    answer = await folder.http.get(folder.cdmi(path))
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.cdmi("21.5.serialize", "21.5.deserialize")
async def test_a_tree_goes_into_an_object_and_comes_out(folder: Folder) -> None:
    large = os.urandom(3_000_000)
    body = {"metadata": {"project": "sea", "cdmi_acl": ACL}}
    assert (await folder.http.put(folder.cdmi("dir/"), json=body, headers=CONTAINER)).status_code == 201
    await folder.put("dir/sub/a b%", b"small", create_parents="true")
    await folder.put("dir/large", large)
    await folder.object("dir/text", {"value": 'say "hi"', "mimetype": "text/x", "metadata": {"k": [1]}})
    await folder.object("dir/ref", {"reference": "/cdmi/"})
    answer = await folder.object("out", {"serialize": folder.path("dir")})
    assert (answer.status_code, answer.json()["mimetype"]) == (201, "application/json"), answer.text
    told = json.loads(await value_of(folder, "out"))
    assert [child["objectName"] for child in told["children"]] == ["large", "ref?", "sub/", "text"]
    body = {"deserialize": folder.path("out"), "metadata": {"project": "lake"}}
    made = await folder.http.put(folder.cdmi("again/"), json=body, headers=CONTAINER)
    assert made.status_code == 201, made.text
    assert made.json()["children"] == ["large", "ref?", "sub/", "text"]
    assert (made.json()["metadata"]["project"], "cdmi_acl" in made.json()["metadata"]) == ("lake", True)
    assert await value_of(folder, "again/large") == large
    assert await value_of(folder, "again/sub/a b%") == b"small"
    text = (await folder.http.get(folder.cdmi("again/text"), headers=V)).json()
    assert (text["value"], text["mimetype"], text["metadata"]["k"]) == ('say "hi"', "text/x", [1])
    assert (await folder.http.get(folder.cdmi("again/ref"), headers=V)).headers["location"] == "/cdmi/"


@pytest.mark.cdmi("21.5.serialize")
async def test_a_tree_is_told_as_far_as_it_may_be_read(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.put("dir/open", b"x", create_parents="true")
    await folder.put("dir/secret", b"x", mode="600")
    await folder.create("dir/shut", type="DIR", mode="700")
    body = {"serialize": folder.path("dir")}
    answer = await member.put(folder.cdmi("out"), json=body, headers=OBJECT)
    assert answer.status_code == 201, answer.text
    told = json.loads(await value_of(folder, "out"))
    assert [child["objectName"] for child in told["children"]] == ["open"]


@pytest.mark.cdmi("21.5.deserialize", "21.5.limits")
async def test_a_tree_that_cannot_be_made_whole_is_not_made(folder: Folder) -> None:
    children = [
        {"objectType": "application/cdmi-object", "objectName": str(number), "value": "x"}
        for number in range(50)
    ]
    tree = {"objectType": "application/cdmi-container", "children": children}
    for last in ({"objectName": "../x"}, {"objectName": "0"}, {"objectName": "y", "value": 5}):
        text = json.dumps({**tree, "children": [*children, {**children[0], **last}]}).encode()
        body = {"deserializevalue": base64.b64encode(text).decode()}
        answer = await folder.http.put(folder.cdmi("new/"), json=body, headers=CONTAINER)
        assert error(answer)[:2] in ((400, "badData"), (400, "malformedData"))
        assert (await folder.http.get(folder.cdmi("new/"), headers=V)).status_code == 404
    assert (await folder.http.get(folder.cdmi("") + "/?children", headers=V)).json() == {"children": []}
