"""An instance stands still: it keeps its connections and answers nothing. Others take over before long."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from stack import readiness
from tests.support.account import API, DATA, Account
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
