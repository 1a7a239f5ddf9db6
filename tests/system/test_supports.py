"""What becomes of a support, told by operators, members and the zone, is felt at the provider at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.cli.operator import operator
from clients.http_api import HttpApi
from clients.zone_rest import ZoneClient
from tests.support.account import Account
from tests.support.documents import REPO
from tests.support.load import until
from tests.support.own_space import OwnSpace, make_space, operator_settings
from tests.support.stack import RunningStack

MiB = 1 << 20
FELT_S = 20.0


@pytest.fixture
async def own(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    folder = tmp_path / "disk"
    folder.mkdir()
    return await make_space(stack, folder, size_bytes=16 * MiB)


async def isthmus(stack: RunningStack, *words: str) -> Any:
    """Runs the command; its JSON."""
    command = [str(REPO / ".venv/bin/isthmus"), "--json", *words]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", **stack.env},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def zone(stack: RunningStack) -> ZoneClient:
    return ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file)


def quota(stack: RunningStack, space_id: str) -> int:
    with operator(operator_settings(stack)) as provider:
        return provider.space_usage(space_id).quota_bytes


async def soon(what: str, holds: Callable[[], bool]) -> float:
    """Until it holds; how long that took."""
    began_s = time.monotonic()

    async def is_so() -> bool:
        return await asyncio.to_thread(holds)

    await until(is_so, FELT_S, what, 0.05)
    return time.monotonic() - began_s


async def put(account: Account, name: str, size: int) -> int:
    async with account.client() as client:
        answer = await client.put(f"/cdmi/{account.space}/{name}", content=bytes(size))
    return answer.status_code


async def test_an_operator_resizes_a_support(own: OwnSpace) -> None:
    space_id = own.account.space_id
    assert await put(own.account, "first", 10 * MiB) == 201
    assert await put(own.account, "second", 10 * MiB) != 201
    told = await isthmus(own.stack, "space", "resize", own.account.space, "--size", "64M")
    assert told == {"space_id": space_id, "size_bytes": 64 * MiB}
    assert quota(own.stack, space_id) == 64 * MiB
    assert await put(own.account, "second", 10 * MiB) == 201
    rows = await isthmus(own.stack, "space", "supports")
    assert {"name": own.account.space, "size_bytes": 64 * MiB}.items() <= next(
        row for row in rows if row["space_id"] == space_id
    ).items()
    with zone(own.stack) as client:
        [space] = [each for each in client.spaces() if each.space_id == space_id]
    assert list(space.providers.values()) == [64 * MiB]


async def test_a_size_told_to_the_zone_is_the_quota_soon_after(own: OwnSpace) -> None:
    space_id = own.account.space_id
    file = Path(own.stack.env["ISTHMUS_OPERATOR_TOKEN_FILE"]).with_name("provider.json")
    token = json.loads(file.read_text())["root_token"]
    http = HttpApi(own.stack.url, token=token, ca_file=own.stack.ca_file)
    http.request("PATCH", f"/api/v3/onezone/provider/spaces/{space_id}", body={"size": 32 * MiB})
    http.close()
    await soon("the new quota", lambda: quota(own.stack, space_id) == 32 * MiB)


async def test_statistics_are_switched_at_the_zone_and_reported_back(own: OwnSpace) -> None:
    space_id = own.account.space_id
    http = HttpApi(own.stack.url, token=own.stack.token, ca_file=own.stack.ca_file)
    base = f"/api/v3/onezone/spaces/{space_id}"
    [provider_id] = http.request("GET", base).json()["providers"]

    def status() -> str:
        registry = http.request("GET", base).json()["supportParametersRegistry"]
        return str(registry[provider_id]["dirStatsServiceStatus"])

    for enabled, final in ((True, "enabled"), (False, "disabled")):
        body = {"dirStatsServiceEnabled": enabled}
        http.request("PATCH", f"{base}/providers/{provider_id}/support_parameters", body=body)
        await soon(f"statistics that are {final}", lambda final=final: status() == final)  # type: ignore[misc]
        rows = await isthmus(own.stack, "space", "dir-stats", space_id)
        assert rows == [{"space_id": space_id, "dir_stats": final}]
    http.close()


async def test_a_revoked_support_keeps_its_files_for_the_next(own: OwnSpace) -> None:
    account = own.account
    assert await put(account, "kept", 1000) == 201
    await isthmus(own.stack, "space", "revoke", account.space, "--yes")
    assert quota(own.stack, account.space_id) == 0
    assert await put(account, "late", 1000) >= 400
    with zone(own.stack) as client:
        invitation = client.support_token(account.space_id)
    with operator(operator_settings(own.stack)) as provider:
        provider.support_space(own.storage_id, invitation, 16 * MiB)

    async def is_back() -> bool:
        async with account.client() as client:
            answer = await client.get(f"/cdmi/{account.space}/kept")
        return answer.status_code == 200 and len(answer.content) == 1000

    await until(is_back, FELT_S, "the file of before", 0.1)


async def test_a_member_ends_a_support(own: OwnSpace) -> None:
    space_id = own.account.space_id
    with zone(own.stack) as client:
        [space] = [each for each in client.spaces() if each.space_id == space_id]
        [provider_id] = space.providers
    http = HttpApi(own.stack.url, token=own.stack.token, ca_file=own.stack.ca_file)
    http.request("DELETE", f"/api/v3/onezone/spaces/{space_id}/providers/{provider_id}")
    http.close()
    await soon("no quota", lambda: quota(own.stack, space_id) == 0)
    with operator(operator_settings(own.stack)) as provider:
        await soon("no support", lambda: space_id not in [each.space_id for each in provider.supports()])
