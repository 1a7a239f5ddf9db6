"""Instances stand still: they keep their connections and answer nothing. Others take over before long."""

from __future__ import annotations

import contextlib

import pytest

from tests.support.account import Account
from tests.support.load import LONGEST_S, Traffic
from tests.support.stack import RunningStack


@pytest.mark.parametrize("number", [1, 2])
async def test_a_stall_ends_while_instances_still_stand(
    stack: RunningStack, account: Account, number: int
) -> None:
    async with Traffic(account, f"paused-{number}") as traffic:
        await traffic.more(40)
        with contextlib.ExitStack() as paused:
            for service in ("metadata", "storage_router", "gateway"):
                paused.enter_context(stack.paused(f"{service}-{number}"))
            await traffic.each_goes_on(timeout_s=LONGEST_S)
        await traffic.calm()
    traffic.report.assert_flawless()
    assert await traffic.lost() == []
