"""An instance stands still: it keeps its connections and answers nothing. Others take over before long."""

from __future__ import annotations

import pytest

from tests.support.account import Account
from tests.support.load import Traffic
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
async def test_others_are_served_and_nothing_fails_in_the_end(
    stack: RunningStack, account: Account, victim: str
) -> None:
    async with Traffic(account, f"paused-{victim}") as traffic:
        await traffic.more(40)
        with stack.paused(victim):
            # What waits for the paused one is answered by it later, or elsewhere when that takes too long.
            await traffic.more(60, for_s=3.0)
        await traffic.calm()
    traffic.report.assert_flawless()
    assert await traffic.lost() == []
