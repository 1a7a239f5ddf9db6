"""One instance of a service is killed under load: nobody notices."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.support.account import Account
from tests.support.load import Traffic, until
from tests.support.recovery import all_in_rotation
from tests.support.stack import RunningStack


@pytest.mark.parametrize("service", ["gateway", "metadata", "storage_router"])
async def test_no_request_fails_and_no_write_is_lost(
    stack: RunningStack, account: Account, service: str
) -> None:
    async with Traffic(account, f"killed-{service}") as traffic:
        await traffic.more(50)
        for victim in (f"{service}-1", f"{service}-2"):
            old_pid = stack.kill(victim)
            await traffic.more(80)
            await asyncio.to_thread(stack.wait_back, victim, old_pid)
            await until(partial(asyncio.to_thread, all_in_rotation, stack), 30.0, "full rotation")
            await traffic.more(40)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


async def test_control_plane_may_die_and_envoy_goes_on(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "no-control-plane") as traffic:
        with stack.without("cluster_manager-1"), stack.without("cluster_manager-2"):
            await traffic.more(100, for_s=3.0)
        await traffic.more(30)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


async def test_members_that_die_without_control_plane_are_left_out(
    stack: RunningStack, account: Account
) -> None:
    async with Traffic(account, "nobody-tells") as traffic:
        with stack.without("cluster_manager-1"), stack.without("cluster_manager-2"):
            old_pid = stack.kill("gateway-1")
            await traffic.more(100, for_s=2.0)
        await asyncio.to_thread(stack.wait_back, "gateway-1", old_pid)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []
