"""What a provider is, and what its operator changes, is the same here and in the zone, whoever changed it."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.folder import error
from tests.support.load import until
from tests.support.own_space import OwnSpace, make_space
from tests.support.stack import RunningStack
from tests.system.test_supports import isthmus

ZONE = "/api/v3/onezone"
#: Each request may meet another instance: so many in a row have met all.
IN_A_ROW = 12


@pytest.fixture
async def imported(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    folder = tmp_path / "disk"
    folder.mkdir()
    return await make_space(stack, folder, imported=True)


async def told_of(client: httpx.AsyncClient, space_id: str) -> dict[str, Any]:
    """The only support of a space, with its parameters, as the zone tells clients."""
    token = client.headers["x-auth-token"]
    scope = (await client.post(f"{ZONE}/tokens/infer_access_token_scope", json={"token": token})).json()
    [(provider_id, support)] = scope["dataAccessScope"]["spaces"][space_id]["supports"].items()
    space = (await client.get(f"{ZONE}/spaces/{space_id}")).json()
    return {**support, **space["supportParametersRegistry"][provider_id]}


async def everywhere(client: httpx.AsyncClient, own: OwnSpace, *, status: int) -> httpx.Response:
    """Until every instance answers a write with this status; the last answer."""
    answers: list[httpx.Response] = []

    async def is_so() -> bool:
        path = f"/cdmi/{own.account.space}/{secrets.token_hex(4)}"
        answers.append(await client.put(path, content=b"x"))
        return [each.status_code for each in answers[-IN_A_ROW:]] == [status] * IN_A_ROW

    await until(is_so, 20.0, f"writes answered by {status}", 0.02)
    return answers[-1]


async def test_a_storage_that_is_read_only_takes_nothing_more(
    stack: RunningStack, imported: OwnSpace, owner: httpx.AsyncClient
) -> None:
    storage_id, account = imported.storage_id, imported.account
    async with account.client() as client:
        await client.put(f"/cdmi/{account.space}/before", content=b"of before")
        words = ("--readonly", "--qos", "geo=PL", "--qos", "speed=2.5")
        changed = await isthmus(stack, "storage", "change", storage_id, *words)
        assert (changed["readonly"], changed["qos"]) == (True, {"geo": "PL", "speed": 2.5})
        refused = await everywhere(client, imported, status=400)
        assert error(refused)[1:] == ("posix", {"errno": "erofs"})
        assert (await client.get(f"/cdmi/{account.space}/before")).content == b"of before"
        assert (await told_of(owner, account.space_id))["readonly"] is True
        await isthmus(stack, "storage", "change", storage_id, "--writable", "--no-qos")
        await everywhere(client, imported, status=201)
        assert (await told_of(owner, account.space_id))["readonly"] is False
        notes = await isthmus(stack, "audit", "--about", storage_id)
        assert [note["action"] for note in notes][:2] == ["update_storage"] * 2
        assert notes[1]["details"]["qosParameters"] == {"geo": "PL", "speed": 2.5}


async def test_statistics_are_switched_on_either_side(
    stack: RunningStack, imported: OwnSpace, owner: httpx.AsyncClient
) -> None:
    space_id = imported.account.space_id

    async def zone_says(status: str) -> None:
        async def is_so() -> bool:
            return (await told_of(owner, space_id))["dirStatsServiceStatus"] == status

        await until(is_so, 30.0, f"statistics {status} at the zone", 0.1)

    [row] = await isthmus(stack, "space", "dir-stats", "--enable", space_id)
    assert row["dir_stats"] in ("initializing", "enabled")
    assert (await told_of(owner, space_id))["dirStatsServiceEnabled"] is True
    await zone_says("enabled")
    provider_id = (await owner.get(f"{ZONE}/spaces/{space_id}/providers")).json()["providers"][0]
    path = f"{ZONE}/spaces/{space_id}/providers/{provider_id}/support_parameters"
    assert (await owner.patch(path, json={"dirStatsServiceEnabled": False})).status_code == 204
    await zone_says("disabled")
    [row] = await isthmus(stack, "space", "dir-stats", space_id)
    assert row["dir_stats"] == "disabled"


@contextlib.asynccontextmanager
async def renamed(stack: RunningStack, name: str) -> AsyncIterator[None]:
    """The provider has another name in the zone for the time of the block."""
    own = json.loads(stack.layout.first.provider_file.read_text())
    async with stack.client(own["root_token"]) as provider:
        before = (await provider.get(f"{ZONE}/provider")).json()["name"]
        assert (await provider.patch(f"{ZONE}/provider", json={"name": name})).status_code == 204
        try:
            yield
        finally:
            await provider.patch(f"{ZONE}/provider", json={"name": before})


async def test_a_provider_tells_the_name_it_has_in_the_zone(
    stack: RunningStack, guest: httpx.AsyncClient
) -> None:
    name = f"krakow {secrets.token_hex(3)}"
    names: list[str] = []

    async def is_known() -> bool:
        names.append((await guest.get("/api/v3/oneprovider/configuration")).json()["name"])
        return names[-IN_A_ROW:] == [name] * IN_A_ROW

    async with renamed(stack, name):
        began_s = time.monotonic()
        await until(is_known, 20.0, "the new name at every gateway", 0.02)
        took_s = time.monotonic() - began_s
    # A second is the promise; the rest is for machines that are busy.
    assert took_s < 5, took_s
