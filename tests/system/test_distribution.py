"""Where files lie, through the front door, with real storages behind it."""

from __future__ import annotations

import httpx

from tests.support.folder import API, Folder, error
from tests.support.stack import RunningStack


async def test_a_file_lies_on_the_storage_of_its_space(stack: RunningStack, folder: Folder) -> None:
    file = await folder.put("a", b"0123456789")
    told = (await folder.http.get(f"{API}/data/{file}/distribution")).json()
    entry = told["distributionPerProvider"][stack.env["ISTHMUS_PROVIDER_ID"]]
    [(storage_id, held)] = entry["distributionPerStorage"].items()
    assert (entry["virtualSize"], held) == (10, {"physicalSize": 10, "blocks": [[0, 10]]})
    located = (await folder.http.get(f"{API}/data/{file}/storage_locations")).json()
    [provider] = located["locationsPerProvider"].values()
    assert provider["locationsPerStorage"] == entry["locationsPerStorage"]
    assert entry["locationsPerStorage"][storage_id].startswith(f"/{stack.space_id}/")


async def test_members_see_it_and_strangers_do_not(
    folder: Folder, member: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    file = await folder.put("a", b"x")
    assert (await member.get(f"{API}/data/{file}/distribution")).status_code == 200
    assert error(await guest.get(f"{API}/data/{file}/distribution")) == (401, "unauthorized", None)


async def test_the_temporary_directory_is_there(stack: RunningStack, owner: httpx.AsyncClient) -> None:
    found = await owner.post(f"{API}/lookup-file-id/{stack.space}/.__onedata__tmp")
    assert found.status_code == 200, found.text
    told = await owner.get(f"{API}/data/{found.json()['fileId']}")
    assert told.json()["type"] == "DIR"
