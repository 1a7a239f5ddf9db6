"""Digests of values through the front door, whoever wrote the value and by whichever road."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time

import httpx
import pytest

from tests.support.folder import API, OBJECT, Folder, V, error

PATIENCE_S = 60.0


async def digest(http: httpx.AsyncClient, url: str) -> str:
    """The digest, once it is there; each request waits for it a while."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        metadata = (await http.get(url + "?metadata:cdmi_hash", headers=V)).json()["metadata"]
        if metadata:
            return str(metadata["cdmi_hash"])
    raise AssertionError("there is no digest")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.cdmi("16.4.value-hash")
async def test_a_digest_follows_the_content_on_every_road(folder: Folder) -> None:
    url = folder.cdmi("f")
    body = {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}}
    id = (await folder.object("f", body)).json()["objectID"]
    assert await digest(folder.http, url) == sha256(b"hello")
    assert (await folder.http.put(url, content=b"plain")).status_code == 204
    assert await digest(folder.http, url) == sha256(b"plain")
    rest = f"{API}/data/{id}/content"
    assert (await folder.http.put(rest + "?offset=2", content=b"--")).status_code == 204
    assert await digest(folder.http, url) == sha256(b"pl--n")
    part = await folder.http.put(url + "?value:0-0", json={"value": "UA=="}, headers=OBJECT)
    assert part.status_code == 204
    assert await digest(folder.http, url) == sha256(b"Pl--n")
    metadata = (await folder.http.get(url + "?metadata", headers=V)).json()["metadata"]
    assert metadata["cdmi_value_hash"] == metadata["cdmi_value_hash_provided"] == "SHA256"


@pytest.mark.cdmi("16.4.value-hash")
async def test_large_contents_have_digests(folder: Folder) -> None:
    content = os.urandom(20_000_000)
    await folder.put("large", content)
    url = folder.cdmi("large")
    body = {"metadata": {"cdmi_value_hash": "SHA512"}}
    answer = await folder.http.put(url + "?metadata:cdmi_value_hash", json=body, headers=OBJECT)
    assert answer.status_code == 204
    found = await asyncio.gather(*(digest(folder.http, url) for _ in range(4)))
    assert set(found) == {hashlib.sha512(content).hexdigest()}


@pytest.mark.cdmi("16.4.value-hash")
async def test_who_may_not_read_is_not_told(folder: Folder, member: httpx.AsyncClient) -> None:
    body = {"value": "secret", "metadata": {"cdmi_value_hash": "SHA256"}}
    id = (await folder.object("f", body)).json()["objectID"]
    await digest(folder.http, folder.cdmi("f"))
    await folder.http.put(f"{API}/data/{id}", json={"mode": "600"})
    told = await member.get(folder.cdmi("f") + "?metadata:cdmi_hash", headers=V)
    assert told.json() == {"metadata": {}}
    refused = await folder.object("g", {"metadata": {"cdmi_value_hash": "CRC32"}})
    assert error(refused) == (400, "badData", {"key": "cdmi_value_hash"})
