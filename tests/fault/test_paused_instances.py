"""An instance stands still: it keeps its connections and answers nothing. Others take over before long."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from stack import readiness
from tests.support.account import Account
from tests.support.load import Traffic, until
from tests.support.stack import RunningStack

#: Longest that a metadata instance may be silent before its calls are made elsewhere, with room to spare.
STALL_S = 15.0


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
