"""An instance stands still: it keeps its connections and answers nothing. Others take over before long."""

from __future__ import annotations

import pytest

from tests.support.account import Account
from tests.support.load import Traffic
from tests.support.stack import RunningStack


@pytest.mark.parametrize("victim", ["metadata-1", "metadata-2", "gateway-1", "storage_router-1"])
async def test_a_stall_ends_while_the_instance_still_stands(
    stack: RunningStack, account: Account, victim: str
) -> None:
    async with Traffic(account, f"paused-{victim}") as traffic:
        await traffic.more(40)
        with stack.paused(victim):
            await traffic.more(100, timeout_s=20.0)
            await traffic.calm()
        await traffic.calm()
    traffic.report.assert_flawless()
    assert await traffic.lost() == []
