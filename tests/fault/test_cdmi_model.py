"""Random CDMI operations have the results of a plain model while instances are killed."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from functools import partial

import pytest

from tests.support.account import Account
from tests.support.cdmi_player import Player
from tests.support.folder import Folder
from tests.support.load import until
from tests.support.recovery import all_in_rotation
from tests.support.stack import RunningStack

#: More for a longer look: `CDMI_OPERATIONS=10000 CDMI_SEED=7 pytest tests/fault/test_cdmi_model.py -s`.
OPERATIONS = int(os.environ.get("CDMI_OPERATIONS", "400"))
SEED = int(os.environ.get("CDMI_SEED", "1"))
VICTIMS = ("gateway-1", "metadata-1", "storage_router-1", "gateway-2", "metadata-2", "storage_router-2")
CLIENTS = 4


async def kill_in_turn(stack: RunningStack, playing: asyncio.Future[object]) -> int:
    """One instance after the other, each once the last one is back, until the players are done."""
    killed = 0
    while not playing.done():
        victim = VICTIMS[killed % len(VICTIMS)]
        old_pid = stack.kill(victim)
        await asyncio.to_thread(stack.wait_back, victim, old_pid)
        await until(partial(asyncio.to_thread, all_in_rotation, stack), 30.0, "full rotation")
        killed += 1
    return killed


@pytest.mark.timeout(240 + OPERATIONS // 5)
async def test_results_are_the_models_while_instances_are_killed(
    stack: RunningStack, account: Account
) -> None:
    async def play(number: int) -> None:
        async with stack.client() as client:
            name = f"model-{secrets.token_hex(4)}-{number}"
            folder = Folder(client, account.space, account.space_id, name)
            await folder.make()
            player = Player(folder, SEED * 1000 + number)
            try:
                await player.play(OPERATIONS // CLIENTS)
                await player.compare()
            finally:
                await folder.remove()

    begun_s = time.monotonic()
    playing = asyncio.gather(*(play(number) for number in range(CLIENTS)))
    killed = await kill_in_turn(stack, playing)
    await playing
    assert killed > 0
    took_s = time.monotonic() - begun_s
    print(f"{OPERATIONS} operations in {took_s:.0f} s, {killed} instances killed")  # noqa: T201 - see above
