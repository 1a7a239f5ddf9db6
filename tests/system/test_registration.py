"""Files that lay on an imported storage, as files of a space, through the front door."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.cli.operator import operator
from tests.support.folder import API, CLIENT, errno, error
from tests.support.load import until
from tests.support.own_space import REMOVED_S, OwnSpace, make_space, operator_settings
from tests.support.stack import RunningStack


@pytest.fixture
async def space(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    """A space on an imported storage with `raw/run1.dat`."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/run1.dat").write_bytes(b"0123456789")
    (tmp_path / "raw/out").symlink_to("/etc/hostname")
    return await make_space(stack, tmp_path, imported=True)


@pytest.fixture
async def http(space: OwnSpace) -> AsyncIterator[httpx.AsyncClient]:
    async with space.account.client() as client:
        yield client


async def register(http: httpx.AsyncClient, space: OwnSpace, source: str, **more: Any) -> httpx.Response:
    body = {
        "spaceId": space.account.space_id,
        "storageId": space.storage_id,
        "storageFileId": source,
        "destinationPath": "/results/2026/run1",
        **more,
    }
    return await http.post(f"{API}/data/register", json=body, headers=CLIENT)


async def test_a_registered_file_is_read_in_place_and_deleted_where_it_lay(
    space: OwnSpace, http: httpx.AsyncClient
) -> None:
    source = space.mount_point / "raw/run1.dat"
    metadata = {"xattrs": {"run": 1}, "json": {"a": 2}, "rdf": base64.b64encode(b"<rdf/>").decode()}
    made = await register(http, space, "/raw/run1.dat", mtime=1_000_000_000, **metadata)
    assert made.status_code == 201, made.text
    file_id = made.json()["fileId"]
    assert made.headers["location"].endswith(f"/data/{file_id}")
    content = await http.get(f"{API}/data/{file_id}/content", headers={"range": "bytes=2-4"})
    assert (content.status_code, content.content) == (206, b"234")
    told = (await http.get(f"{API}/data/{file_id}")).json()
    assert (told["mtime"], told["displayGid"]) == (1_000_000_000, source.stat().st_gid)
    assert (await http.get(f"{API}/data/{file_id}/metadata/json")).json() == {"a": 2}
    assert (await http.get(f"{API}/data/{file_id}/metadata/rdf")).content == b"<rdf/>"
    source.write_bytes(b"longer than before")
    assert (await register(http, space, "raw/run1.dat")).json()["fileId"] == file_id
    assert (await http.get(f"{API}/data/{file_id}/content")).content == b"longer than before"
    assert (await http.delete(f"{API}/data/{file_id}")).status_code == 204

    async def is_gone() -> bool:
        return not source.exists()

    await until(is_gone, REMOVED_S, "the deleted file on the storage")


async def test_a_file_belongs_to_whom_an_operator_said(
    stack: RunningStack, space: OwnSpace, http: httpx.AsyncClient
) -> None:
    own = (await http.put(f"{API}/data/{space.account.space_id}/path/own", content=b"")).json()["fileId"]
    user_id = (await http.get(f"{API}/data/{own}")).json()["ownerUserId"]

    async def owner() -> str:
        made = await register(http, space, "/raw/run1.dat")
        assert made.status_code == 201, made.text
        return str((await http.get(f"{API}/data/{made.json()['fileId']}")).json()["ownerUserId"])

    assert await owner() == f"VIRTUAL_SPACE_OWNER_{space.account.space_id}"
    with operator(operator_settings(stack)) as provider:
        provider.map_storage_user(space.storage_id, os.getuid(), user_id)
        assert [(each.uid, each.user_id) for each in provider.storage_users(space.storage_id)] == [
            (os.getuid(), user_id)
        ]
    assert await owner() == user_id


async def test_what_is_no_file_of_the_owner_is_refused(space: OwnSpace, http: httpx.AsyncClient) -> None:
    assert errno(await register(http, space, "/raw/none")) == "enoent"
    assert errno(await register(http, space, "/raw/out")) == "eio"
    assert errno(await register(http, space, "/.isthmus/storage")) == "eacces"
    assert error(await register(http, space, "/../etc/passwd"))[:2] == (400, "badValueFilePath")
    details = {"key": "size"}
    refused = await register(http, space, "/raw/run1.dat", autoDetectAttributes=False)
    assert error(refused) == (400, "missingRequiredValue", details)


async def test_new_content_leaves_the_owners_file_alone(space: OwnSpace, http: httpx.AsyncClient) -> None:
    file_id = (await register(http, space, "/raw/run1.dat", mode="666")).json()["fileId"]
    assert (await http.put(f"{API}/data/{file_id}/content", content=b"new")).status_code == 204
    assert (await http.get(f"{API}/data/{file_id}/content")).content == b"new"
    assert (space.mount_point / "raw/run1.dat").read_bytes() == b"0123456789"
    assert errno(await register(http, space, "/raw/run1.dat")) == "eexist"
