"""Queues through the front door: whichever process a request comes to."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from tests.support.folder import API, CONTAINER, Folder, V, errno, error
from tests.system.test_archives import archive, members

QUEUE = {**V, "content-type": "application/cdmi-queue"}


async def make(folder: Folder, name: str = "q", **fields: Any) -> dict[str, Any]:
    answer = await folder.http.put(folder.cdmi(name), json=fields, headers=QUEUE)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def add(folder: Folder, *values: str, name: str = "q") -> None:
    answer = await folder.http.post(folder.cdmi(name), json={"value": list(values)}, headers=QUEUE)
    assert (answer.status_code, answer.content) == (204, b""), answer.text


async def held(folder: Folder, name: str = "q") -> list[str]:
    answer = await folder.http.get(folder.cdmi(name) + "?values:1000", headers=V)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


@pytest.mark.cdmi("21.8.create", "21.8.fields", "21.8.get", "21.8.enqueue", "21.8.dequeue", "21.8.delete")
async def test_values_come_and_go_in_their_order(folder: Folder) -> None:
    told = await make(folder, metadata={"kind": "jobs"})
    assert (told["objectType"], told["queueValues"]) == ("application/cdmi-queue", "")
    await add(folder, "a", "b")
    body = {"value": ["AAEC"], "mimetype": ["image/png"], "valuetransferencoding": ["base64"]}
    answer = await folder.http.post(folder.cdmi("q"), json=body, headers=QUEUE)
    assert answer.status_code == 204
    by_id = f"/cdmi/cdmi_objectid/{told['objectID']}"
    first = await folder.http.get(by_id, headers=V)
    assert first.headers["content-type"] == "application/cdmi-queue"
    assert (first.json()["value"], first.json()["queueValues"]) == (["a"], "0-2")
    assert (await folder.http.delete(by_id + "?value", headers=V)).status_code == 204
    rest = await folder.http.get(folder.cdmi("q") + "?values:5;mimetype;valuetransferencoding", headers=V)
    assert rest.json() == {
        "value": ["b", "AAEC"], "mimetype": ["text/plain", "image/png"],
        "valuetransferencoding": ["utf-8", "base64"],
    }  # fmt: skip
    assert (await folder.http.delete(folder.cdmi("q") + "?values:0-1", headers=V)).status_code == 204
    assert await held(folder) == ["AAEC"]
    refused = await folder.http.delete(folder.cdmi("q") + "?values:9-9", headers=V)
    assert error(refused) == (400, "badData", {"key": "values"})
    assert (await folder.http.delete(folder.cdmi("q"), headers=V)).status_code == 204
    assert (await folder.http.get(by_id, headers=V)).status_code == 400
    assert (await folder.http.get(folder.cdmi("q"), headers=V)).status_code == 404


@pytest.mark.cdmi("21.8.create", "21.4.post")
async def test_a_queue_is_posted_under_a_name_of_the_servers(folder: Folder) -> None:
    answer = await folder.http.post(folder.cdmi("") + "/", json={}, headers=QUEUE)
    assert answer.status_code == 201, answer.text
    told = await folder.http.get(answer.headers["location"], headers=V)
    assert told.json()["objectType"] == "application/cdmi-queue"


@pytest.mark.cdmi("21.8.form")
async def test_who_takes_it_for_a_file_is_told_otherwise(folder: Folder, guest: httpx.AsyncClient) -> None:
    told = await make(folder)
    await add(folder, "a")
    id = told["objectID"]
    attributes = await folder.attributes(id, "type", "size", "name")
    assert attributes == {"type": "REG", "size": 0, "name": "q"}
    content = f"{API}/data/{id}/content"
    for answer in (
        await folder.http.get(content),
        await folder.http.put(content, content=b"x"),
        await folder.http.get(folder.cdmi("q")),
        await folder.http.put(folder.cdmi("q"), content=b"x"),
        await folder.http.get(f"{API}/data/{folder.id}/path/q"),
    ):
        assert errno(answer) == "enotsup"
    redirected = await folder.http.get(folder.cdmi("q") + "/?values:1", headers=V)
    assert redirected.status_code == 302
    assert redirected.headers["location"].endswith(folder.cdmi("q") + "?values:1")
    assert error(await folder.object("q", {"value": "x"})) == (400, "badValueIdentifier", {"key": "path"})
    assert members(await archive(folder, guest))[f"{folder.name}/q"] == b""
    listed = await folder.http.get(f"{API}/data/{folder.id}/children")
    assert [each["name"] for each in listed.json()["children"]] == ["q"]
    assert await held(folder) == ["a"]


@pytest.mark.cdmi("21.8.form")
async def test_a_queue_has_one_name_and_no_share(folder: Folder) -> None:
    id = (await make(folder))["objectID"]
    link = await folder.create("link", type="LNK", target_file_id=id)
    assert errno(link) == "enotsup"
    answer = await folder.http.post(f"{API}/shares", json={"name": "queue", "fileId": id})
    assert errno(answer) == "einval"


@pytest.mark.cdmi("21.8.enqueue", "8.eacces")
async def test_rights_to_values_are_those_to_data(folder: Folder, member: httpx.AsyncClient) -> None:
    id = (await make(folder))["objectID"]
    await add(folder, "a")
    await folder.http.put(f"{API}/data/{id}", json={"mode": "640"})
    url = folder.cdmi("q")
    assert (await member.get(url, headers=V)).json()["value"] == ["a"]
    assert errno(await member.post(url, json={"value": ["b"]}, headers=QUEUE)) == "eacces"
    assert errno(await member.delete(url + "?value", headers=V)) == "eacces"
    await folder.http.put(f"{API}/data/{id}", json={"mode": "600"})
    assert errno(await member.get(url, headers=V)) == "eacces"
    assert (await member.get(url + "?queueValues", headers=V)).json() == {"queueValues": "0-0"}
    assert await held(folder) == ["a"]


@pytest.mark.cdmi("21.8.transfer", "21.8.like-another")
async def test_values_are_copied_and_moved(folder: Folder) -> None:
    await make(folder)
    await add(folder, *map(str, range(50)))
    await make(folder, "copy", copy=folder.path("q"))
    assert await held(folder, "copy") == await held(folder) == [*map(str, range(50))]
    await folder.object("file", {"value": "from a file", "mimetype": "text/x"})
    for source in (f"{folder.path('q')}?values:49", folder.path("file")):
        answer = await folder.http.post(folder.cdmi("copy"), json={"move": source}, headers=QUEUE)
        assert answer.status_code == 204, answer.text
    assert await held(folder) == ["49"]
    assert (await held(folder, "copy"))[50:] == [*map(str, range(49)), "from a file"]
    assert (await folder.http.get(folder.cdmi("file"))).status_code == 404
    moved = await folder.http.put(folder.cdmi("moved"), json={"move": folder.path("q")}, headers=QUEUE)
    assert (moved.status_code, moved.json()["queueValues"]) == (201, "49-49")


@pytest.mark.cdmi("21.8.like-another", "21.8.delete")
async def test_trees_are_copied_removed_and_restored_with_their_queues(folder: Folder) -> None:
    await folder.http.put(folder.cdmi("d/"), headers=CONTAINER)
    await make(folder, "d/q")
    await add(folder, "a", "b", name="d/q")
    answer = await folder.http.put(folder.cdmi("e/"), json={"copy": folder.path("d")}, headers=CONTAINER)
    assert answer.status_code == 201, answer.text
    assert await held(folder, "e/q") == ["a", "b"]
    id = (await folder.lookup("d")).json()["fileId"]
    assert (await folder.http.delete(folder.cdmi("d/"), headers=V)).status_code == 204
    assert (await folder.http.get(folder.cdmi("d/q"), headers=V)).status_code == 404
    assert (await folder.http.post(f"{API}/data/{id}/restore")).status_code == 200
    assert await held(folder, "d/q") == ["a", "b"]


@pytest.mark.cdmi("21.8.limits")
async def test_what_is_too_much_is_refused_and_says_so(folder: Folder) -> None:
    await make(folder)
    large = base64.b64encode(bytes((1 << 20) + 1)).decode()
    body = {"value": [large], "valuetransferencoding": ["base64"]}
    answer = await folder.http.post(folder.cdmi("q"), json=body, headers=QUEUE)
    assert error(answer) == (
        400, "limitReached", {"limit": 1 << 20, "resourceDescription": "bytes in a value of a queue"},
    )  # fmt: skip
    answer = await folder.http.post(folder.cdmi("q"), json={"value": ["x"] * 1001}, headers=QUEUE)
    assert error(answer) == (400, "badValueTooHigh", {"key": "values", "limit": 1000})
    answer = await folder.http.get(folder.cdmi("q") + "?values:1001", headers=V)
    assert error(answer) == (400, "badValueTooHigh", {"key": "values", "limit": 1000})
    answer = await folder.http.post(folder.cdmi("q"), content=b"x" * (8 << 20), headers=QUEUE)
    assert error(answer)[1] == "limitReached"
    assert await held(folder) == []


@pytest.mark.cdmi("21.8.order")
async def test_many_at_once_have_one_order(folder: Folder) -> None:
    await make(folder)

    async def fill(mark: str) -> None:
        for number in range(25):
            await add(folder, f"{mark}{number}", f"{mark}{number}+")

    await asyncio.gather(*map(fill, "abcd"))
    values = await held(folder)
    assert len(values) == 200
    for mark in "abcd":
        mine = [value for value in values if value[0] == mark]
        assert mine == [f"{mark}{number}{end}" for number in range(25) for end in ("", "+")]
    # Values of one POST stay together.
    assert all(values[at + 1] == values[at] + "+" for at in range(0, 200, 2))


@pytest.mark.cdmi("16.3.named")
async def test_a_queue_has_metadata_and_an_acl(folder: Folder) -> None:
    await make(folder)
    acl = [{"acetype": "ALLOW", "identifier": "OWNER@", "aceflags": "NO_FLAGS", "acemask": "0x7019B"}]
    body = {"metadata": {"a": "b", "cdmi_acl": acl}}
    url = folder.cdmi("q") + "?metadata:a;metadata:cdmi_acl"
    answer = await folder.http.put(url, json=body, headers=QUEUE)
    assert answer.status_code == 204, answer.text
    told = (await folder.http.get(folder.cdmi("q") + "?metadata", headers=V)).json()["metadata"]
    assert (told["a"], told["cdmi_size"], told["cdmi_acl"][0]["acemask"]) == ("b", "0", "0x7019B")
    wrong = await folder.http.put(folder.cdmi("q"), json={"metadata": 5}, headers=QUEUE)
    assert error(wrong) == (400, "badData", {"key": "metadata"})
