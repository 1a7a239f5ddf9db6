"""Consul is away: users notice nothing, and those who find each other by it do so again afterwards."""

from __future__ import annotations

import asyncio

from tests.support.account import Account
from tests.support.load import Traffic
from tests.support.stack import RunningStack


async def test_serving_and_creating_go_on_without_consul(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "no-consul") as traffic:
        await traffic.more(30)
        with stack.without("consul"):
            await traffic.more(100, for_s=4.0)
        await traffic.more(50, for_s=1.0)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


async def test_a_member_that_dies_without_consul_is_not_missed(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "no-consul-no-member") as traffic:
        with stack.without("consul"):
            for victim in ("gateway-1", "metadata-1", "storage_router-1"):
                stack.kill(victim)
                await traffic.more(70, for_s=2.0)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


async def test_frozen_consul_is_not_missed(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "frozen-consul") as traffic:
        with stack.paused("consul"):
            await traffic.more(100, for_s=3.0)
        await traffic.more(50)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


async def test_members_are_exchanged_again_after_consul_came_back(
    stack: RunningStack, account: Account
) -> None:
    with stack.without("consul"):
        pass
    async with Traffic(account, "consul-back") as traffic:
        old_pid = stack.kill("metadata-1")
        await asyncio.to_thread(stack.wait_back, "metadata-1", old_pid)
        old_pid = stack.kill("metadata-2")
        await asyncio.to_thread(stack.wait_back, "metadata-2", old_pid)
        await traffic.more(50)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []
