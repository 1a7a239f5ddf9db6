"""An instance stands still: it keeps its connections and answers nothing. Others take over before long."""

from __future__ import annotations

import asyncio
from functools import partial

import httpx
import pytest

from stack import readiness
from tests.support.account import API, DATA, Account
from tests.support.gateway_memory import told_from_memory
from tests.support.load import Traffic, until
from tests.support.stack import RunningStack

#: Longest that a metadata instance may be silent before its calls are made elsewhere, with room to spare.
STALL_S = 15.0
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("victim", ["metadata-1", "metadata-2"])
async def test_a_stall_ends_while_metadata_still_stands(
    stack: RunningStack, account: Account, victim: str
) -> None:
    async with Traffic(account, f"paused-{victim}") as traffic:
        await traffic.more(40)
        with stack.paused(victim):
            await traffic.each_goes_on(timeout_s=STALL_S)
        await traffic.more(40)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


@pytest.mark.parametrize("victim", ["gateway-1", "storage_router-1"])
async def test_new_clients_are_served_and_nothing_fails_in_the_end(
    stack: RunningStack, account: Account, victim: str
) -> None:
    service = "data_port" if victim.startswith("storage_router") else "gateway"
    async with Traffic(account, f"paused-{victim}") as caught:
        await caught.more(40)
        with stack.paused(victim):
            await until(partial(is_missed, stack, service), 15.0, "suspicion of the paused instance")
            async with Traffic(account, f"beside-{victim}") as fresh:
                await fresh.more(60)
        await caught.calm()
    for traffic in (caught, fresh):
        traffic.report.assert_flawless()
        assert await traffic.lost() == []


async def is_missed(stack: RunningStack, service: str) -> bool:
    """Whether Consul has noticed that not all instances answer."""
    return not await asyncio.to_thread(readiness.instances_pass, stack.layout.first, service)


async def test_a_gateway_that_wakes_up_tells_nothing_that_has_changed(
    stack: RunningStack, account: Account
) -> None:
    """It slept while they were changed, and remembered what it had told a moment before."""
    gateways = [f"http://127.0.0.1:{stack.layout.first.port('gateway', number)}" for number in (1, 2)]
    async with account.client() as owner, httpx.AsyncClient(headers=owner.headers, timeout=30) as direct:
        place = f"{DATA}/{account.space_id}/path/woken"
        made = await owner.put(f"{place}?type=DIR", headers=JSON)
        assert made.status_code == 201, made.text
        url = f"{DATA}/{made.json()['fileId']}?attributes=posixPermissions&attributes=mtime"
        first = (await direct.get(f"{gateways[0]}{url}")).json()

        async def is_remembered() -> bool:
            before = await told_from_memory(stack)
            for _ in range(10):
                assert (await direct.get(f"{gateways[0]}{url}")).json() == first
            return await told_from_memory(stack) - before >= 10

        await until(is_remembered, 60.0, "memory of the directory", 0.5)
        begun_s = asyncio.get_running_loop().time()
        with stack.paused("gateway-1"):
            answer = await owner.put(f"{place}/new?type=REG", headers=JSON)
            assert answer.status_code == 201, answer.text
            answer = await direct.put(f"{gateways[1]}{url}", json={"mode": "700"}, headers=JSON)
            assert answer.status_code == 204, answer.text
            waited_s = asyncio.get_running_loop().time() - begun_s
        told = [(await direct.get(f"{gateway}{url}")).json() for gateway in gateways * 20]
    assert waited_s < 10.0, "it holds a change up for the rest of a lease"
    assert {each["posixPermissions"] for each in told} == {"700"}
    assert {each["mtime"] for each in told} == {told[0]["mtime"]} != {first["mtime"]}


async def test_a_data_port_that_wakes_up_knows_no_rights_that_are_gone(
    stack: RunningStack, account: Account
) -> None:
    """It slept while they were taken away, and remembered what it had served a moment before."""
    path = f"/cdmi/{account.space}/woken.txt"
    async with account.client() as owner, stack.client(stack.member_token) as member:
        assert (await owner.put(path, content=b"secret")).status_code == 201
        found = await owner.post(f"{API}/lookup-file-id{path.removeprefix('/cdmi')}")
        for _ in range(100):
            assert (await member.get(path)).status_code == 200
        with stack.paused("storage_router-1"):
            closing = {"mode": "600"}
            answer = await owner.put(f"{DATA}/{found.json()['fileId']}", json=closing, headers=JSON)
            assert answer.status_code == 204, answer.text
        answers = [await member.get(path) for _ in range(100)]
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.json()["error"]["details"]["errno"] for answer in answers} == {"eacces"}
