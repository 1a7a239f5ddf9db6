"""Custom metadata through the front door: what is acknowledged is kept, whole, for all who may see it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.folder import API, Folder, errno, error

RDF = {"content-type": "application/rdf+xml"}


def url(id: str, kind: str) -> str:
    return f"{API}/data/{id}/metadata/{kind}"


async def test_concurrent_merges_of_attributes_all_count(folder: Folder, member: httpx.AsyncClient) -> None:
    id = await folder.put("a", b"x")
    clients = (folder.http, member)
    answers = await asyncio.gather(
        *(clients[n % 2].put(url(id, "xattrs"), json={f"key{n}": n, "last": n}) for n in range(64))
    )
    assert {answer.status_code for answer in answers} == {204}
    told = (await member.get(url(id, "xattrs"))).json()
    assert told.pop("last") in range(64)
    assert told == {f"key{n}": n for n in range(64)}


async def test_concurrent_changes_of_places_in_a_document_all_count(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    id = await folder.put("a", b"x")
    clients = (folder.http, member)

    async def put(n: int) -> int:
        where = {"filter_type": "keypath", "filter": f"runs.run{n}.result" if n % 2 else f"list.[{n // 2}]"}
        return (await clients[n // 2 % 2].put(url(id, "json"), params=where, json=n)).status_code

    assert set(await asyncio.gather(*(put(n) for n in range(64)))) == {204}
    told = (await member.get(url(id, "json"))).json()
    assert told == {
        "runs": {f"run{n}": {"result": n} for n in range(1, 64, 2)},
        "list": list(range(0, 64, 2)),
    }


async def test_metadata_changes_while_content_does(folder: Folder, member: httpx.AsyncClient) -> None:
    id = await folder.put("a", b"x")
    writes = [folder.http.put(f"{API}/data/{id}/content?offset={n}", content=b"y") for n in range(32)]
    merges = [member.put(url(id, "xattrs"), json={f"key{n}": n}) for n in range(32)]
    answers = await asyncio.gather(*writes, *merges)
    assert {answer.status_code for answer in answers} == {204}
    assert await folder.attributes(id, "size", "hasCustomMetadata") == {"size": 32, "hasCustomMetadata": True}
    assert len((await member.get(url(id, "xattrs"))).json()) == 32


async def test_everything_is_inherited_from_the_nearest(folder: Folder, member: httpx.AsyncClient) -> None:
    file = await folder.put("d/a", b"x", create_parents="true")
    directory = (await folder.lookup("d")).json()["fileId"]
    for id, value in ((folder.id, 1), (directory, 2)):
        await folder.http.put(url(id, "xattrs"), json={f"k{value}": value, "both": value})
        await folder.http.put(url(id, "json"), json={"deep": {f"k{value}": value, "both": value}})
    inherited = {"inherited": "true"}
    assert (await member.get(url(file, "xattrs"), params=inherited)).json() == {"k1": 1, "k2": 2, "both": 2}
    assert (await member.get(url(file, "json"), params=inherited)).json() == {
        "deep": {"k1": 1, "k2": 2, "both": 2}
    }
    assert await folder.attributes(file, "hasCustomMetadata") == {"hasCustomMetadata": False}


async def test_documents_are_kept_to_the_byte(folder: Folder, member: httpx.AsyncClient) -> None:
    id = await folder.put("a", b"x")
    json = b'{"n": 123456789012345678901234567890, "s": "\xc5\xbc\\u0000", "d": 1.10}'
    rdf = bytes(range(256)) * 4000
    await folder.http.put(url(id, "json"), content=json, headers={"content-type": "application/json"})
    assert (await folder.http.put(url(id, "rdf"), content=rdf, headers=RDF)).status_code == 204
    assert (await member.get(url(id, "json"))).content == json
    assert (await member.get(url(id, "rdf"))).content == rdf


@pytest.mark.parametrize("kind", ["json", "rdf"])
async def test_what_was_never_set_and_what_is_gone_read_to_the_letter(folder: Folder, kind: str) -> None:
    id = await folder.put("a", b"x")
    assert errno(await folder.http.get(url(id, kind))) == "enodata"
    assert (await folder.http.delete(url(id, kind))).status_code == 204
    await folder.http.delete(f"{API}/data/{id}")
    for answer in (await folder.http.get(url(id, kind)), await folder.http.delete(url(id, kind))):
        assert error(answer) == (404, "notFound", None)
    assert errno(await folder.http.get(f"{API}/data/{id}")) == "enoent"
    assert errno(await folder.http.get(url(id, "xattrs"))) == "enoent"


async def test_keys_to_remove_are_a_list(folder: Folder) -> None:
    id = await folder.put("a", b"x")
    for body, told in (
        ({"keys": "a"}, (400, "badValueListOfStrings", {"key": "keys"})),
        ({}, (400, "missingRequiredValue", {"key": "keys"})),
    ):
        assert error(await folder.http.request("DELETE", url(id, "xattrs"), json=body)) == told
    answer = await folder.http.request("DELETE", url(id, "xattrs"), json={"keys": ["nope"]})
    assert answer.status_code == 204


async def test_a_copy_of_nothing_is_left_when_the_file_goes(folder: Folder) -> None:
    id = await folder.put("a", b"x")
    await folder.http.put(url(id, "xattrs"), json={"k": 1})
    await folder.http.delete(f"{API}/data/{id}")
    again = await folder.put("a", b"x")
    assert (await folder.http.get(url(again, "xattrs"))).json() == {}
